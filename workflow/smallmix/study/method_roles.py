"""Which of a study's methods plays which part: known by what it mixes, never by its name."""

from __future__ import annotations

from smallmix.study.cell import Mix
from smallmix.study.study import Study


def first_method(study: Study, mix: Mix) -> str | None:
    """The name of the study's first method that mixes this, or None."""
    return next(iter(methods_with(study, mix)), None)


def methods_with(study: Study, *mixes: Mix) -> list[str]:
    """The names of the study's methods that mix one of these, in the study's order."""
    return [name for name in study.methods if study.configuration["methods"][name]["mix"] in mixes]
