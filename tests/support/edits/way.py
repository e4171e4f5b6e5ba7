"""One way to import modules of a project, and the saves that follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class SupervisorLink:
    """A symbolic link to ``target``, as seen from the folder that it stands in."""

    target: str


@dataclass(frozen=True)
class Same:
    """A text of the same size as before, saved with the same time."""

    text: str


HOME = ""
"""In place of a path: the file with the remote function."""

# By path below the project: a text, a link, or None for a file that goes. A path that begins
# with ``../`` leads to what stands beside the project.
Files = Mapping[str, str | SupervisorLink | Same | None]
Answer = str | int | list[str]
# The files, and the answer from then on.
Save = tuple[Files, Answer]


@dataclass(frozen=True)
class Way:
    """``body`` is that of the remote function in the module ``home``, below ``imports``.

    Before the ``saves`` its answer is ``before``; each of them comes with the answer from then on.
    What ``rereads`` files may answer anything between a save and the reload.
    """

    imports: str
    body: str
    files: Files
    before: Answer
    saves: tuple[Save, ...]
    home: str = ""
    rereads: bool = False

    def source(self) -> str:
        """The module with the remote function."""
        return function(self.imports, self.body)

    def answers(self) -> list[Answer]:
        """What is expected at first, and after each save."""
        return [self.before, *(answer for _, answer in self.saves)]

    @property
    def is_special_to_watch(self) -> bool:
        """Whether what is saved is more than a new text of a file of the project."""
        return any(
            path.startswith("../") or isinstance(content, SupervisorLink | Same)
            for files, _ in self.saves
            for path, content in files.items()
        )


def function(imports: str, body: str) -> str:
    """A module with the remote function ``answer``."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    head = "from endpoint import endpoint, route\nfrom pytest_flash import remote\n"
    return f"{head}{imports}\n\n\n@remote(endpoint, **route(__name__))\ndef answer():\n{lines}"


def value(number: int) -> str:
    """A module that holds a number."""
    return f"VALUE = {number}\n"


def changed(path: str) -> tuple[Save, ...]:
    """A change of the number in the file ``path``, which held 1; its undoing; and another."""
    return tuple(({path: value(number)}, number) for number in (2, 1, 3))
