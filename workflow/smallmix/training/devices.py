"""Where a cell is trained, and how tensors lie in memory there."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch

from smallmix.errors import SmallmixError
from smallmix.study.cell import Precision

DeviceChoice = Literal["auto", "cpu", "cuda"]
Bfloat16Support = Literal["native", "emulated", "unknown"]


def choose_device(choice: DeviceChoice) -> torch.device:
    """`auto` is CUDA where a card can be used, else the CPU. Raises SmallmixError where `cuda` cannot be had."""
    available = choice != "cpu" and torch.cuda.is_available()
    if choice == "cuda" and not available:
        raise SmallmixError(
            "--device cuda: PyTorch sees no usable CUDA card. Check `nvidia-smi` and CUDA_VISIBLE_DEVICES, "
            "or use --device auto."
        )
    return torch.device("cuda" if available else "cpu")


def explain_unusable_cards(cards: Sequence[str]) -> str | None:
    """Why a training goes to the CPU although `cards` were counted; None where one can be used, or none was counted."""
    if not cards or torch.cuda.is_available():
        return None
    version = torch.__version__
    if torch.version.cuda is None and torch.version.hip is None:
        reason = f"PyTorch {version} is a build for the CPU alone; install one for CUDA"
    else:
        try:
            torch.cuda.init()  # type: ignore[no-untyped-call]
            reason = f"PyTorch {version} finds no card it can use"
        except (RuntimeError, AssertionError) as fault:
            reason = f"PyTorch {version} says: {str(fault).strip().splitlines()[0]}"
    # Without their names: the note is part of a result's environment, and another card is not another environment.
    counted = f"{len(cards)} card{'s are' if len(cards) > 1 else ' is'} counted here"
    return (
        f"{counted} but cannot be used, so cells train on the CPU, many times slower. {reason.rstrip('.')}. "
        "Check `nvidia-smi` and the driver, or set CUDA_VISIBLE_DEVICES= (empty) where the CPU is meant."
    )


def describe_device(device: torch.device) -> str:
    """The card's name, or `cpu`."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def describe_processor() -> str:
    """The processor's model name, as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def choose_memory_format(device: torch.device, width: int) -> torch.memory_format:
    """channels_last where it is the faster layout of convolutions, else contiguous.

    On CUDA and on processors with AVX-512 it always was (1.2 to 1.5 times, widths 8 to 64); with AVX2 only it helps
    wide networks and slows narrow ones down 4 to 8 times. A rule, not a stop watch: the layout changes the last bits of
    results, and equal machines must give equal bytes.
    """
    fast_everywhere = device.type == "cuda" or torch.backends.cpu.get_cpu_capability() == "AVX512"
    return torch.channels_last if fast_everywhere or width >= 64 else torch.contiguous_format


def bfloat16_support(device: torch.device) -> Bfloat16Support:
    """Whether the device has instructions for `precision: bf16`, so that it may save time there.

    native: cards that compute in bfloat16, processors with AMX or AVX-512 BF16. A step of the article's network took
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


def warn_of_emulation(precision: Precision, device: torch.device) -> str | None:
    """What to tell people who chose bf16 where it costs time instead of saving it; None where all is well."""
    if precision == "fp32" or bfloat16_support(device) != "emulated":
        return None
    device_name = "this card" if device.type == "cuda" else "this processor"
    return (
        f"precision bf16 is emulated here ({device_name} does not compute in bfloat16) and slower than fp32; "
        "recipe.precision: fp32 would save time"
    )


def fix_arithmetic(threads: int) -> None:
    """Make equal cells give equal bytes: a fixed thread count, deterministic algorithms, no denormal numbers."""
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    # As torch.use_deterministic_algorithms does, which also loads the compiler to tell it: twice the time of a start.
    torch.set_deterministic_debug_mode("error")
    # Filling new memory with NaN first would find reads of what was never written; it costs a pass over every tensor.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
