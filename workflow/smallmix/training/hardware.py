"""The device and the processor that a cell is trained on."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Literal

import torch

from smallmix.errors import SmallmixError

DeviceChoice = Literal["auto", "cpu", "cuda"]
Bfloat16Support = Literal["native", "emulated", "unknown"]


def choose_device(choice: DeviceChoice) -> torch.device:
    """Return CUDA for `auto` where a GPU can be used, else the CPU. Raises SmallmixError where `cuda` cannot be had."""
    available = choice != "cpu" and torch.cuda.is_available()
    if choice == "cuda" and not available:
        raise SmallmixError(
            "--device cuda: PyTorch sees no usable CUDA GPU. Check `nvidia-smi` and CUDA_VISIBLE_DEVICES, "
            "or use --device auto."
        )
    return torch.device("cuda" if available else "cpu")


def describe_device(device: torch.device) -> str:
    """Return the GPU's name, or `cpu`."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def describe_processor() -> str:
    """Return the processor's model name, as the system gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def bfloat16_support(device: torch.device) -> Bfloat16Support:
    """Return whether the device has instructions for `precision: bf16`, so that it may save time there.

    native: GPUs that compute in bfloat16, processors with AMX or AVX-512 BF16. A step of the article's network took
    0.39 times as long as in float32 with AMX, 0.44 to 0.6 times on an AMD EPYC with AVX-512 BF16, 1.2 times on an Intel
    Xeon whose AMX was switched off: `snakemake plan` measures it. emulated: other x86 processors, where it took longer
    (3 times with AVX-512, 15 times with AVX2). unknown: nobody has measured it.
    """
    if device.type == "cuda":
        return "native" if torch.cuda.is_bf16_supported(including_emulation=False) else "emulated"
    capabilities = torch.cpu.get_capabilities()
    if capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"):
        return "native"
    return "emulated" if capabilities.get("architecture") == "x86_64" else "unknown"
