"""What docs/extending.md prints works as it is printed, and its lists are those of the code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from smallmix.science.batch_row import COMMON_TABLES
from smallmix.science.randomness import COMMON_PURPOSES
from smallmix.study.configuration import load_study
from smallmix.study.method_forms import METHODS
from smallmix.study.network_forms import NETWORKS

from tests.documentation_pages import DOCS, PROJECT, fenced_blocks

PAGE = (DOCS / "extending.md").read_text(encoding="utf-8")
SIDES, FAINT, NETWORK, METRIC = (content for language, content in fenced_blocks(PAGE) if language == "python")
STUDY, FAINT_KEYS, NETWORK_KEYS, METRIC_KEYS = (
    content for language, content in fenced_blocks(PAGE) if language == "yaml"
)
MESSAGE = next(content for language, content in fenced_blocks(PAGE) if language == "text")


def check(folder: Path, study: dict[str, Any], **files: str) -> subprocess.CompletedProcess[str]:
    """Write the files and the study into a folder, and try what is the user's own there."""
    for name, content in files.items():
        (folder / f"{name}.py").write_text(content, encoding="utf-8")
    (folder / "my-study.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "smallmix", "check-own-code", "my-study.yaml"],
        cwd=folder,
        env={"PYTHONPATH": str(PROJECT / "workflow"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def printed_study(*further: str) -> dict[str, Any]:
    """Return the printed study with further keys."""
    study: dict[str, Any] = yaml.safe_load(STUDY)
    for keys in further:
        for key, value in yaml.safe_load(keys).items():
            study[key] = {**study[key], **value} if key == "methods" else value
    return study


def test_the_first_method_has_no_fault_as_it_is_printed(tmp_path: Path) -> None:
    done = check(tmp_path, yaml.safe_load(STUDY), my_method=SIDES)
    assert (done.returncode, done.stdout) == (0, "my_method.py: no fault found\n"), done.stderr
    again = check(tmp_path, yaml.safe_load(STUDY), my_method=SIDES + "\n# A remark.\n")
    assert again.stdout == "my_method.py: no fault found (tried before)\n"


def test_the_method_with_parameters_and_the_network_have_no_fault(tmp_path: Path) -> None:
    head, _, faint = FAINT.partition("\n\n\n")
    study = printed_study(FAINT_KEYS, NETWORK_KEYS)
    done = check(tmp_path, study, my_method=f"{head}\n{SIDES}\n\n{faint}", my_network=NETWORK)
    assert (done.returncode, done.stdout) == (0, "my_method.py, my_network.py: no fault found\n"), done.stderr


def test_manifold_mixup_finds_the_stages_of_the_printed_network(tmp_path: Path) -> None:
    study = printed_study(NETWORK_KEYS)
    study["methods"]["inside"] = {"mix": "manifold-mixup", "beta": [1, 1], "parameters": {"stages": [1, 2]}}
    del study["methods"]["sides"]
    done = check(tmp_path, study, my_network=NETWORK)
    assert (done.returncode, done.stdout) == (0, "my_network.py: no fault found\n"), done.stderr


def test_the_printed_message_is_the_one_that_is_printed(tmp_path: Path) -> None:
    broken = SIDES.replace("columns = ", "columns = float(images.mean()) * ")
    done = check(tmp_path, yaml.safe_load(STUDY), my_method=broken)
    assert done.returncode == 2
    for line, printed in zip(MESSAGE.splitlines(), done.stderr.splitlines(), strict=False):
        assert printed.startswith(line.removesuffix("…").rstrip()), printed


def test_the_printed_study_is_one_that_takes_a_minute(tmp_path: Path) -> None:
    (tmp_path / "my-study.yaml").write_text(STUDY, encoding="utf-8")
    (tmp_path / "my_method.py").write_text(SIDES, encoding="utf-8")
    study = load_study([PROJECT / "config.yaml", tmp_path / "my-study.yaml"])
    assert list(study.methods) == ["non", "data-mix", "label-mix", "sides"]
    assert len(study.cells) == 12
    assert {cell.value.iterations for cell in study.cells} == {100}


def test_the_printed_metric_counts_confident_errors() -> None:
    names: dict[str, Any] = {}
    exec(METRIC, names)
    logits = np.array([[0, 5, 0], [0, 5, 0], [0, 1, 0], [9, 0, 0]], np.float32)
    labels = np.array([1, 0, 0, 2], np.int64)
    # Wrong are the last three; the third one has a probability of e / (e + 2) = 0.58.
    assert names["confident_errors"](logits, labels) == 0.5
    assert yaml.safe_load(METRIC_KEYS)["metrics"] == {"confident-errors": "my_metric.py:confident_errors"}


def test_the_printed_metric_is_tried_and_has_no_fault(tmp_path: Path) -> None:
    study = printed_study(METRIC_KEYS)
    del study["methods"]["sides"]
    done = check(tmp_path, study, my_metric=METRIC)
    assert (done.returncode, done.stdout) == (0, "my_metric.py: no fault found\n"), done.stderr


@pytest.mark.parametrize("name", [*METHODS, *NETWORKS, *COMMON_PURPOSES, *COMMON_TABLES])
def test_every_method_network_and_shared_name_stands_on_the_page(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_the_lists_are_current(tmp_path: Path) -> None:
    copy = tmp_path / "extending.md"
    copy.write_text(PAGE, encoding="utf-8")
    subprocess.run(
        [sys.executable, str(PROJECT / "envs" / "docs" / "extending_page.py"), str(copy)],
        env={"PYTHONPATH": str(PROJECT / "workflow"), "PYTHONUTF8": "1"},
        check=True,
    )
    assert copy.read_text(encoding="utf-8") == PAGE, "write them with: make extending"


def test_parameters_are_listed_with_range_and_default() -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith("| `label-smoothing`"))
    assert "`smoothing` (number, above 0, below 1; default `0.1`)" in row
    assert "Szegedy et al. 2016" in row
    row = next(line for line in PAGE.splitlines() if line.startswith("| `manifold-mixup`"))
    assert "default `[0, 1, 2]`" in row
