"""Protects the benchmark on a rented GPU: PyTorch is there, Snakemake and what checks configurations are not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[3]
MISSING = ("snakemake", "jsonschema", "pydantic", "yaml", "pandas", "scipy", "sklearn", "matplotlib", "jinja2")
PROGRAM = f"""
import sys
for name in {MISSING!r}:
    sys.modules[name] = None  # importing it raises ImportError
from benchmarks.__main__ import main
code = main(sys.argv[1:])
import benchmarks.gpu_speed
sys.exit(code)
"""


@pytest.mark.parametrize("variables", [{}, {"PYTHONPATH": str(PROJECT / "workflow")}])
def test_the_gpu_part_needs_pytorch_alone(tmp_path: Path, variables: dict[str, str]) -> None:
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", PROGRAM, "--only", "gpu", "--rounds", "1", "--output", str(tmp_path / "bench")]
    environment = {**clean, "CUDA_VISIBLE_DEVICES": "", **variables}
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "bench" / "bench.md")
    assert "Not measured: everything on a GPU" in (tmp_path / "bench" / "bench.md").read_text(encoding="utf-8")
