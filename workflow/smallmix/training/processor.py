"""The processor that a cell is trained on, by files of the system alone. No torch."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

CPU_INFORMATION = Path("/proc/cpuinfo")
# What multiplies matrices of bfloat16: tiles (AMX), vectors, or, below them, what emulates it. unknown: no x86
# processor, or the system does not say.
Bf16Instructions = Literal["amx", "avx512-bf16", "avx512", "avx2", "unknown"]
FLAGS: Mapping[str, Bf16Instructions] = {
    "amx_bf16": "amx",
    "avx512_bf16": "avx512-bf16",
    "avx512f": "avx512",
    "avx2": "avx2",
}

# A step in bfloat16, as a multiple of one in float32 (the article's network and narrower ones).
SLOWNESS_OF_EMULATION: Mapping[Bf16Instructions, str] = {"avx512": "about 3 times", "avx2": "10 to 15 times"}


def describe_processor() -> str:
    """Return the processor's model name, as the system gives it."""
    for line in _information().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def bf16_instructions() -> Bf16Instructions:
    """Return the best of the processor's instructions for matrices of bfloat16."""
    flags = set(_information().split())
    return next((instructions for flag, instructions in FLAGS.items() if flag in flags), "unknown")


def _information() -> str:
    try:
        return CPU_INFORMATION.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
