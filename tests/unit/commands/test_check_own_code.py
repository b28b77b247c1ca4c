"""`check-own-code` says what it found of methods, networks and metrics, once and again, and writes what was tried."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documentation_pages import PROJECT

STUDY = """\
study: tiny
dataset: {name: digits}
subsets: {sizes: [20], rule: balanced, redraw_per_seed: true}
seeds: [0]
methods: {data-mix: ~, label-mix: ~}
model: {name: "my_network.py:build"}
metrics: {mine: "my_metric.py:measure"}
recipe: {augmentation: {crop_padding: 1, flip: false}}
evaluation: {iteration_budgets: {every: 20}, clean_train_limit: 20}
budgets: {default: {iterations: 100}, 500: ~, 250: ~, 100: ~}
published: ~
"""
NETWORK = """\
from torch import nn


def build(channels, classes):
    first = nn.Conv2d(channels, 4, 3)
    return nn.Sequential(first, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, classes))
"""
METRIC = "def measure(logits, labels):\n    return float(logits.shape == (500, 10))\n"
REMARK = "note: my_network.py, build, layer 1 (AdaptiveAvgPool2d): on a GPU this would stop the training"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a study whose network and metric are the user's own."""
    (tmp_path / "tiny.yaml").write_text(STUDY, encoding="utf-8")
    (tmp_path / "my_network.py").write_text(NETWORK, encoding="utf-8")
    (tmp_path / "my_metric.py").write_text(METRIC, encoding="utf-8")
    return tmp_path


def check(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "smallmix", "check-own-code", "tiny.yaml", *options],
        cwd=folder,
        env={"PYTHONPATH": str(PROJECT / "workflow"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_remark_is_said_again_without_trying_again(folder: Path) -> None:
    first = check(folder)
    assert first.returncode == 0, first.stderr
    said, remark = first.stdout.splitlines()
    assert said == "my_network.py, my_metric.py: no fault found"
    assert remark.startswith(f"{REMARK}: the gradient of adaptive_avg_pool2d has no deterministic form there. Use x.")
    again = check(folder).stdout.splitlines()
    assert again == [f"{said} (tried before)", remark]


def test_metrics_alone_are_tried_and_recorded(folder: Path) -> None:
    (folder / "my_network.py").write_text("raise ValueError('not run')\n\n\ndef build():\n    pass\n", encoding="utf-8")
    done = check(folder, "--only", "metrics", "--record", "tried.json")
    assert (done.returncode, done.stdout) == (0, "my_metric.py: no fault found\n"), done.stderr
    record = json.loads((folder / "tried.json").read_text(encoding="utf-8"))
    assert (record["test_images"], record["classes"]) == (500, 10)
    assert [(one["metric"], one["function"]) for one in record["tried"]] == [("mine", "my_metric.py:measure")]


def test_faults_of_networks_and_metrics_are_said_at_once(folder: Path) -> None:
    (folder / "my_metric.py").write_text("def measure(logits, labels):\n    return logits\n", encoding="utf-8")
    soft = NETWORK.replace("classes))", "classes), nn.Softmax(dim=1))")
    (folder / "my_network.py").write_text(soft, encoding="utf-8")
    done = check(folder)
    assert done.returncode == 2
    assert "study tiny: 2 faults in your own code" in done.stderr
    assert "  - my_network.py, line 4, build: the network gives probabilities" in done.stderr
    assert "  - my_metric.py, line 1: the function of metrics.mine returned array" in done.stderr
    assert "Traceback" not in done.stderr
    cells = check(folder, "--only", "cells")
    assert "one fault in your own code" in cells.stderr
    assert "my_metric.py" not in cells.stderr
