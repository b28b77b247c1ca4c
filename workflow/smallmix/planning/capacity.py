"""What a run may use: cores, GPUs, or jobs elsewhere, as the machine or a starting Snakemake has them."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smallmix.training.gpu_slots import list_gpus

PROCESSES = Path("/proc/stat")


@dataclass(frozen=True)
class Capacity:
    """Cores, and the number of cells that may train on GPUs at once (0: all train on the CPU).

    `executor` names the system that runs the cells as jobs elsewhere, `jobs` at once; None where they run here.
    """

    cores: int
    on_gpus: int = 0
    executor: str | None = None
    jobs: int = 1

    @classmethod
    def here(cls, cores: int | None = None, gpu_limit: int | None = None) -> Capacity:
        """Return the capacity of this machine: given cores (default: all usable), and GPUs as a training counts them.

        `gpu_limit` is Snakemake's limit of the resource `gpu`: how many cells it starts on GPUs at once.
        Raises ConfigurationError where SMALLMIX_CARDS names no GPU.
        """
        gpus = len(list_gpus())
        on_gpus = gpus if gpu_limit is None else (gpu_limit if gpus else 0)
        return cls(usable_cores() if cores is None else cores, on_gpus)

    @classmethod
    def of(cls, workflow: Any) -> Capacity:
        """Return the capacity of a run of Snakemake's `workflow` object."""
        cores = _limit(workflow, "_cores")
        if workflow.local_exec:
            return cls.here(cores, _limit(workflow, "gpu"))
        return cls(cores or 1, 0, workflow.executor_plugin.name, _limit(workflow, "_nodes") or 1)

    def at_once(self, threads: int) -> int:
        """Return how many cells, of `threads` threads each, train side by side."""
        if self.executor is not None:
            return max(1, self.jobs)
        by_cores = max(1, self.cores // threads)
        return min(by_cores, self.on_gpus) if self.on_gpus else by_cores


def usable_cores() -> int:
    """Return how many cores this process may use, as `--cores all` counts them."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def busy_elsewhere(looks: int = 4, seconds: float = 0.05) -> int:
    """Return how many processes of others keep cores busy now, as far as the system tells: the least of a few looks.

    The load average is of no use here: after a run of one's own it stays high for a minute. Where this process may use
    only some of the machine's cores, nothing is said: the others' work is then usually elsewhere.
    """
    if usable_cores() != os.cpu_count():
        return 0
    found = []
    for look in range(looks):
        time.sleep(seconds if look else 0.0)
        try:
            text = PROCESSES.read_text(encoding="ascii")
            found.append(next(int(line.split()[1]) for line in text.splitlines() if line.startswith("procs_running ")))
        except (OSError, ValueError, IndexError, StopIteration):
            return 0
    return max(0, min(found) - 1)


def plan_options(workflow: Any) -> str:
    """Return the limits of a run of Snakemake's `workflow` object as options of the command `plan`."""
    limits = {"--cores": _limit(workflow, "_cores"), "--gpu": _limit(workflow, "gpu")}
    return " ".join(f"{option} {limit}" for option, limit in limits.items() if limit is not None)


def _limit(workflow: Any, name: str) -> int | None:
    """Return a limit of the run, such as --cores or --resources gpu=2; None where there is none."""
    limit = workflow.global_resources.get(name)
    value = getattr(limit, "value", limit)
    return value if isinstance(value, int) else None
