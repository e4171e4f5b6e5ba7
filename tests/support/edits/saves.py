"""Ways to edit."""

from __future__ import annotations

from tests.support.edits.way import HOME, Same, SupervisorLink, Way, changed, function, value

_LAZY = """\
import importlib

def __getattr__(name):
    if name != {name!r}:
        raise AttributeError(name)
    found = {found}
    globals()[name] = found
    return found
"""
_HANDLER = "from .registry import register\n@register\ndef {}():\n    pass\n"
_PLUGIN = "from .base import Base\nclass {}(Base):\n    pass\n"
_SETTER = "from bu import state\nstate.VALUE = {}\n"
_GENERIC = "import functools\n@functools.singledispatch\ndef show(x):\n    return 'any'\n"
_SPECIAL = "from .show import show\n@show.register\ndef special(x: int):\n    return {!r}\n"
_OLD_NAME = "from ba.old import VALUE", "return VALUE"
_NEW_NAME = "from ba.new import VALUE", "return VALUE"
_NESTED = "def text():\n    return {!r}\n"

WAYS: dict[str, Way] = {
    "a module that is renamed": Way(
        *_OLD_NAME,
        {"ba/__init__.py": "", "ba/old.py": value(1)},
        1,
        (
            ({"ba/old.py": None, "ba/new.py": value(2), HOME: function(*_NEW_NAME)}, 2),
            ({"ba/new.py": None, "ba/old.py": value(1), HOME: function(*_OLD_NAME)}, 1),
        ),
    ),
    "a package that is renamed": Way(
        "from bb_old import part",
        "return part.VALUE",
        {"bb_old/__init__.py": "", "bb_old/part.py": value(1)},
        1,
        (
            (
                {
                    "bb_new/__init__.py": "",
                    "bb_new/part.py": value(2),
                    "bb_old": None,
                    HOME: function("from bb_new import part", "return part.VALUE"),
                },
                2,
            ),
            (
                {
                    "bb_old/__init__.py": "",
                    "bb_old/part.py": value(3),
                    "bb_new": None,
                    HOME: function("from bb_old import part", "return part.VALUE"),
                },
                3,
            ),
        ),
    ),
    "a module that becomes a package": Way(
        "import bc",
        "return bc.VALUE",
        {"bc.py": value(1)},
        1,
        (
            (
                {
                    "bc.py": None,
                    "bc/__init__.py": "from .part import VALUE\n",
                    "bc/part.py": value(2),
                },
                2,
            ),
            ({"bc/part.py": value(3)}, 3),
            ({"bc": None, "bc.py": value(1)}, 1),
        ),
    ),
    "a module that becomes a package with the same text": Way(
        "import bd",
        "return __import__('os').path.basename(bd.__file__)",
        {"bd.py": value(1)},
        "bd.py",
        (
            ({"bd.py": None, "bd/__init__.py": value(1)}, "__init__.py"),
            ({"bd": None, "bd.py": value(1)}, "bd.py"),
        ),
    ),
    "a module that becomes a name of its package": Way(
        "from be import settings",
        "return getattr(settings, 'VALUE', settings)",
        {"be/__init__.py": "", "be/settings.py": value(1)},
        1,
        (
            ({"be/settings.py": None, "be/__init__.py": "settings = 2\n"}, 2),
            ({"be/__init__.py": "", "be/settings.py": value(3)}, 3),
        ),
    ),
    "a file that goes and comes back": Way(
        "from bf import settings",
        "return settings.VALUE",
        {"bf/__init__.py": "", "bf/settings.py": value(1)},
        1,
        (
            ({"bf/settings.py": None, HOME: function("", "return 0")}, 0),
            (
                {
                    "bf/settings.py": value(1),
                    HOME: function("from bf import settings", "return settings.VALUE"),
                },
                1,
            ),
            ({"bf/settings.py": value(2)}, 2),
        ),
    ),
    "a name that goes": Way(
        "from bg import util",
        "return sorted(name for name in ('a', 'b') if hasattr(util, name))",
        {"bg/__init__.py": "", "bg/util.py": "a = b = 1\n"},
        ["a", "b"],
        (({"bg/util.py": "b = 1\n"}, ["b"]), ({"bg/util.py": "a = 1\n"}, ["a"])),
    ),
    "a save of the same size at the same time": Way(
        "from bh import settings",
        "return settings.VALUE",
        {"bh/__init__.py": "", "bh/settings.py": value(1)},
        1,
        (({"bh/settings.py": Same(value(2))}, 2), ({"bh/settings.py": Same(value(1))}, 1)),
    ),
    "a link to a file": Way(
        "from bi import settings",
        "return settings.VALUE",
        {
            "bi/__init__.py": "",
            "../linked/bi_one.py": value(1),
            "../linked/bi_two.py": value(2),
            "bi/settings.py": SupervisorLink("../../linked/bi_one.py"),
        },
        1,
        (
            ({"bi/settings.py": SupervisorLink("../../linked/bi_two.py")}, 2),
            ({"bi/settings.py": SupervisorLink("../../linked/bi_one.py")}, 1),
            ({"../linked/bi_one.py": value(3)}, 3),
        ),
    ),
    "a link to a folder": Way(
        "from bj import settings",
        "return settings.VALUE",
        {
            "../linked/one/__init__.py": "",
            "../linked/one/settings.py": value(1),
            "../linked/two/__init__.py": "",
            "../linked/two/settings.py": value(2),
            "bj": SupervisorLink("../linked/one"),
        },
        1,
        (
            ({"bj": SupervisorLink("../linked/two")}, 2),
            ({"bj": SupervisorLink("../linked/one")}, 1),
            ({"bj/settings.py": value(3)}, 3),
        ),
    ),
    "a literal name to import_module": Way(
        "import importlib",
        "return importlib.import_module('bk.settings').VALUE",
        {"bk/__init__.py": "", "bk/settings.py": value(1)},
        1,
        changed("bk/settings.py"),
    ),
    "a relative name to import_module": Way(
        "import importlib",
        "return importlib.import_module('.settings', 'bl').VALUE",
        {"bl/__init__.py": "", "bl/settings.py": value(1)},
        1,
        changed("bl/settings.py"),
    ),
    "a look at sys.modules": Way(
        "import sys\nimport bm.settings",
        "return sys.modules['bm.settings'].VALUE",
        {"bm/__init__.py": "", "bm/settings.py": value(1)},
        1,
        changed("bm/settings.py"),
    ),
    "a module that is loaded again": Way(
        "import importlib\nfrom bn import settings",
        "return importlib.reload(settings).VALUE + settings.VALUE",
        {"bn/__init__.py": "", "bn/settings.py": value(1)},
        2,
        (({"bn/settings.py": value(2)}, 4), ({"bn/settings.py": value(1)}, 2)),
    ),
    "a package that imports its modules when they are asked for": Way(
        "import bo",
        "return bo.settings.VALUE",
        {
            "bo/__init__.py": _LAZY.format(
                name="settings", found="importlib.import_module(f'.{name}', __name__)"
            ),
            "bo/settings.py": value(1),
        },
        1,
        changed("bo/settings.py"),
    ),
    "a package that keeps the names that are asked for": Way(
        "from bp import VALUE",
        "return VALUE",
        {
            "bp/__init__.py": _LAZY.format(
                name="VALUE", found="importlib.import_module('.settings', __name__).VALUE"
            ),
            "bp/settings.py": value(1),
        },
        1,
        changed("bp/settings.py"),
    ),
    "a registry": Way(
        "from bq.registry import HANDLERS\nfrom bq import handlers",
        "return sorted(HANDLERS)",
        {
            "bq/__init__.py": "",
            "bq/registry.py": "HANDLERS = {}\ndef register(function):\n"
            "    HANDLERS[function.__name__] = function\n    return function\n",
            "bq/handlers.py": _HANDLER.format("one"),
        },
        ["one"],
        (
            ({"bq/handlers.py": _HANDLER.format("two")}, ["two"]),
            ({"bq/handlers.py": _HANDLER.format("one")}, ["one"]),
        ),
    ),
    "subclasses": Way(
        "from br.base import Base\nfrom br import plugins",
        "return sorted(each.__name__ for each in Base.__subclasses__())",
        {
            "br/__init__.py": "",
            "br/base.py": "class Base:\n    pass\n",
            "br/plugins.py": _PLUGIN.format("One"),
        },
        ["One"],
        (
            ({"br/plugins.py": _PLUGIN.format("Two")}, ["Two"]),
            ({"br/plugins.py": _PLUGIN.format("One")}, ["One"]),
        ),
    ),
    "a value that a module puts into another": Way(
        "from bu import state, setter",
        "return state.VALUE",
        {"bu/__init__.py": "", "bu/state.py": value(0), "bu/setter.py": _SETTER.format(1)},
        1,
        (
            ({"bu/setter.py": _SETTER.format(2)}, 2),
            ({"bu/setter.py": _SETTER.format(1)}, 1),
            ({"bu/state.py": value(7)}, 1),
        ),
    ),
    "a registration that goes": Way(
        "from bv.show import show\nimport bv.integers",
        "return show(1)",
        {"bv/__init__.py": "", "bv/show.py": _GENERIC, "bv/integers.py": _SPECIAL.format("one")},
        "one",
        (
            ({"bv/integers.py": _SPECIAL.format("two")}, "two"),
            ({"bv/integers.py": ""}, "any"),
            ({"bv/integers.py": _SPECIAL.format("one")}, "one"),
        ),
    ),
    "a subclass that goes and comes back": Way(
        "import bw.plugins\nimport bw.base",
        "return bw.base.NAMES",
        {
            "bw/__init__.py": "",
            "bw/base.py": "NAMES = []\nclass Base:\n    def __init_subclass__(cls):\n"
            "        NAMES.append(cls.__name__)\n",
            "bw/plugins.py": _PLUGIN.format("One"),
        },
        ["One"],
        (
            ({"bw/plugins.py": _PLUGIN.format("Two")}, ["Two"]),
            ({"bw/plugins.py": ""}, []),
            ({"bw/plugins.py": _PLUGIN.format("One")}, ["One"]),
        ),
    ),
    "the source of a function": Way(
        "import inspect\nfrom bs.util import text",
        "return inspect.getsource(text).splitlines()[-1].split()[-1] + text()",
        {"bs/__init__.py": "", "bs/util.py": _NESTED.format("one")},
        "'one'one",
        (
            ({"bs/util.py": "\n\n" + _NESTED.format("two")}, "'two'two"),
            ({"bs/util.py": _NESTED.format("one")}, "'one'one"),
        ),
        rereads=True,
    ),
    "a class that is pickled": Way(
        "import pickle\nfrom bt import shapes",
        "return type(pickle.loads(pickle.dumps(shapes.Shape()))).SIDES",
        {"bt/__init__.py": "", "bt/shapes.py": "class Shape:\n    SIDES = 1\n"},
        1,
        (
            ({"bt/shapes.py": "class Shape:\n    SIDES = 2\n"}, 2),
            ({"bt/shapes.py": "class Shape:\n    SIDES = 1\n"}, 1),
        ),
    ),
    "the function alone": Way(
        "",
        "return 1",
        {},
        1,
        (({HOME: function("", "return 2")}, 2), ({HOME: function("", "return 1")}, 1)),
    ),
    "a package installed to be edited": Way(
        "from beside import settings",
        "return settings.VALUE",
        {"../beside/src/beside/__init__.py": "", "../beside/src/beside/settings.py": value(1)},
        1,
        changed("../beside/src/beside/settings.py"),
    ),
    "a package installed to be edited, by a finder": Way(
        "import found.settings",
        "return found.settings.VALUE",
        {"../found/code/__init__.py": "", "../found/code/settings.py": value(1)},
        1,
        (
            ({"../found/code/settings.py": Same(value(2))}, 2),
            ({"../found/code/settings.py": Same(value(1))}, 1),
        ),
    ),
}
