"""Protects what runs on a bare machine with a GPU: PyTorch is there, Snakemake and a package index are not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.benchmarks.bare_machine import PROJECT, PYTEST, PYTORCH, run_there


@pytest.mark.parametrize("package", ["snakemake", "pydantic", "jsonschema", "filelock", "PIL", "pytest", "yaml"])
def test_the_stand_in_lacks_what_such_a_machine_lacks(package: str, tmp_path: Path) -> None:
    done = run_there(["-c", f"import {package}"], tmp_path)
    assert f"No module named '{package}'" in done.stderr


@pytest.mark.parametrize(
    "module",
    [
        "benchmarks.__main__",
        "benchmarks.gpu_speed",
        "benchmarks.gpu_sharing",
        "benchmarks.executor_check",
        "benchmarks.gpu_run",
        "benchmarks.gpu_tests",
        "benchmarks.cell_run",
        "smallmix.training.train_cell",
        "smallmix.training.subset_tables",
    ],
)
def test_what_a_gpu_is_used_with_needs_pytorch_alone(module: str, tmp_path: Path) -> None:
    done = run_there(["-c", f"import sys; sys.path[:0] = ['workflow', '.']; import {module}"], tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("variables", [{}, {"CUBLAS_WORKSPACE_CONFIG": ":16:8"}])
def test_the_gpu_part_of_the_benchmark_needs_pytorch_alone(tmp_path: Path, variables: dict[str, str]) -> None:
    command = ["-m", "benchmarks", "--only", "gpu", "--rounds", "1", "--output", str(tmp_path / "bench")]
    done = run_there(command, tmp_path, **variables)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "bench" / "bench.md")
    assert "Not measured: everything on a GPU" in (tmp_path / "bench" / "bench.md").read_text(encoding="utf-8")


def test_the_tests_of_a_gpu_need_pytorch_and_pytest_alone(tmp_path: Path) -> None:
    done = run_there(["-m", "pytest", "-p", "no:cacheprovider", "-q", "tests/gpu"], tmp_path, [*PYTORCH, *PYTEST])
    assert done.returncode == 0, done.stdout + done.stderr
    assert " skipped" in done.stdout.splitlines()[-1]
    assert "passed" not in done.stdout.splitlines()[-1]


def test_without_pytest_the_benchmark_runs_and_the_exit_code_tells(tmp_path: Path) -> None:
    command = ["-m", "benchmarks.gpu_run", "--only", "tests", "--only", "benchmark", "--output", str(tmp_path / "out")]
    done = run_there(command, tmp_path)
    assert done.returncode == 1, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("pytest is not installed here")]
    assert (tmp_path / "out" / "bench" / "bench.md").exists()


@pytest.mark.parametrize("named", [True, False])
def test_make_gpu_installs_nothing_and_takes_the_python_it_is_given(named: bool, tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_bytes((PROJECT / "Makefile").read_bytes())
    python = tmp_path / ("mine" if named else ".venv/bin/python")
    python.parent.mkdir(parents=True, exist_ok=True)
    python.write_text(f'#!{sys.executable}\nimport sys\nprint("called with", *sys.argv[1:])\n', encoding="utf-8")
    python.chmod(0o755)
    words = ["make", "gpu", *([f"PYTHON={python}"] if named else [])]
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHON", "MAKEFLAGS")}
    done = subprocess.run(words, cwd=tmp_path, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    called = [line for line in done.stdout.splitlines() if line.startswith("called with")]
    assert called == ["called with -m benchmarks.gpu_run --again --only tests --only benchmark"]
