"""The golden trace: the training loss of every one of 30 iterations, for each method, on the CPU.

golden_trace.txt guards against silent changes of the science. Regenerate it from the project's folder after a change
that is meant to change results, and mention that in the commit:

    PYTHONPATH=workflow:. python -m tests.unit.training.golden_trace
"""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import torch
from smallmix.training.processor import describe_processor

from tests.tiny_cell import MIXES, TinyData, tiny_cell

FILE = Path(__file__).parent / "golden_trace.txt"
ITERATIONS = 30

Trace = dict[str, list[str]]


def describe_place() -> str:
    """Return what must agree for equal bytes: version of PyTorch, instructions it uses, processor."""
    capability = torch.backends.cpu.get_cpu_capability()
    return f"torch {torch.__version__.partition('+')[0]}, {capability}, {describe_processor()}"


def record_trace(folder: Path) -> Trace:
    """Train a tiny cell with each method; the losses as they stand in history.csv (9 digits)."""
    data = TinyData.write(folder)
    trace: Trace = {}
    for mix in MIXES:
        output, _ = data.train(tiny_cell(mix, iterations=ITERATIONS, every=1), folder / mix)
        with open(output / "history.csv", encoding="ascii", newline="") as stream:
            trace[mix] = [row["train_loss"] for row in csv.DictReader(stream)]
    return trace


def read_golden_trace() -> tuple[str, Trace]:
    """Return where the golden trace was recorded, and the trace."""
    place, header, *rows = FILE.read_text(encoding="ascii").splitlines()
    columns = zip(*(row.split() for row in rows), strict=True)
    return place.removeprefix("# "), dict(zip(header.split()[1:], map(list, list(columns)[1:]), strict=True))


def write_golden_trace() -> None:
    """Record the trace here and now."""
    with tempfile.TemporaryDirectory() as folder:
        trace = record_trace(Path(folder))
    lines = [f"# {describe_place()}", " ".join(["iteration", *trace])]
    lines += [" ".join([str(number), *losses]) for number, losses in enumerate(zip(*trace.values(), strict=True), 1)]
    FILE.write_text("\n".join(lines) + "\n", encoding="ascii")


if __name__ == "__main__":
    write_golden_trace()
