"""The trainer as a process: started, watched, killed, limited, and its result compared."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smallmix.study.cell import Cell
from smallmix.training.checkpoint import NEWEST

PACKAGE_PARENT = Path(__file__).resolve().parents[2] / "workflow"
PATIENCE_SECONDS = 300.0
BEGUN = ("training ", "continued from the checkpoint")


def environment() -> dict[str, str]:
    """Return an environment with one thread a process: the machine is shared."""
    return {**os.environ, "PYTHONPATH": str(PACKAGE_PARENT), "OMP_NUM_THREADS": "1"}


def smallmix(*arguments: str | Path, file_limit: int | None = None, **choices: Any) -> subprocess.CompletedProcess[str]:
    """Run one of the package's commands to its end; `file_limit` bytes stand for a full disk."""
    return subprocess.run(
        [sys.executable, "-m", "smallmix", *map(str, arguments)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
        preexec_fn=None if file_limit is None else limit_files(file_limit),
        **choices,
    )


def limit_files(size: int) -> Callable[[], None]:
    """Return what keeps files of a process below `size` bytes: writing more fails, as on a full disk."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@dataclass(frozen=True)
class Training:
    """One cell's training in a folder of its own; every start of the trainer there continues it."""

    cell: Cell
    dataset: Path
    subset: Path
    folder: Path
    checkpoint_seconds: float = 0.05

    @property
    def output(self) -> Path:
        """Return the cell's folder."""
        return self.folder / "cell"

    @property
    def store(self) -> Path:
        """Return the store's folder."""
        return self.folder / "store"

    @property
    def entry(self) -> Path:
        """Return the training's folder in the store."""
        (entry,) = self.store.iterdir()
        return entry

    def in_folder(self, folder: Path) -> Training:
        """Return the same training in another folder."""
        return Training(self.cell, self.dataset, self.subset, folder, self.checkpoint_seconds)

    def start(self, *more: str, file_limit: int | None = None) -> Attempt:
        """Start the trainer and return at once; with a limit, when it has ended."""
        self.folder.mkdir(parents=True, exist_ok=True)
        number = len(list(self.folder.glob("attempt-*.log")))
        log = self.folder / f"attempt-{number}.log"
        command = [sys.executable, "-m", "smallmix", "train-cell", "--cell", self.cell.to_json(), "--gpus", "0"]
        command += ["--dataset", str(self.dataset), "--subset", str(self.subset), "--store", str(self.store)]
        command += ["--output", str(self.output), "--checkpoint-seconds", str(self.checkpoint_seconds), *more]
        with open(log, "wb") as stream:
            if file_limit is None:
                process = subprocess.Popen(command, env=environment(), stdout=stream, stderr=stream)
            else:  # messages go through a pipe: the limit must not cut it off
                process = subprocess.Popen(
                    command,
                    env=environment(),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    preexec_fn=limit_files(file_limit),
                )
                reader = subprocess.Popen(["cat"], stdin=process.stdout, stdout=stream)
                process.wait(PATIENCE_SECONDS)
                assert reader.wait(PATIENCE_SECONDS) == 0
        return Attempt(process, log)

    def finish(self) -> dict[str, Any]:
        """Run to the end and return the result."""
        attempt = self.start()
        assert attempt.wait() == 0, attempt.messages
        return self.result()

    def result(self) -> dict[str, Any]:
        """Return what must be equal between two runs of a cell: files as bytes, weights and all numbers."""
        metrics = json.loads((self.output / "metrics.json").read_text(encoding="utf-8"))
        for key in ("timing", "environment", "earlier_environments"):
            del metrics[key]
        assert len(metrics["weights_sha256"]) == 64
        return {
            "history": (self.output / "history.csv").read_bytes(),
            "predictions": (self.output / "predictions.npz").read_bytes(),
            "metrics": metrics,
        }

    def check_nothing_is_half_written(self) -> None:
        """Check, after any death, that there is no output or a whole one."""
        if (self.output / "metrics.json").exists():
            self.result()

    def wait_for_checkpoint(self, attempt: Attempt) -> None:
        """Wait until something can be resumed."""
        attempt.wait_until(lambda: any(self.store.glob(f"*/{NEWEST}")))


@dataclass(frozen=True)
class Attempt:
    """One process of the trainer and its messages."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def messages(self) -> str:
        """Return its standard output and error."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait(self) -> int:
        """Wait for the end; return the exit code, negative for a signal."""
        return self.process.wait(PATIENCE_SECONDS)

    def wait_until(self, condition: Callable[[], bool]) -> bool:
        """Wait for a condition; False where the process ended before."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            if self.process.poll() is not None:
                return False
            assert time.monotonic() < deadline, self.messages
            time.sleep(0.005)
        return True

    def wait_until_begun(self) -> bool:
        """Wait until the first step is near."""
        return self.wait_until(lambda: any(line.startswith(BEGUN) for line in self.messages.splitlines()))

    def kill(self) -> bool:
        """Send SIGKILL; return whether it hit a living process."""
        self.process.kill()
        return self.wait() == -signal.SIGKILL

    def check_no_traceback(self) -> None:
        """Check that it ended with a message for people, not with a traceback."""
        assert "Traceback" not in self.messages, self.messages
