"""Snakemake as it is, except that it asks for its jobs' states every second, and never by sacct.

The Slurm plugin waits 10 s longer after each fruitless question, which is right on a real cluster and slow in tests.
And when `scontrol` once does not answer within 10 s, it falls back to sacct, which without accounting never answers.
"""

from __future__ import annotations

import asyncio
from typing import Any

import snakemake_executor_plugin_slurm
from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor  # type: ignore[import-untyped]


async def _sleep(executor: Any) -> None:
    await asyncio.sleep(1.0)


def _has_tool(name: str) -> bool:
    return name != "sacct"


if __name__ == "__main__":
    snakemake_executor_plugin_slurm.is_query_tool_available = _has_tool
    RemoteExecutor.sleep = _sleep
    main()
