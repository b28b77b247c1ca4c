"""The cost of a cell's job beside its steps: from the start of the process to its end with one step, and its memory."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from smallmix.datasets.array_writing import write_dataset
from smallmix.datasets.digits import digits_dataset
from smallmix.errors import SmallmixError
from smallmix.study.cell import BudgetValue, DatasetValue, EvaluationValue
from smallmix.training.subset_tables import extract_subset

from benchmarks.workload import DEMO

# A process tells its own peak: what the system tells its parent counts the parent's memory, too.
PEAK = "print(next((line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')), 0))"
IMPORT = f"import torch; {PEAK}"
JOB = f"import sys; from smallmix.commands.main import main; code = main(sys.argv[1:]); {PEAK}; sys.exit(code)"


def measure_job(repetitions: int = 3) -> dict[str, float]:
    """Return seconds of a job of one step and of importing PyTorch alone (medians), and the job's peak bytes."""
    seconds, imports, processor, peaks = [], [], [], []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_dataset(digits_dataset(), folder / "digits")
        cell = replace(
            DEMO.cell(executor="automatic"),
            dataset=DatasetValue("digits"),
            budget=BudgetValue("iterations", 1),
            evaluation=EvaluationValue("iterations", 30, 1000),
        )
        extract_subset(cell.subset, folder / "digits" / "train.csv", tuple("0123456789"), folder / "subset.csv")
        for number in range(repetitions):
            imports.append(_run([sys.executable, "-c", IMPORT])[0])
            command = [sys.executable, "-c", JOB, "train-cell", "--cell", json.dumps(cell.to_dict())]
            command += ["--dataset", str(folder / "digits"), "--subset", str(folder / "subset.csv")]
            command += ["--store", str(folder / f"store{number}"), "--output", str(folder / f"cell{number}")]
            before = _processor_seconds()
            taken, peak = _run([*command, "--gpus", "0"])
            processor.append(_processor_seconds() - before)
            seconds.append(taken)
            peaks.append(peak)
    return {
        "job_of_one_step_seconds": sorted(seconds)[len(seconds) // 2],
        "job_of_one_step_processor_seconds": sorted(processor)[len(processor) // 2],
        "import_of_torch_seconds": sorted(imports)[len(imports) // 2],
        "peak_memory_bytes": max(peaks),
    }


def _processor_seconds() -> float:
    """Return the processor time of finished child processes, which a busy machine changes little."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _run(command: list[str]) -> tuple[float, float]:
    """Run a process; return its seconds and peak resident bytes."""
    package = str(Path(__file__).resolve().parents[1] / "workflow")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([package, os.environ.get("PYTHONPATH", "")])}
    began = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    taken = time.perf_counter() - began
    if done.returncode:
        raise SmallmixError(f"the benchmark's job failed with exit code {done.returncode}:\n{done.stderr[-2000:]}")
    return taken, 1024.0 * int(done.stdout.split()[-1])
