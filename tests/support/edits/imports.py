"""Ways to import."""

from __future__ import annotations

from tests.support.edits.way import HOME, Way, changed, function, value

WAYS: dict[str, Way] = {
    "from package import module": Way(
        "from aa import settings",
        "return settings.VALUE",
        {"aa/__init__.py": "", "aa/settings.py": value(1)},
        1,
        changed("aa/settings.py"),
    ),
    "from package import module, in the function": Way(
        "",
        "from ab import settings\nreturn settings.VALUE",
        {"ab/__init__.py": "", "ab/settings.py": value(1)},
        1,
        changed("ab/settings.py"),
    ),
    "import package.module": Way(
        "import ac.settings",
        "return ac.settings.VALUE",
        {"ac/__init__.py": "", "ac/settings.py": value(1)},
        1,
        changed("ac/settings.py"),
    ),
    "import package.module as name": Way(
        "import ad.settings as st",
        "return st.VALUE",
        {"ad/__init__.py": "", "ad/settings.py": value(1)},
        1,
        changed("ad/settings.py"),
    ),
    "import package.module as name, in the function": Way(
        "",
        "import ae.settings as st\nreturn st.VALUE",
        {"ae/__init__.py": "", "ae/settings.py": value(1)},
        1,
        changed("ae/settings.py"),
    ),
    "from package.module import name": Way(
        "from af.settings import VALUE",
        "return VALUE",
        {"af/__init__.py": "", "af/settings.py": value(1)},
        1,
        changed("af/settings.py"),
    ),
    "from module import *": Way(
        "from ag.settings import *",
        "return VALUE",
        {"ag/__init__.py": "", "ag/settings.py": value(1)},
        1,
        changed("ag/settings.py"),
    ),
    "from package import * with modules in __all__": Way(
        "from ah import *",
        "return settings.VALUE",
        {"ah/__init__.py": "__all__ = ['settings']\n", "ah/settings.py": value(1)},
        1,
        changed("ah/settings.py"),
    ),
    "a name that the package takes from its module": Way(
        "from ai import VALUE",
        "return VALUE",
        {"ai/__init__.py": "from .settings import VALUE\n", "ai/settings.py": value(1)},
        1,
        changed("ai/settings.py"),
    ),
    "a module by another name that the package gives it": Way(
        "import aj",
        "return aj.conf.VALUE",
        {"aj/__init__.py": "from . import settings as conf\n", "aj/settings.py": value(1)},
        1,
        changed("aj/settings.py"),
    ),
    "an object that is called like the module it is of": Way(
        "from ak import settings\nimport ak.settings",
        "return settings.VALUE + ak.settings.VALUE",
        {
            "ak/__init__.py": "from .settings import settings\n",
            "ak/settings.py": "class settings:\n    VALUE = 1\n",
        },
        2,
        (
            ({"ak/settings.py": "class settings:\n    VALUE = 2\n"}, 4),
            ({"ak/settings.py": "class settings:\n    VALUE = 1\n"}, 2),
        ),
    ),
    "a conditional import": Way(
        "import sys\nif sys.version_info > (3, 0):\n    from al import one as it\n"
        "else:\n    from al import two as it",
        "return it.VALUE",
        {"al/__init__.py": "", "al/one.py": value(1), "al/two.py": value(9)},
        1,
        changed("al/one.py"),
    ),
    "a module that may be missing": Way(
        "try:\n    from am import extra\nexcept ImportError:\n    extra = None",
        "return extra.VALUE if extra else 0",
        {"am/__init__.py": "", "am/extra.py": value(1)},
        1,
        (
            ({"am/extra.py": None}, 0),
            ({"am/extra.py": value(1)}, 1),
            ({"am/extra.py": value(2)}, 2),
            ({"am/extra.py": None}, 0),
        ),
    ),
    "a module that may be missing, in the function": Way(
        "",
        "try:\n    from an import extra\nexcept ImportError:\n    return 0\nreturn extra.VALUE",
        {"an/__init__.py": "", "an/extra.py": value(1)},
        1,
        (
            ({"an/extra.py": None}, 0),
            ({"an/extra.py": value(1)}, 1),
            ({"an/extra.py": None}, 0),
        ),
    ),
    "a top-level module that may be missing": Way(
        "try:\n    import ao_extra\nexcept ImportError:\n    ao_extra = None",
        "return ao_extra.VALUE if ao_extra else 0",
        {"ao_extra.py": value(1)},
        1,
        (({"ao_extra.py": None}, 0), ({"ao_extra.py": value(2)}, 2)),
    ),
    "from . import module": Way(
        "from . import settings",
        "return settings.VALUE",
        {"ap/__init__.py": "", "ap/settings.py": value(1)},
        1,
        changed("ap/settings.py"),
        home="ap.work",
    ),
    "from .. import module": Way(
        "from .. import settings",
        "from ..settings import VALUE\nreturn settings.VALUE + VALUE",
        {"aq/__init__.py": "", "aq/jobs/__init__.py": "", "aq/settings.py": value(1)},
        2,
        (({"aq/settings.py": value(2)}, 4), ({"aq/settings.py": value(1)}, 2)),
        home="aq.jobs.work",
    ),
    "a name of the function's own package": Way(
        "from . import VALUE",
        "return VALUE",
        {"ar/__init__.py": value(1)},
        1,
        changed("ar/__init__.py"),
        home="ar.work",
    ),
    "import package.module of the function's own package": Way(
        "import as_.settings",
        "return as_.settings.VALUE",
        {"as_/__init__.py": "", "as_/settings.py": value(1)},
        1,
        changed("as_/settings.py"),
        home="as_.work",
    ),
    "a namespace package": Way(
        "from at import settings\nimport at.settings as st",
        "return settings.VALUE + st.VALUE",
        {"at/settings.py": value(1)},
        2,
        (({"at/settings.py": value(2)}, 4), ({"at/settings.py": value(1)}, 2)),
    ),
    "a namespace package that gets an __init__, and loses it": Way(
        "import au.settings",
        "return getattr(au, 'VALUE', 0) + au.settings.VALUE",
        {"au/settings.py": value(1)},
        1,
        (({"au/__init__.py": value(10)}, 11), ({"au/__init__.py": None}, 1)),
    ),
    "a module of a package in a package": Way(
        "from av.sub import settings",
        "import av.sub.settings\nreturn settings.VALUE + av.sub.settings.VALUE",
        {"av/__init__.py": "", "av/sub/__init__.py": "", "av/sub/settings.py": value(1)},
        2,
        (({"av/sub/settings.py": value(2)}, 4), ({"av/sub/settings.py": value(1)}, 2)),
    ),
    "a module that others hold": Way(
        "from aw.user import get",
        "return get()",
        {
            "aw/__init__.py": "",
            "aw/settings.py": value(1),
            "aw/user.py": "from . import settings\ndef get():\n    return settings.VALUE\n",
        },
        1,
        changed("aw/settings.py"),
    ),
    "a module that others reach through the package": Way(
        "import ax.settings\nfrom ax.user import SEEN, get",
        "return get() + SEEN",
        {
            "ax/__init__.py": "",
            "ax/settings.py": value(1),
            "ax/user.py": "import ax\nSEEN = ax.settings.VALUE\n"
            "def get():\n    return ax.settings.VALUE\n",
        },
        2,
        (({"ax/settings.py": value(2)}, 4), ({"ax/settings.py": value(1)}, 2)),
    ),
    "a module that its package finds as a global name": Way(
        "import ay\nimport ay.settings",
        "return ay.get()",
        {
            "ay/__init__.py": "def get():\n    return settings.VALUE\n",
            "ay/settings.py": value(1),
        },
        1,
        changed("ay/settings.py"),
    ),
    "a value at the end of a chain": Way(
        "from az.first import VALUE",
        "return VALUE",
        {
            "az/__init__.py": "",
            "az/first.py": "from .second import VALUE\n",
            "az/second.py": "from . import third\nVALUE = third.VALUE\n",
            "az/third.py": value(1),
        },
        1,
        changed("az/third.py"),
    ),
    "modules that are called like Python's own": Way(
        "import profile\nimport resource",
        "import statistics\nreturn profile.VALUE + resource.VALUE + statistics.VALUE",
        {"profile.py": value(1), "resource.py": value(1), "statistics/__init__.py": value(1)},
        3,
        (
            ({"profile.py": value(2), "resource.py": value(2)}, 5),
            ({"resource.py": value(1), "statistics/__init__.py": value(2)}, 5),
            ({"profile.py": value(1), "statistics/__init__.py": value(1)}, 3),
        ),
    ),
    "a module that imports the function's own": Way(
        "VALUE = 1\nfrom bz_helper import get, SEEN",
        "return [get(), SEEN, VALUE][0] + SEEN",
        {"bz_helper.py": "from bz_home import VALUE as SEEN\ndef get():\n    return SEEN\n"},
        2,
        (
            (
                {
                    HOME: function(
                        "VALUE = 2\nfrom bz_helper import get, SEEN", "return get() + SEEN"
                    )
                },
                4,
            ),
            (
                {
                    HOME: function(
                        "VALUE = 1\nfrom bz_helper import get, SEEN", "return get() + SEEN"
                    )
                },
                2,
            ),
        ),
        home="bz_home",
    ),
}
