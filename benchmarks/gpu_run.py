"""`python -m benchmarks.gpu_run`: everything that a GPU is wanted for, what says most first.

1. executors: are captured steps equal to eager ones here, and how long does each kind of step take?
2. tests: the tests of a GPU. 3. benchmark: the GPU's part of the benchmark.
4. cells: the cells of studies that were prepared elsewhere (--study), until time is up.

PyTorch and NumPy are all that it needs; tests need pytest, images Pillow. Every result is written as it comes. A stage
that fails keeps no other from running, and one that is done is not repeated by the next call unless the code changed.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

PROJECT = Path(__file__).resolve().parents[1]
PACKAGE_FOLDER = PROJECT / "workflow"
FIRST_STUDY = PACKAGE_FOLDER / "studies" / "article-bf16.yaml"
STAGES = ("executors", "tests", "benchmark", "cells")
# The order in which the article's cells are wanted, should time not do for all.
SIZES = (500, 100, 1_000, 5_000, 10_000, 20_000, 50_000, 250)
SECONDS_OF_STAGE = {"executors": 300.0, "tests": 240.0, "benchmark": 500.0}
SECONDS_TO_END = 20.0


def main(given: list[str] | None = None) -> int:
    """Prepare a study, or run the stages; return 0 where all that ran was right."""
    arguments = _parser().parse_args(given)
    if str(PACKAGE_FOLDER) not in sys.path:
        sys.path.insert(0, str(PACKAGE_FOLDER))
    # Must be set before CUDA starts: deterministic matrix products need it.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    from smallmix.errors import SmallmixError

    try:
        if arguments.prepare:
            return _prepare(arguments)
        return _run(arguments)
    except SmallmixError as error:
        print(f"gpu_run: {error}", file=sys.stderr)
        return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu_run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path("reports/gpu"), help="folder of everything that is written")
    parser.add_argument("--minutes", type=float, default=9.0, help="time for everything (default: 9)")
    parser.add_argument("--only", choices=STAGES, action="append", help="one stage alone; may be repeated")
    parser.add_argument("--again", action="store_true", help="repeat stages that are done")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of the benchmark's comparisons (default: 7)")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu tries out the stages")
    parser.add_argument(
        "--study",
        type=Path,
        nargs="+",
        help="folders that --prepare wrote: their cells are trained at the end, in order",
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="sizes of the cells in their order")
    parser.add_argument("--at-once", type=int, default=1, help="cells that train at once (default: 1)")
    preparing = parser.add_argument_group("preparing a study where the workflow's packages are")
    preparing.add_argument("--prepare", action="store_true", help="write a study into --output, to be carried")
    preparing.add_argument("--configfile", type=Path, nargs="+", default=[FIRST_STUDY], help="overlays of the study")
    preparing.add_argument("--images", type=Path, help="folder of images with lists, in place of the study's data set")
    preparing.add_argument("--title", help="what reports call these images")
    preparing.add_argument(
        "--without-images", action="store_true", help="carry none: another study of the call has the same images"
    )
    return parser


def _prepare(arguments: argparse.Namespace) -> int:
    from smallmix.study.command_lines import run_command

    from benchmarks.portable_study import OVERLAY_FILE, prepare

    size = prepare(
        arguments.configfile, arguments.output, arguments.images, arguments.title, packed=not arguments.without_images
    )
    overlays = [*arguments.configfile, *([arguments.output / OVERLAY_FILE] if arguments.images else [])]
    print(f"{arguments.output}: {size / 2**20:.1f} MiB. Carry it with the project, and run there, as often as needed:")
    print(f"  python3 -m benchmarks.gpu_run --study {arguments.output} --output reports/gpu --minutes 9")
    print(
        "Bring reports/gpu/results back as results, and complete the study here; what was trained is found by content:"
    )
    print(f"  {run_command(overlays)}")
    return 0


@dataclass
class Journal:
    """What was done, line by line, on standard output and in a file; and which stages are done, with which code."""

    folder: Path
    source: str

    def say(self, line: str) -> None:
        """Print and keep a line."""
        with contextlib.suppress(OSError):
            print(line, flush=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError), open(self.folder / "journal.txt", "a", encoding="utf-8") as file:
            file.write(line + "\n")

    def done(self) -> dict[str, int]:
        """Return the exit codes of stages that this very code went through."""
        try:
            noted = json.loads((self.folder / "stages.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return noted["codes"] if noted.get("source") == self.source else {}

    def note(self, stage: str, code: int) -> None:
        """Note that a stage is done."""
        from smallmix import atomic_files

        text = json.dumps({"source": self.source, "codes": {**self.done(), stage: code}})
        atomic_files.write_text(self.folder / "stages.json", text + "\n")


def _run(arguments: argparse.Namespace) -> int:
    from benchmarks.logged_process import TIME_WAS_UP
    from benchmarks.time_limit import TimeLimit

    # Whoever ends this process ends what it started, by the way of every `finally`.
    signal.signal(signal.SIGTERM, _leave)
    limit = TimeLimit.after(60 * arguments.minutes - SECONDS_TO_END)
    journal = Journal(arguments.output, fingerprint_sources())
    wanted = arguments.only or [stage for stage in STAGES if stage != "cells" or arguments.study]
    codes: dict[str, int] = {}
    for stage in (stage for stage in STAGES if stage in wanted):
        earlier = journal.done().get(stage)
        if earlier is not None and not arguments.again:
            codes[stage] = earlier
            journal.say(f"{stage}: done before, exit code {earlier} (--again repeats it)")
            continue
        if not limit.left:
            journal.say(f"{stage}: not begun, because the time was up; the same command goes on here")
            codes[stage] = TIME_WAS_UP
            continue
        journal.say(f"{stage}:")
        own = limit.within(SECONDS_OF_STAGE.get(stage, 60 * arguments.minutes))
        codes[stage] = _stage(stage, arguments, journal.say)(own)
        cut_short = codes[stage] == TIME_WAS_UP and own.end == limit.end
        journal.say(f"{stage}: {'cut short by the end of time' if cut_short else f'exit code {codes[stage]}'}")
        if stage != "cells" and not cut_short:
            journal.note(stage, codes[stage])
    return 0 if not any(codes.values()) else 1


def _stage(name: str, arguments: argparse.Namespace, say: Callable[[str], None]) -> Callable[..., int]:
    """Return what runs a stage until a limit and returns its exit code."""
    from benchmarks.gpu_tests import run_gpu_tests
    from benchmarks.logged_process import run_logged

    output: Path = arguments.output.resolve()
    python = [sys.executable, "-m"]
    if name == "executors":
        command = [*python, "benchmarks.executor_check", "--output", str(output), "--device", arguments.device]
        return lambda limit: run_logged(
            [*command, "--seconds", f"{limit.left - SECONDS_TO_END:.0f}"], output / "executors.txt", limit
        )
    if name == "tests":
        return lambda limit: run_gpu_tests(output / "tests.txt", limit, say)
    if name == "benchmark":
        command = [*python, "benchmarks", "--only", "gpu", "--output", str(output / "bench")]
        command += ["--rounds", str(arguments.rounds)]
        return lambda limit: run_logged(
            [*command, "--seconds", f"{limit.left - SECONDS_TO_END:.0f}"], output / "bench.txt", limit
        )
    return lambda limit: _train(arguments, limit, say)


def _train(arguments: argparse.Namespace, limit: object, say: Callable[[str], None]) -> int:
    from smallmix.training.gpu_slots import OVERRIDE, VISIBLE, list_gpus

    from benchmarks.cell_run import Trainer, train_cells
    from benchmarks.multi_process_service import multi_process_service
    from benchmarks.portable_study import unpack
    from benchmarks.time_limit import TimeLimit

    assert isinstance(limit, TimeLimit)
    if arguments.study is None:
        say("no study was named (--study), so there are no cells to train")
        return 2
    layouts = [unpack(folder, arguments.output) for folder in arguments.study]
    with contextlib.ExitStack() as running:
        variables: dict[str, str] = {}
        if arguments.device == "cuda":
            if arguments.at_once > 1:
                service = running.enter_context(multi_process_service())
                if service is None:
                    say("NVIDIA's multi-process service did not start: cells that train at once take turns on the GPU")
                variables |= service or {}
            if not list_gpus():
                say(f"no GPU is counted here ({VISIBLE}, device files), so cells try the first that CUDA knows")
                variables[OVERRIDE] = "0"
        trainer = Trainer(arguments.device, arguments.at_once, variables)
        return int(train_cells(layouts, arguments.sizes, trainer, limit, say) > 0)


def fingerprint_sources() -> str:
    """Return a digest of the code that the stages run."""
    digest = hashlib.sha256()
    for folder in (PACKAGE_FOLDER / "smallmix", PROJECT / "benchmarks", PROJECT / "tests" / "gpu"):
        for path in sorted(folder.rglob("*.py")):
            digest.update(str(path.relative_to(PROJECT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _leave(number: int, frame: FrameType | None) -> None:
    # A second signal must not interrupt the cleaning up.
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
