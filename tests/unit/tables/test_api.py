"""Protects the study in Python: the frames, what is said where there is none, and that importing it costs nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import smallmix
from smallmix import api
from smallmix.errors import SmallmixError

from tests.synthetic_study import SyntheticStudy
from tests.unit.figures.study_with_tables import build_study_with_tables

PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SyntheticStudy:
    return build_study_with_tables(tmp_path_factory.mktemp("study"), sizes=[500, 100], seeds=[0, 1])


def test_the_tables_as_frames(made: SyntheticStudy) -> None:
    study = api.load("synthetic", made.root)
    assert study.name == "synthetic"
    assert len(study.metrics) == 12
    row = study.metrics[(study.metrics["size"] == 100) & (study.metrics["method"] == "non")].iloc[1]
    assert row["best_test_accuracy"] == pytest.approx(made.metrics("n100/non/seed1")["best_test_accuracy"])
    assert set(study.cells["status"]) == {"current"}
    assert set(study.comparison["selection"]) == {"best", "last", "last_tenth"}
    assert study.history["iteration"].dtype == "int64"
    for frame in (study.summary, study.claims, study.subset_table):
        assert isinstance(frame, pd.DataFrame)
    assert len(study.subset(100)) == 100


def test_predictions_of_a_cell(made: SyntheticStudy) -> None:
    table = api.load(made.layout.results, made.root).predictions("n500/label-mix/seed1")
    assert list(table.columns[:3]) == ["image", "label", "predicted"]
    accuracy = float((table["label"] == table["predicted"]).mean())
    assert accuracy == pytest.approx(made.metrics("n500/label-mix/seed1")["final_test_accuracy"])
    with pytest.raises(SmallmixError, match="has no cell n7/non/seed0"):
        api.load("synthetic", made.root).predictions("n7/non/seed0")


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SmallmixError, match=r"nowhere: is neither a study nor a file"):
        api.load("nowhere", tmp_path)
    with pytest.raises(SmallmixError, match=r"study demo has no summary\.csv yet"):
        _ = api.load("demo", tmp_path).summary
    with pytest.raises(SmallmixError, match=r"gone.yaml: there is no such file"):
        api.load("gone.yaml", tmp_path)


def test_a_folder_of_results_is_named_from_the_project(made: SyntheticStudy) -> None:
    folder = made.layout.results.relative_to(made.root)
    for word in (folder, folder / "study.json"):
        assert api.load(word, made.root).name == "synthetic"


def test_names_and_files_lead_to_the_same_study(tmp_path: Path) -> None:
    by_name = api.load("laptop", tmp_path).study
    by_file = api.load(PROJECT / "workflow" / "studies" / "laptop.yaml", PROJECT).study
    assert by_name.to_json() == by_file.to_json()
    assert api.load("config.yaml", PROJECT).name == "article"


@pytest.mark.parametrize(("imported", "loaded"), [("smallmix", {"smallmix", "__future__"}), ("smallmix.api", None)])
def test_importing_it_loads_no_large_library(imported: str, loaded: set[str] | None) -> None:
    """Importing the package loads nothing but itself; importing the frames loads none of the libraries behind them."""
    code = f"import sys; before = set(sys.modules); import {imported}; print(sorted(set(sys.modules) - before))"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT / "workflow", capture_output=True, text=True, check=True
    )
    modules = set(ast.literal_eval(found.stdout))
    assert not {"pandas", "numpy", "torch", "matplotlib", "pydantic"} & modules
    if loaded is not None:
        assert modules == loaded


def test_the_package_hands_it_on(made: SyntheticStudy) -> None:
    assert smallmix.load("synthetic", made.root).metrics.equals(api.load("synthetic", made.root).metrics)
