"""Protects the study in Python: the frames, what is said where there is none, and that importing it costs nothing."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from functools import cached_property
from pathlib import Path
from typing import Any, cast, get_args

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


def test_frames_have_the_types_that_their_columns_declare(made: SyntheticStudy) -> None:
    """The explanation of a table is its declaration, so that a type here is what a caller may rely on."""
    study = api.load("synthetic", made.root)
    kinds = {"int": "int64", "float": "float64", "text": "str"}
    for name in get_args(api.TableName):
        frame, explained = getattr(study, name), study.explain(name)
        assert list(frame.columns) == list(explained["column"]), name
        for column, kind in zip(explained["column"], explained["type"], strict=True):
            may_be = {kinds[kind], "float64"} if kind == "int" else {kinds[kind]}
            assert str(frame[column].dtype) in may_be, (name, column)
    (row,) = study.explain("metrics").query("column == 'final_test_loss'").to_dict("records")
    assert row == {
        "column": "final_test_loss", "type": "float", "unit": "nats", "meaning": "test loss at the end of the budget"
    }  # fmt: skip
    with pytest.raises(SmallmixError, match=r"there is no table metric\. The tables are: metrics, history, "):
        study.explain("metric")  # type: ignore[arg-type]


def test_kept_results_without_anything_else(made: SyntheticStudy, tmp_path: Path) -> None:
    """A folder of kept results says all that it has, wherever it lies, and says what it has not."""
    folder = tmp_path / "somewhere"
    (folder / "subsets").mkdir(parents=True)
    for name in ("study.json", "metrics.csv", "summary.csv", "subsets/n100.csv"):
        shutil.copy(made.layout.results / name, folder / name)
    study = api.load(folder, tmp_path)
    assert study.kept
    assert study.metrics.equals(api.load("synthetic", made.root).metrics)
    assert len(study.subset(100)) == 100
    with pytest.raises(SmallmixError, match=r"claims\.csv is not kept in .*somewhere\. Run the study to have it\."):
        _ = study.claims
    with pytest.raises(SmallmixError, match=r"the images of size 500 and seed 0 are not kept in .*somewhere\."):
        study.subset(500)
    with pytest.raises(SmallmixError, match=r"predictions are not kept in .*somewhere\."):
        study.predictions("n500/non/seed0")


def test_a_name_means_results_here_before_kept_ones(made: SyntheticStudy, tmp_path: Path) -> None:
    kept = tmp_path / "reports" / "reference" / "synthetic"
    kept.mkdir(parents=True)
    for name in ("study.json", "metrics.csv"):
        shutil.copy(made.layout.results / name, kept / name)
    assert api.load("synthetic", tmp_path).kept
    shutil.copytree(made.layout.results, tmp_path / "results" / "synthetic")
    assert not api.load("synthetic", tmp_path).kept
    assert api.load(kept, tmp_path).kept


def test_columns_that_an_older_version_did_not_write_are_empty(made: SyntheticStudy, tmp_path: Path) -> None:
    frame = pd.read_csv(made.layout.results / "metrics.csv")
    frame = frame.drop(columns=["last_tenth_test_accuracy", "last_tenth_readings"]).assign(last10_test_accuracy=0.5)
    frame.to_csv(tmp_path / "metrics.csv", index=False)
    shutil.copy(made.layout.results / "study.json", tmp_path / "study.json")
    metrics = api.load(tmp_path, made.root).metrics
    assert metrics["last_tenth_test_accuracy"].isna().all()
    assert metrics["last_tenth_readings"].isna().all()
    assert metrics["best_test_accuracy"].notna().all()
    frame.drop(columns=["size"]).to_csv(tmp_path / "metrics.csv", index=False)
    remedy = r"metrics\.csv: line 1: the column size is missing\. Restore the file from version control, or keep"
    with pytest.raises(SmallmixError, match=remedy):
        _ = api.load(tmp_path, made.root).metrics


def test_the_kept_study_of_this_project_reads() -> None:
    """Its README has a table of accuracies in percent, which the frames must give back."""
    folder = PROJECT / "reports" / "reference" / "small-end"
    study = api.load(folder, PROJECT)
    means = study.metrics.groupby(["size", "method"])["best_test_accuracy"].mean()
    table = {}
    for line in (folder / "README.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] == "training images":
            methods = cells[1:]
        elif cells[0].replace(",", "").isdigit():
            table[int(cells[0].replace(",", ""))] = [float(cell.split(" / ")[0]) for cell in cells[1:]]
    assert len(table) == len(study.study.sizes)
    for size, percents in table.items():
        found = [100 * float(means[size, method]) for method in methods]
        assert found == pytest.approx(percents, abs=0.005001)


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


def test_sizes_and_seeds_that_the_study_lacks_are_named_with_its_own(made: SyntheticStudy) -> None:
    study = api.load("synthetic", made.root)
    with pytest.raises(SmallmixError, match=r"study synthetic has no size 250\. It has 500, 100\."):
        study.subset(250)
    with pytest.raises(SmallmixError, match=r"study synthetic has no seed 7\. It has 0, 1\."):
        study.subset(100, 7)


def test_every_table_that_is_a_frame_is_explained(made: SyntheticStudy) -> None:
    study = api.load("synthetic", made.root)
    frames = [name for name, value in vars(api.StudyFrames).items() if isinstance(value, cached_property)]
    assert {"class_balance", "subset_scatter", "metrics"} <= set(frames)
    for name in frames:
        assert set(study.explain(cast(Any, name)).columns) == {"column", "type", "unit", "meaning"}


def test_a_study_is_printed_as_one_line(made: SyntheticStudy) -> None:
    assert repr(api.load(made.layout.results, made.root)) == (
        "<study synthetic: 500, 100 training images, methods non, data-mix, label-mix, 2 seeds; "
        f"tables in {made.layout.results}>"
    )
