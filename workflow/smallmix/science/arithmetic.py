"""The arithmetic of a training: determinism, threads, precision, and how tensors lie in memory."""

from __future__ import annotations

import contextlib
import os

import torch

from smallmix.study.cell import Precision

# The sizes of cuBLAS's work space with which its products are deterministic.
DETERMINISTIC_WORKSPACES = (":4096:8", ":16:8")
WIDE = 64  # channels of the first stage; a network without that number counts as wide, but as narrow on large images
# With channels last, AVX-512, fewer than 16 channels and maps of 46 pixels a side or more, oneDNN's backward pass of a
# 1 x 1 convolution of stride 2 reads beyond its memory and mostly crashes (PyTorch 2.14.1, float32 and bfloat16).
NARROWEST_SAFE, UNSAFE_SIDE = 16, 46


class UnusableWorkspace(Exception):
    """CUBLAS_WORKSPACE_CONFIG has a `value` with which matrix products on a GPU are not deterministic."""

    def __init__(self, value: str) -> None:
        super().__init__(value)
        self.value = value


def fix_arithmetic(threads: int) -> None:
    """Make equal cells give equal bytes: a fixed thread count, deterministic algorithms, no denormal numbers.

    Call this before the first use of CUDA: its library of matrix products is told how to be deterministic as it starts.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", DETERMINISTIC_WORKSPACES[0])
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    # As torch.use_deterministic_algorithms does, which also loads the compiler to tell it: twice the time of a start.
    torch.set_deterministic_debug_mode("error")
    # Filling new memory with NaN first would find reads of what was never written; it costs a pass over every tensor.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False


def require_deterministic_products() -> None:
    """Raise UnusableWorkspace where the environment asks cuBLAS for something else; to be called for a CUDA device."""
    value = os.environ.get("CUBLAS_WORKSPACE_CONFIG", "")
    if value not in DETERMINISTIC_WORKSPACES:
        raise UnusableWorkspace(value)


def choose_memory_format(device: torch.device, width: int, side: int = 0) -> torch.memory_format:
    """Return channels_last where it is the faster layout of convolutions, else contiguous.

    On CUDA and on processors with AVX-512 it always was (1.2 to 1.5 times, widths 8 to 64); with AVX2 only it helps
    wide networks and slows narrow ones down 4 to 8 times. A rule, not a stop watch: the layout changes the last bits of
    results, and equal machines must give equal bytes.

    Networks that are narrow, or of unknown width (0), are contiguous on every CPU where the `side` of the images is
    large: see NARROWEST_SAFE.
    """
    if device.type == "cpu" and width < NARROWEST_SAFE and side >= UNSAFE_SIDE:
        return torch.contiguous_format
    fast_everywhere = device.type == "cuda" or torch.backends.cpu.get_cpu_capability() == "AVX512"
    wide = width == 0 or width >= WIDE
    return torch.channels_last if fast_everywhere or wide else torch.contiguous_format


def reduced_precision(precision: Precision, device: torch.device) -> contextlib.AbstractContextManager[None]:
    """Return the context of a forward pass.

    bf16: convolutions and the classifier compute in bfloat16; weights, momentum and statistics stay float32.
    """
    if precision == "fp32":
        return contextlib.nullcontext()
    # Each weight is used once a step: a cache of converted weights is of no use, and a captured step must have none.
    return torch.autocast(device.type, dtype=torch.bfloat16, cache_enabled=False)
