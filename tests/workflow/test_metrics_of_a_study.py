"""A metric of the user's in a run: adding, changing or removing one trains nothing, and reruns what shows it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.workflow.study_run import StudyRun
from tests.workflow.test_what_reruns import AFTER_TRAINING

METRIC = """\
import numpy as np


def spread(logits, labels):
    return np.ptp(logits)
"""


@pytest.fixture
def measured(study: StudyRun) -> StudyRun:
    """Return the finished study with a metric of its own, computed."""
    (study.folder / "my_metric.py").write_text(METRIC, encoding="utf-8")
    study.edit("tiny.yaml", "seeds: [0]", "seeds: [0]\nmetrics: {mine: my_metric.py:spread, f1: macro-f1}")
    assert study.planned() == {"check_own_metrics": 1, **AFTER_TRAINING}
    study.run()
    return study


def values_of(study: StudyRun) -> dict[str, list[float]]:
    """The metrics' values in the order of the table, by name."""
    table = pd.read_csv(study.folder / "results/tiny/own_metrics.csv")
    return {str(name): rows["value"].tolist() for name, rows in table.groupby("metric")}


def test_a_metric_is_added_changed_and_removed_without_training(measured: StudyRun) -> None:
    values = values_of(measured)
    assert set(values) == {"mine", "f1"}
    assert len(values["mine"]) == 6
    page = measured.folder / "reports/tiny/report.html"
    assert "spread of my_metric.py" in page.read_text(encoding="utf-8")
    assert measured.planned() == {}

    measured.edit("my_metric.py", "import numpy as np", "import numpy as np  # for ptp")
    assert measured.planned() == {}
    measured.edit("my_metric.py", "np.ptp(logits)", "2 * np.ptp(logits)")
    assert measured.planned() == {"check_own_metrics": 1, "compute_metrics": 1, "render_report": 1}
    measured.run()
    doubled = values_of(measured)
    assert doubled["mine"] == pytest.approx([2 * value for value in values["mine"]])
    assert doubled["f1"] == values["f1"]

    measured.edit("tiny.yaml", "\nmetrics: {mine: my_metric.py:spread, f1: macro-f1}", "")
    (measured.folder / "my_metric.py").unlink()
    assert measured.planned() == AFTER_TRAINING
    measured.run()
    assert values_of(measured) == {}
    assert 'id="metrics"' not in page.read_text(encoding="utf-8")


def test_a_metric_that_cannot_be_used_is_refused_by_file_and_line(measured: StudyRun) -> None:
    file = measured.folder / "my_metric.py"
    for text, words in {
        METRIC.replace("np.ptp(logits)", "logits"): "my_metric.py, line 4: the function of metrics.mine returned array",
        METRIC.replace(
            "np.ptp(logits)", "np.pt(logits)"
        ): "line 5: AttributeError: module 'numpy' has no attribute 'pt'",
        METRIC.replace("return", "return return"): "my_metric.py, line 5: invalid syntax",
        METRIC.replace("spread", "spreads"): "my_metric.py defines no spread; it defines spreads",
    }.items():
        file.write_text(text, encoding="utf-8")
        refused = measured.snakemake("--cores", "2")
        said = refused.stdout + refused.stderr
        assert refused.returncode != 0, text
        assert words in said
        assert "Traceback" not in said
    file.unlink()
    refused = measured.snakemake("--cores", "2")
    assert "there is no file my_metric.py" in refused.stdout + refused.stderr
    file.write_text(METRIC, encoding="utf-8")
    measured.run()
    assert measured.planned() == {}


def test_what_a_metric_was_tried_with_trains_nothing(measured: StudyRun) -> None:
    """The record is lost, or another one: the cells' inputs are as they were."""
    record = measured.folder / "results/tiny/own_code/metrics.json"
    (tried,) = json.loads(record.read_text(encoding="utf-8"))["tried"]
    assert (tried["metric"], tried["function"]) == ("mine", "my_metric.py:spread")
    record.unlink()
    assert "train_cell" not in measured.planned()
    measured.run()
    assert measured.planned() == {}


def test_a_metric_that_returns_no_number_is_refused_before_any_cell_is_trained(study: StudyRun) -> None:
    (study.folder / "my_metric.py").write_text(METRIC.replace("np.ptp(logits)", "logits"), encoding="utf-8")
    study.edit("tiny.yaml", "seeds: [0]", "seeds: [7]\nmetrics: {mine: my_metric.py:spread}")
    refused = study.snakemake("--cores", "1")
    said = refused.stdout + refused.stderr
    assert "my_metric.py, line 4: the function of metrics.mine returned array" in said
    assert "found before any cell was trained with it" in said
    assert not Path(study.cell("n20/non/seed7") / "metrics.json").exists()
    trained = study.snakemake("--cores", "2", "cells")
    assert trained.returncode == 0, "cells alone need no metric\n" + trained.stdout + trained.stderr


def test_a_file_with_an_error_is_refused_before_any_cell_is_trained(study: StudyRun) -> None:
    (study.folder / "my_metric.py").write_text(f"{METRIC}\nraise ValueError('not yet')\n", encoding="utf-8")
    study.edit("tiny.yaml", "seeds: [0]", "seeds: [7]\nmetrics: {mine: my_metric.py:spread}")
    refused = study.snakemake("--cores", "1")
    said = refused.stdout + refused.stderr
    assert "my_metric.py, line 7: ValueError: not yet" in said
    assert not Path(study.cell("n20/non/seed7") / "metrics.json").exists()
