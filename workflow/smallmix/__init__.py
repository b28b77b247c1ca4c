"""smallmix: how much does mixup help when there is little training data?

    import smallmix
    study = smallmix.load("demo")
    study.summary

Nothing is imported until it is asked for.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as type checkers take it for true; `typing` need not be imported for it
if TYPE_CHECKING:
    from pathlib import Path

    from smallmix.api import StudyFrames


def load(study: str | Path, root: str | Path = ".") -> StudyFrames:
    """Return the results of a study as data frames; see `smallmix.api.load`."""
    from smallmix import api

    return api.load(study, root)
