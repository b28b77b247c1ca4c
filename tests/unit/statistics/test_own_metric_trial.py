"""A user's metric is tried before anything is trained: what a network could give it, it must measure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from smallmix.statistics.own_metric_trial import MOST_LOGITS, drawn_predictions, find_metric_faults
from smallmix.study.study import Study

from tests.synthetic_configuration import build_configuration

HEAD = "import numpy as np\n\n\ndef measure(logits, labels):\n"


def faults_of(folder: Path, *bodies: str, images: int = 60, classes: int = 3) -> list[str]:
    """Return the faults of metrics with these bodies, in files first.py, second.py, …; their last line is line 5."""
    files = []
    for name, body in zip(("first", "second", "third"), bodies, strict=False):
        (folder / f"{name}.py").write_text(f"{HEAD}    {body}\n", encoding="utf-8")
        files.append(f"{folder}/{name}.py")
    metrics = {Path(file).stem: f"{file}:measure" for file in files} | {"ready": "macro-f1"}
    study = Study.from_configuration(build_configuration(metrics=metrics))
    return find_metric_faults(study, files, images, classes)


@pytest.mark.parametrize(
    "body",
    [
        "return logits.std()",
        "return float((logits.argmax(axis=1) == labels).mean())",
        "return np.random.default_rng(3).permutation(logits[:, 0])[0]",
        "return (logits.shape == (60, 3)) * 1",
    ],
)
def test_a_sound_metric_has_no_faults(tmp_path: Path, body: str) -> None:
    assert faults_of(tmp_path, body) == []


@pytest.mark.parametrize(
    ("body", "line", "what"),
    [
        ("return logits", 4, "the function of metrics.first returned array("),
        ("return float('nan')", 4, "the function of metrics.first returned nan"),
        ("return np.random.normal()", 4, "for the same inputs. Seed what it draws."),
        ("logits -= 1; return 1.0", 4, "changed its inputs"),
        ("return logits[labels, 7].mean()", 5, "IndexError"),
        ("return labels.argmax(axis=1).mean()", 5, "AxisError"),
    ],
)
def test_a_fault_is_named_with_file_and_line(tmp_path: Path, body: str, line: int, what: str) -> None:
    (fault,) = faults_of(tmp_path, body)
    assert f"first.py, line {line}: " in fault
    assert what in fault
    assert "Expected is a function of logits (a NumPy array, float32 [images, classes])" in fault
    assert "It was given drawn logits of 60 images and 3 classes." in fault


def test_all_metrics_are_tried(tmp_path: Path) -> None:
    first, second = faults_of(tmp_path, "return None", "return 1.0", "return 'a'")
    assert "metrics.first returned None" in first
    assert "metrics.third returned 'a'" in second


def test_a_metric_whose_file_cannot_be_run_is_a_fault_beside_others(tmp_path: Path) -> None:
    first, second = faults_of(tmp_path, "import no_such_library; return None", "return None")
    assert "first.py, line 5: ModuleNotFoundError" in first
    assert "metrics.second returned None" in second


def test_metrics_of_other_files_are_left_alone(tmp_path: Path) -> None:
    faults_of(tmp_path, "return 1.0", "return None")
    metrics = {name: f"{tmp_path}/{name}.py:measure" for name in ("first", "second")}
    study = Study.from_configuration(build_configuration(metrics=metrics))
    assert find_metric_faults(study, [f"{tmp_path}/first.py"], 60, 3) == []


@pytest.mark.parametrize(("images", "classes", "count"), [(60, 3, 60), (4, 10, 10), (10**9, 1000, MOST_LOGITS // 1000)])
def test_drawn_predictions_are_like_those_of_a_network(images: int, classes: int, count: int) -> None:
    logits, labels = drawn_predictions(images, classes)
    assert (logits.shape, str(logits.dtype)) == ((count, classes), "float32")
    assert (labels.shape, str(labels.dtype)) == ((count,), "int64")
    assert set(labels.tolist()) == set(range(classes))
    assert np.array_equal(logits, logits.astype(np.float16).astype(np.float32))
    right = float((logits.argmax(axis=1) == labels).mean())
    assert 0 < right < 1
    again, _ = drawn_predictions(images, classes)
    assert np.array_equal(again, logits)
