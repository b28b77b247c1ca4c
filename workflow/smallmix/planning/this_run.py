"""What the Snakemake run that is about to start may use, asked of Snakemake itself."""

from __future__ import annotations

from typing import Any

from smallmix.planning.plan import Room


def limit_of(workflow: Any, name: str) -> int | None:
    """A limit of the run, such as --cores or --resources gpu=2, as a number; None where there is none."""
    limit = workflow.global_resources.get(name)
    value = getattr(limit, "value", limit)
    return value if isinstance(value, int) else None


def room_of(workflow: Any) -> Room:
    """The cores and cards here, or the number of jobs elsewhere."""
    cores = limit_of(workflow, "_cores")
    if workflow.local_exec:
        return Room.here(cores, limit_of(workflow, "gpu"))
    return Room(cores or 1, 0, workflow.executor_plugin.name, limit_of(workflow, "_nodes") or 1)


def plan_options(workflow: Any) -> str:
    """The same as options of the command `plan`."""
    limits = {"--cores": limit_of(workflow, "_cores"), "--gpu": limit_of(workflow, "gpu")}
    return " ".join(f"{option} {limit}" for option, limit in limits.items() if limit is not None)
