"""The device that a cell is trained on."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Literal

import torch

from smallmix.errors import SmallmixError
from smallmix.study.cell import Precision

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


def describe_tf32(device: torch.device, precision: Precision) -> str:
    """Return which float32 operations of a training a GPU rounds to TF32 (10 bits of 23): `none` on a CPU.

    PyTorch does so for convolutions, unless it is told otherwise, on GPUs from the Ampere generation on. In bf16 there
    are no convolutions and no products in float32.
    """
    if device.type != "cuda" or precision != "fp32" or torch.version.hip is not None:
        return "none"
    if torch.cuda.get_device_capability(device) < (8, 0):
        return "none"
    flags = {"convolutions": torch.backends.cudnn.allow_tf32, "products": torch.backends.cuda.matmul.allow_tf32}
    return " and ".join(name for name, allowed in flags.items() if allowed) or "none"


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


def peak_memory(status: Path = Path("/proc/self/status")) -> int | None:
    """Return the largest memory of the host that this process has held, in bytes; None where the system does not say.

    The system's other measure, ru_maxrss, also counts the process that started this one.
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return None
