"""Two cells of a small study, and how collection judges them."""

from __future__ import annotations

from dataclasses import replace

from smallmix.tables.cell_status import CellStatus, Collection
from smallmix.tables.collect import collect

from tests.synthetic_study import SyntheticStudy

PLACE = "n100/label-mix/seed0"
OTHER = "n100/non/seed0"


def collected(made: SyntheticStudy) -> Collection:
    return collect(made.study, made.layout, made.code_fingerprint)


def record(made: SyntheticStudy, place: str = PLACE) -> CellStatus:
    alone = replace(made.study, cells=(made.study.cell(place),))
    return collect(alone, made.layout, made.code_fingerprint).records[0]
