"""A kept study in little: the tables that readers of kept studies go by."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.synthetic_study import SyntheticStudy

KEPT_TABLES = ("study.json", "metrics.csv", "summary.csv", "comparison.csv", "provenance.json")


def keep_below(folder: Path, made: SyntheticStudy) -> Path:
    folder.mkdir(parents=True)
    for name in KEPT_TABLES:
        shutil.copy(made.layout.results / name, folder / name)
    return folder
