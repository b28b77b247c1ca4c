"""Snakemake as it is, except that it asks for its jobs' states every second.

The Slurm plugin waits 10 s longer after each fruitless question, which is right on a real cluster and slow in tests.
"""

from __future__ import annotations

import asyncio
from typing import Any

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor  # type: ignore[import-untyped]


async def _sleep(executor: Any) -> None:
    await asyncio.sleep(1.0)


if __name__ == "__main__":
    RemoteExecutor.sleep = _sleep
    main()
