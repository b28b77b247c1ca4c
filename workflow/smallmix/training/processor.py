"""The processor that a cell is trained on, by files of the system alone. No torch."""

from __future__ import annotations

import platform
from pathlib import Path

CPU_INFORMATION = Path("/proc/cpuinfo")


def describe_processor() -> str:
    """Return the processor's model name, as the system gives it."""
    for line in _information().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def has_amx() -> bool:
    """Return whether the processor multiplies matrices of bfloat16 in tiles (AMX)."""
    return "amx_bf16" in _information().split()


def _information() -> str:
    try:
        return CPU_INFORMATION.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
