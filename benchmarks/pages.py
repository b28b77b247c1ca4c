"""The benchmark's pages: bench.json with everything, bench.md with what people compare. Written after each result."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from smallmix import atomic_files

from benchmarks.comparison import AGAIN, Comparison

SCALES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))


class Pages:
    """The results so far. Each is written and printed as it comes, so that a run that is cut short leaves its share."""

    def __init__(self, folder: Path, machine: Mapping[str, str]) -> None:
        self.folder, self.machine = folder, dict(machine)
        self.failed = False
        self._comparisons: list[Comparison] = []
        self._numbers: dict[str, dict[str, Any]] = {}
        self._skipped: list[str] = []

    def add_comparison(self, comparison: Comparison) -> None:
        """Keep a comparison; print the medians."""
        self._comparisons.append(comparison)
        print(f"{comparison.title}, a {comparison.unit}:", file=sys.stderr)
        for name in comparison.seconds:
            print(f"  {_time(comparison.median(name))}  {name}", file=sys.stderr)
        self.write()

    def add_numbers(self, title: str, table: Mapping[str, Any]) -> None:
        """Keep a table of single measurements; print it."""
        self._numbers[title] = dict(table)
        print(f"{title}:", file=sys.stderr)
        for name, value in table.items():
            print(f"  {_number(value)}  {name}", file=sys.stderr)
        self.write()

    def skip(self, reason: str) -> None:
        """Note what is not measured here, and why."""
        self._skipped.append(reason)
        self.write()

    def fail(self, what: str, reason: str) -> None:
        """Note what should have been measured and could not be; the run then ends with an exit code that tells."""
        self.failed = True
        print(f"failed: {what}: {reason}", file=sys.stderr, flush=True)
        self.skip(f"{what}: {reason}")

    def write(self) -> None:
        """Write both pages anew."""
        sys.stderr.flush()
        write_pages(self.folder, self.machine, self._comparisons, self._numbers, self._skipped)


def write_pages(
    folder: Path,
    machine: Mapping[str, str],
    comparisons: Sequence[Comparison],
    numbers: Mapping[str, Mapping[str, Any]],
    skipped: Sequence[str],
) -> None:
    """Write bench.md and bench.json into `folder`. `numbers` are tables of single measurements, by title."""
    everything = {
        "format": 1,
        "machine": dict(machine),
        "comparisons": [one.summary() for one in comparisons],
        "numbers": {title: dict(table) for title, table in numbers.items()},
        "skipped": list(skipped),
    }
    atomic_files.write_text(folder / "bench.json", json.dumps(everything, indent=1) + "\n")
    atomic_files.write_text(folder / "bench.md", _page(machine, comparisons, numbers, skipped))


def _page(
    machine: Mapping[str, str],
    comparisons: Sequence[Comparison],
    numbers: Mapping[str, Mapping[str, Any]],
    skipped: Sequence[str],
) -> str:
    lines = [
        "# Benchmark",
        "",
        "Blocks of all contenders take turns in one run. Ratios are paired by round; their median, lowest and highest",
        "are shown. *Noise* is smallmix against itself: differences of that size mean nothing.",
        "",
        "| where | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in machine.items()),
    ]
    if comparisons:
        lines += [
            "",
            "| what | unit | smallmix | contender | its time | times as long | lowest to highest | noise | rounds |",
            "|---|---|---|---|---|---|---|---|---|",
            *(_row(one, name) for one in comparisons for name in one.others),
        ]
    for title, table in numbers.items():
        lines += ["", f"## {title}", "", "| | |", "|---|---|"]
        lines += [f"| {name} | {_number(value)} |" for name, value in table.items()]
    lines += [f"\nNot measured: {reason}." for reason in skipped]
    return "\n".join(lines) + "\n"


def _row(one: Comparison, name: str) -> str:
    ratios = one.ratios(name)
    noise = one.ratio(one.ours + AGAIN)
    return (
        f"| {one.title} | {one.unit} | {_time(one.median(one.ours))} | {name} | {_time(one.median(name))} | "
        f"{one.ratio(name):.2f} | {ratios[0]:.2f} to {ratios[-1]:.2f} | {noise:.2f} | {len(ratios)} |"
    )


def _time(seconds: float) -> str:
    scale, unit = next((pair for pair in SCALES if seconds >= pair[0]), SCALES[-1])
    return f"{seconds / scale:.3g} {unit}"


def _number(value: Any) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else str(value).replace("|", "/").replace("\n", " ")
