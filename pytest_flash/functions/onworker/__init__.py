"""What runs on the worker beside the user's code. Its text is sent with every function.

Standard library and cloudpickle only, any Python from 3.10 on, and nothing else of this package:
the worker executes these modules under a private name, in the order of ``ORDER``.
"""

from __future__ import annotations

ORDER = (
    *(
        "parsing",
        "source_edits",
        "placeholders",
        "pickles",
        "bundle",
        "slices",
        "outdated_references",
        "module_views",
        "module_places",
    ),
    *(
        "module_files",
        "modules",
        "child_processes",
        "signing",
        "error_description",
        "log_marks",
        "live_output",
        "transcript",
        "entry_point",
    ),
)
