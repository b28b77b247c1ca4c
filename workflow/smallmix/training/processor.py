"""The processor that a cell is trained on, by files of the system alone. No torch."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Literal

CPU_INFORMATION = Path("/proc/cpuinfo")
Bf16Instructions = Literal["amx", "avx512", "none"]


def describe_processor() -> str:
    """Return the processor's model name, as the system gives it."""
    for line in _information().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def bf16_instructions() -> Bf16Instructions:
    """Return what multiplies matrices of bfloat16: tiles (AMX), else vectors (AVX-512 BF16), else none."""
    flags = _information().split()
    return "amx" if "amx_bf16" in flags else "avx512" if "avx512_bf16" in flags else "none"


def _information() -> str:
    try:
        return CPU_INFORMATION.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
