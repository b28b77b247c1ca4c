"""Protects a user's metric: what it is given, what becomes of its number, and what is said where it cannot be used."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from smallmix.errors import ConfigurationError, SmallmixError
from smallmix.statistics.own_metrics import compute_metrics, find_metrics, write_metric_tables
from smallmix.study.layout import Layout
from smallmix.study.study import Study

from tests.synthetic_configuration import build_configuration

LOGITS = np.array([[1, 0, 3], [2, 0, 1], [0, 5, 1], [0, 1, 0.5]], dtype=np.float16)
LABELS = np.array([2, 1, 1, 0])
METHODS: dict[str, dict[str, Any]] = {
    "non": {"mix": "none", "beta": None},
    "mixed": {"mix": "images", "beta": [1.0, 1.0]},
}
SHIFT = {"n20/non/seed0": 0.0, "n20/non/seed1": 1.0, "n20/mixed/seed0": 2.0, "n20/mixed/seed1": 4.0}


def study_with(root: Path, **metrics: str) -> Layout:
    """A study of four trained cells, whose logits are shifted by SHIFT."""
    configuration = build_configuration(sizes=[20], seeds=[0, 1], methods=METHODS, metrics=metrics)
    layout = Layout(Study.from_configuration(configuration), root)
    for cell in layout.study.cells:
        folder = layout.cell(cell)
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(folder / "predictions.npz", logits=LOGITS + np.float16(SHIFT[cell.id]), labels=LABELS)
    return layout


def own(root: Path, *lines: str) -> str:
    """Write a file with the function `measure`, and return how a configuration names it."""
    file = root / f"measure_{abs(hash(lines))}.py"
    file.write_text("\n".join(["import numpy as np", "", "def measure(logits, labels):", *lines]) + "\n")
    return f"{file}:measure"


def refusal(root: Path, *lines: str) -> str:
    """What is said of a function of these lines."""
    layout = study_with(root, mine=own(root, *lines))
    with pytest.raises(SmallmixError) as caught:
        compute_metrics(layout, layout.study.cells, find_metrics(layout.study))
    return str(caught.value)


def test_the_tables_hold_what_the_functions_return(tmp_path: Path) -> None:
    layout = study_with(
        tmp_path, mine=own(tmp_path, "    return logits[:, 0].mean()"), **{"macro-f1": "macro-f1", "again": "macro-f1"}
    )
    values = compute_metrics(layout, layout.study.cells, find_metrics(layout.study))
    write_metric_tables(layout.study, values, tmp_path)
    with open(tmp_path / "own_metrics.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    mine = {
        f"n{row['size']}/{row['method']}/seed{row['seed']}": float(row["value"])
        for row in rows
        if row["metric"] == "mine"
    }
    assert mine == {place: pytest.approx(0.75 + shift) for place, shift in SHIFT.items()}
    f1 = {row["value"] for row in rows if row["metric"] in ("macro-f1", "again")}
    # Classes: 1 image, predicted once, wrong; 2 images, predicted twice, one right; 1 image, right.
    assert [float(value) for value in f1] == [pytest.approx((0 + 0.5 + 1) / 3)]
    with open(tmp_path / "own_metric_summary.csv", encoding="utf-8", newline="") as stream:
        summary = {(row["size"], row["method"], row["metric"]): row for row in csv.DictReader(stream)}
    mixed = summary["20", "mixed", "mine"]
    assert (float(mixed["mean"]), mixed["seeds"], mixed["pairs"], mixed["reference"]) == (3.75, "2", "2", "non")
    assert float(mixed["difference"]) == pytest.approx(2.5)
    # The t interval of 2 and 3: half its width is 12.7062 * 0.5.
    assert (float(mixed["difference_low"]), float(mixed["difference_high"])) == pytest.approx(
        (-3.8531, 8.8531), abs=1e-4
    )
    assert summary["20", "non", "mine"]["difference"] == ""
    assert {metric for _, _, metric in summary} == {"mine", "macro-f1", "again"}


def test_a_function_is_given_float32_logits_and_int64_labels(tmp_path: Path) -> None:
    lines = [
        "    assert isinstance(logits, np.ndarray) and isinstance(labels, np.ndarray)",
        "    assert (logits.dtype, labels.dtype) == (np.float32, np.int64), (logits.dtype, labels.dtype)",
        "    return float(logits.shape == (4, 3) and labels.shape == (4,))",
    ]
    layout = study_with(tmp_path, mine=own(tmp_path, *lines))
    values = compute_metrics(layout, layout.study.cells[:1], find_metrics(layout.study))
    assert [value.value for value in values] == [1.0]


@pytest.mark.parametrize("returned", ["1", "np.float32(1)", "np.array(1.0)", "__import__('torch').tensor(1.0)"])
def test_any_single_number_will_do(tmp_path: Path, returned: str) -> None:
    layout = study_with(tmp_path, mine=own(tmp_path, f"    return {returned}"))
    assert compute_metrics(layout, layout.study.cells[:1], find_metrics(layout.study))[0].value == 1.0


@pytest.mark.parametrize(
    ("returned", "shown"),
    [
        ("float('nan')", "returned nan, a float."),
        ("np.inf", "returned inf, a float."),
        ("None", "returned None, a NoneType."),
        ("'0.5'", "returned '0.5', a str."),
        ("True", "returned True, a bool."),
        ("np.array([0.5])", "returned array([0.5]), a ndarray."),
        ("(0.5, 0.6)", "returned (0.5, 0.6), a tuple."),
    ],
)
def test_what_is_no_finite_number_is_refused_by_file_and_line(tmp_path: Path, returned: str, shown: str) -> None:
    said = refusal(tmp_path, f"    return {returned}")
    assert f".py, line 3: the function of metrics.mine {shown}" in said
    assert "Expected is a function of logits (a NumPy array, float32 [images, classes])" in said
    assert "n20/non/seed0" in said
    assert said.endswith("no cell is trained anew.")


def test_a_function_that_raises_is_refused_by_the_line_that_did(tmp_path: Path) -> None:
    said = refusal(tmp_path, "    logits = logits[:2]", "    return np.mean(logits[labels, 7])")
    assert "metrics.mine raised an error." in said
    assert ".py, line 5: IndexError: index 7 is out of bounds" in said


@pytest.mark.parametrize("changing", ["logits -= 1", "labels[:] = 0", "logits.sort(axis=0)"])
def test_a_function_that_changes_its_inputs_is_refused(tmp_path: Path, changing: str) -> None:
    said = refusal(tmp_path, f"    {changing}", "    return 1.0")
    assert ".py, line 3: the function of metrics.mine changed its inputs. Let it work on copies." in said


def test_a_function_that_draws_is_refused(tmp_path: Path) -> None:
    said = refusal(tmp_path, "    return np.random.default_rng().normal()")
    assert "for the same inputs. Seed what it draws." in said


def test_a_file_that_cannot_be_used_is_refused_before_anything_is_computed(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import os\nraise ValueError('not today')\n")
    (tmp_path / "number.py").write_text("measure = 3\n")
    for name, words in {
        "broken.py:measure": r"broken\.py, line 2: ValueError: not today",
        "number.py:measure": r"number\.py: measure, which metrics\.mine names, is no function but a int",
        "number.py:other": r"number\.py: it defines no other",
        "absent.py:measure": r"cannot read .*absent\.py",
    }.items():
        layout = study_with(tmp_path, mine=f"{tmp_path}/{name}")
        with pytest.raises(ConfigurationError, match=words):
            find_metrics(layout.study)


def test_a_file_that_was_brought_elsewhere_is_found_by_its_name(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "measure.py").write_text("def measure(logits, labels):\n    return 5\n")
    layout = study_with(tmp_path, mine="nowhere/measure.py:measure")
    metrics = find_metrics(layout.study, [str(elsewhere / "measure.py")])
    assert compute_metrics(layout, layout.study.cells[:1], metrics)[0].value == 5.0


def test_without_metrics_the_tables_have_no_rows(tmp_path: Path) -> None:
    layout = study_with(tmp_path)
    (layout.cell(layout.study.cells[0]) / "predictions.npz").unlink()
    write_metric_tables(layout.study, compute_metrics(layout, layout.study.cells, []), tmp_path)
    for name in ("own_metrics.csv", "own_metric_summary.csv"):
        assert len((tmp_path / name).read_text().splitlines()) == 1
