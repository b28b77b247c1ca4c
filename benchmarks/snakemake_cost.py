"""Snakemake's own cost: deciding what to do for a study, against a bare workflow with as many jobs and files.

The study's files are made empty and declared up to date with `snakemake --touch`, so that nothing is trained; the bare
workflow is treated alike. Both run in scratch folders.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import yaml
from smallmix.code_fingerprint import fingerprint_training
from smallmix.datasets.description import DatasetDescription
from smallmix.errors import SmallmixError
from smallmix.snakemake_files.records import RECORDS, record_name
from smallmix.study.configuration import resolve_configuration
from smallmix.study.layout import CELL_FILES, DATASET_FILES, Layout
from smallmix.study.study import Study
from smallmix.tables.collect import known_data

from benchmarks.comparison import Comparison, compare

PROJECT = Path(__file__).resolve().parents[1]
BARE = "bare workflow"
OURS = "smallmix"

BARE_SNAKEFILE = """
CELLS = [f"{{size}}-{{method}}-{{seed}}" for size in range(8) for method in range(3) for seed in range({seeds})]


rule all:
    input:
        expand("cells/{{cell}}/metrics.json", cell=CELLS),
        "report.html",


rule data:
    output:
        "data.json",
    shell:
        "touch {{output}}"


rule train:
    input:
        "data.json",
    output:
        history="cells/{{cell}}/history.csv",
        predictions="cells/{{cell}}/predictions.npz",
        metrics="cells/{{cell}}/metrics.json",
    shell:
        "touch {{output}}"


rule report:
    input:
        expand("cells/{{cell}}/metrics.json", cell=CELLS),
    output:
        "report.html",
    shell:
        "touch {{output}}"
"""


def measure_snakemake(rounds_by_cells: dict[int, int]) -> list[Comparison]:
    """Compare a dry run of everything, a no-op run and a dry run of one lost cell, for studies of so many cells."""
    comparisons = []
    for cells, rounds in rounds_by_cells.items():
        with tempfile.TemporaryDirectory() as scratch:
            ours, bare = Path(scratch) / "ours", Path(scratch) / "bare"
            _bare_folder(bare, cells // 24)
            study = _study_folder(ours, cells // 24)
            contenders = {OURS: _ours(ours), BARE: _bare(bare)}
            comparisons.append(_compare(f"dry run, {cells} cells to train", contenders, ["--dry-run"], rounds))
            _touch(study, ours)
            for cell in bare_cells(cells // 24):
                for name in CELL_FILES:
                    _empty(bare / "cells" / cell / name)
            _empty(bare / "data.json")
            _empty(bare / "report.html")
            for run in contenders.values():
                run(["--touch", "--forceall"])  # a tenth of a second a job
                run([])
            comparisons.append(_compare(f"run with nothing to do, {cells} cells", contenders, [], rounds))
            lost = study.cells[0]
            (ours / Layout(study).cell(lost) / "metrics.json").unlink()
            (bare / "cells" / bare_cells(1)[0] / "metrics.json").unlink()
            comparisons.append(_compare(f"dry run, 1 of {cells} cells lost", contenders, ["--dry-run"], rounds))
    return comparisons


def bare_cells(seeds: int) -> list[str]:
    """Return the cells of the bare workflow, in its own order."""
    return [f"{size}-{method}-{seed}" for size in range(8) for method in range(3) for seed in range(seeds)]


Run = Callable[[list[str]], None]


def _compare(title: str, contenders: dict[str, Run], arguments: list[str], rounds: int) -> Comparison:
    blocks = {name: _with(run, arguments) for name, run in contenders.items()}
    return compare(title, "run", 1, blocks, rounds, warm_ups=0)


def _with(run: Run, arguments: list[str]) -> Callable[[], None]:
    return lambda: run(arguments)


def _study_folder(folder: Path, seeds: int) -> Study:
    """Make a folder with what a run reads from the project's top, for the article's study with so many seeds."""
    configuration = yaml.safe_load((PROJECT / "config.yaml").read_text(encoding="utf-8"))
    configuration["seeds"] = list(range(seeds))
    for part in ("Snakefile", "workflow"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / part).symlink_to(PROJECT / part)
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(configuration), encoding="utf-8")
    return Study.from_configuration(resolve_configuration(configuration, [path]))


def _bare_folder(folder: Path, seeds: int) -> None:
    folder.mkdir(parents=True)
    (folder / "Snakefile").write_text(BARE_SNAKEFILE.format(seeds=seeds), encoding="utf-8")


def _touch(study: Study, folder: Path) -> None:
    """Write empty files in place of all that a run of the study makes, as Snakemake lists them."""
    layout = Layout(study, folder)
    _write(layout.study_file, study.to_json())
    for name in DATASET_FILES:
        _empty(layout.dataset / name)
    description = DatasetDescription(
        name=study.dataset, identifier=study.dataset, title="files made up to measure Snakemake",
        classes=tuple(map(str, range(10))), image_shape=(32, 32, 3), train_count=50_000, test_count=10_000,
        mean=(0.5, 0.5, 0.5), deviation=(0.25, 0.25, 0.25), checksums={}, source={}, warnings=(),
    )  # fmt: skip
    _write(layout.dataset / "dataset.json", description.to_json())
    for cell in study.cells:
        _empty(layout.subset(cell))
        for name in CELL_FILES:
            _empty(layout.cell(cell) / name)
        # Of the size that trained cells have: a run reads them all.
        value = cell.value
        metrics = {
            "format": 1,
            "cell": value.to_dict(),
            "cell_fingerprint": value.fingerprint,
            "code_fingerprint": fingerprint_training(value),
            "data_fingerprint": known_data(layout.subset(cell), layout.dataset),
            "filler": [0.0] * 150,
        }
        _write(layout.cell(cell) / "metrics.json", json.dumps(metrics, indent=1))
    # A blank record for each file, until `--touch` writes true ones: results without a record are refused.
    for file in [path for path in folder.rglob("*") if path.is_file()]:
        _write(folder / RECORDS / record_name(file.relative_to(folder)), "{}")
    listed = _snakemake(folder, PROJECT / "Snakefile", ["--summary"])
    for line in listed.splitlines()[1:]:
        path = line.split("\t")[0]
        if path and "\t" in line:
            _empty(folder / path)


def _ours(folder: Path) -> Run:
    return lambda arguments: _discard(_snakemake(folder, PROJECT / "Snakefile", arguments))


def _bare(folder: Path) -> Run:
    return lambda arguments: _discard(_snakemake(folder, folder / "Snakefile", arguments))


def _discard(_: str) -> None:
    return None


def _snakemake(folder: Path, snakefile: Path, arguments: list[str]) -> str:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile), "--directory", str(folder)]
    command += ["--cores", "1", "--workflow-profile", "none", "--quiet", "all", *arguments]
    if "--summary" in arguments:
        command = [word for word in command if word not in ("--quiet", "all")]
    environment = {key: value for key, value in os.environ.items() if key != "SNAKEMAKE_PROFILE"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        detail = (done.stderr or done.stdout).strip()[-2000:]
        raise SmallmixError(f"the benchmark's Snakemake run failed: {json.dumps(command)}\n{detail}")
    return done.stdout


def _write(path: Path, text: str) -> None:
    _empty(path)
    path.write_text(text, encoding="utf-8")


def _empty(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
