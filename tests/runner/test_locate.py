"""From what a user names to a module to import."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_flash.errors import AppNotFoundError
from pytest_flash.runner.app.locate import FILE_NAMES, locate


def write(root: Path, *files: str) -> None:
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.mark.parametrize("name", FILE_NAMES)
def test_the_usual_places_in_the_order_of_fastapi_dev(tmp_path: Path, name: str) -> None:
    write(tmp_path, *FILE_NAMES[FILE_NAMES.index(name) :])
    assert locate(None, tmp_path).file == tmp_path / name


def test_an_entrypoint_for_fastapi_dev_comes_first(tmp_path: Path) -> None:
    write(tmp_path, "main.py", "src/shop/web.py")
    (tmp_path / "pyproject.toml").write_text("[tool.fastapi]\nentrypoint = 'src.shop.web:site'\n")
    location = locate(None, tmp_path)
    assert (location.root, location.module) == (tmp_path, "src.shop.web")
    assert location.attribute == "site"
    assert locate("main.py", tmp_path).module == "main"


@pytest.mark.parametrize("table", ["", "entrypoint = ''", "entrypoint = 3", "other = 1"])
def test_a_table_without_an_entrypoint_changes_nothing(tmp_path: Path, table: str) -> None:
    write(tmp_path, "main.py")
    (tmp_path / "pyproject.toml").write_text(f"[tool.fastapi]\n{table}\n")
    assert locate(None, tmp_path).module == "main"


def test_without_an_init_the_dotted_form_is_taken_where_it_is_needed(tmp_path: Path) -> None:
    write(tmp_path, "app/main.py", "app/db.py")
    assert locate(None, tmp_path).module == "main"
    (tmp_path / "app" / "main.py").write_text("from app.db import connect")
    location = locate(None, tmp_path)
    assert (location.root, location.module) == (tmp_path, "app.main")
    assert (location.beside, location.other_name) == (tmp_path / "app", "main")


def test_variables_may_stand_above_the_app(tmp_path: Path) -> None:
    write(tmp_path, ".env", "project/src/app/main.py", "project/src/.keep")
    app = "src/app/main.py"
    assert locate(app, tmp_path / "project").folder == tmp_path / "project/src/app"
    write(tmp_path, "project/.env")
    assert locate(app, tmp_path / "project").folder == tmp_path / "project"
    write(tmp_path, "project/src/app/.env")
    assert locate(app, tmp_path / "project").folder == tmp_path / "project/src/app"


PACKAGE = ("src/shop/__init__.py", "src/shop/web/__init__.py", "src/shop/web/main.py")


def test_beside_an_init_a_file_is_imported_as_a_server_in_its_folder_would(tmp_path: Path) -> None:
    write(tmp_path, *PACKAGE)
    location = locate("src/shop/web", tmp_path)
    assert (location.root, location.module) == (tmp_path / "src" / "shop" / "web", "main")
    assert (location.beside, location.other_name) == (tmp_path / "src", "shop.web.main")


@pytest.mark.parametrize(
    "text",
    ["from . import views", "from ..db import x", "import shop.db", "from shop.web import views",
     "def f():\n    from .views import index"],
)  # fmt: skip
def test_a_file_that_needs_its_package_is_a_part_of_it(tmp_path: Path, text: str) -> None:
    write(tmp_path, *PACKAGE)
    (tmp_path / PACKAGE[-1]).write_text(text)
    location = locate("src/shop/web", tmp_path)
    assert (location.root, location.module) == (tmp_path / "src", "shop.web.main")
    assert (location.beside, location.other_name) == (tmp_path / "src/shop/web", "main")


def test_a_folder_needs_no_identifier_for_a_name(tmp_path: Path) -> None:
    write(tmp_path, "01_hello-world/__init__.py", "01_hello-world/main.py")
    assert locate("01_hello-world", tmp_path).module == "main"
    (tmp_path / "01_hello-world" / "main.py").write_text("from . import worker")
    assert locate("01_hello-world", tmp_path).module == "01_hello-world.main"


def test_a_package_with_a_dot_in_its_name_has_no_parts(tmp_path: Path) -> None:
    write(tmp_path, "v1.2/__init__.py", "v1.2/main.py")
    location = locate("v1.2", tmp_path)
    assert (location.module, location.other_name) == ("main", None)
    (tmp_path / "v1.2" / "main.py").write_text("from . import worker")
    with pytest.raises(AppNotFoundError, match=r"'v1\.2' cannot be imported: .* rename the folder"):
        locate("v1.2", tmp_path)


def test_a_module_inside_hides_the_package_of_its_name(tmp_path: Path) -> None:
    write(tmp_path, "workers/__init__.py", "workers/workers/__init__.py", "workers/main.py")
    (tmp_path / "workers" / "main.py").write_text("import workers.gpu")
    location = locate("workers", tmp_path)
    assert (location.module, location.other_name) == ("main", None)


def test_a_file_may_carry_an_attribute(tmp_path: Path) -> None:
    write(tmp_path, "web/api.py")
    location = locate("web/api.py:application", tmp_path)
    assert (location.module, location.attribute) == ("api", "application")


@pytest.mark.parametrize("name", ["shop.main:app", "shop.main"])
def test_a_module_is_seen_from_the_current_folder(tmp_path: Path, name: str) -> None:
    write(tmp_path, "shop/main.py")
    location = locate(name, tmp_path)
    assert (location.root, location.module) == (tmp_path, "shop.main")
    assert location.file == tmp_path / "shop" / "main.py"
    assert location.folder == tmp_path / "shop"


def test_a_package_file_stands_for_the_package(tmp_path: Path) -> None:
    write(tmp_path, "shop/__init__.py")
    location = locate("shop/__init__.py", tmp_path)
    assert (location.root, location.module) == (tmp_path, "shop")


def test_an_absolute_path_works_from_anywhere(tmp_path: Path) -> None:
    write(tmp_path, "a/main.py")
    assert locate(str(tmp_path / "a"), Path("/")).module == "main"


def test_an_empty_folder_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(AppNotFoundError, match=r"main.py, app.py, api.py, app/main.py"):
        locate(None, tmp_path)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("./quikstart", "quickstart"),
        ("thng.py", "thing.py"),
        ("thng.py:app", "thing.py"),
        ("quickstart/mein.py", "main.py"),
    ],
)
def test_a_misspelt_path_gets_a_suggestion(tmp_path: Path, name: str, meant: str) -> None:
    write(tmp_path, "quickstart/main.py", "thing.py")
    with pytest.raises(AppNotFoundError, match=f"did you mean '{meant}'"):
        locate(name, tmp_path)


@pytest.mark.parametrize("name", ["notes.txt", "my-app.py"])
def test_a_file_that_cannot_be_imported_is_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path, name)
    with pytest.raises(AppNotFoundError, match=name.partition(".")[0]):
        locate(name, tmp_path)
