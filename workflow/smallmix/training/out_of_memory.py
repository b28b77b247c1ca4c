"""Memory that ran out: how libraries say it, and what people are told."""

from __future__ import annotations

import contextlib
import os
import re
import resource
from typing import TYPE_CHECKING

from smallmix.study.cell import Cell

# The start of a workflow must not wait for torch.
if TYPE_CHECKING:
    import torch

OUT_OF_MEMORY_TEXTS = ("out of memory", "can't allocate memory", "alloc_failed", "bad_alloc")
# What oneDNN, which computes convolutions on a CPU, says without memory. It never gives a reason. Where it refuses an
# operation for good, it could not create a primitive *descriptor*.
ONEDNN_WITHOUT_MEMORY = re.compile(r"could not (?:create a primitive|execute a primitive|create a memory object)\s*$")


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether memory ran out, on a GPU or on the host; libraries below PyTorch only say so in their text."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    if not isinstance(error, RuntimeError):
        return False
    return any(text in str(error).lower() for text in OUT_OF_MEMORY_TEXTS) or _is_onednn_without_memory(error)


def _is_onednn_without_memory(error: BaseException) -> bool:
    return ONEDNN_WITHOUT_MEMORY.match(str(error)) is not None


def describe_out_of_memory(cell: Cell, device: torch.device, error: BaseException) -> str:
    """Name batch, device, free and needed bytes (as PyTorch says it), and what to change."""
    first_line = str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
    if _is_onednn_without_memory(error):
        first_line += " (oneDNN, which computes the convolutions, says this where it gets no memory)"
    return (
        f"out of memory on {describe_memory(device)} with batches of {cell.recipe.batch_size} images"
        f"{f' at width {cell.model.width}' if cell.model.width else f' by {cell.model.name}'}: {first_line}. Lower "
        f"recipe.batch_size{' or model.width' if cell.model.width else ''}{_other_remedy(device)}; "
        "the batch size is never changed silently."
    )


def describe_memory(device: torch.device) -> str:
    """Name a device with its free and its whole memory, and a limit of this process on a CPU."""
    import torch

    from smallmix.training.hardware import describe_device

    if device.type == "cuda":
        # A GPU that has just failed may refuse to answer, too.
        with contextlib.suppress(RuntimeError):
            free, total = torch.cuda.mem_get_info(device)
            return f"{describe_device(device)} ({free:,} of {total:,} bytes free)"
        return "the GPU"
    with contextlib.suppress(OSError, ValueError):
        page = os.sysconf("SC_PAGE_SIZE")
        free, total = os.sysconf("SC_AVPHYS_PAGES") * page, os.sysconf("SC_PHYS_PAGES") * page
        return f"the CPU ({free:,} of {total:,} bytes of memory free{_describe_limit()})"
    return "the CPU"


def _limit_of_process() -> tuple[int, str] | None:
    """Return how many bytes this process may take at most, and the command that shows it; None without a limit."""
    limits = ((resource.RLIMIT_AS, "ulimit -v"), (resource.RLIMIT_DATA, "ulimit -d"))
    found = [(resource.getrlimit(kind)[0], command) for kind, command in limits]
    return min((one for one in found if one[0] != resource.RLIM_INFINITY), default=None)


def _other_remedy(device: torch.device) -> str:
    """Return what helps besides a smaller batch or network."""
    if device.type == "cpu" and _limit_of_process() is not None:
        return ", run fewer jobs on the device at once, or raise the limit of the process"
    return ", or run fewer jobs on the device at once"


def _describe_limit() -> str:
    """Name the most that this process may take, where it has a limit of its own: free memory is then no help."""
    limit = _limit_of_process()
    if limit is None:
        return ""
    most, command = limit
    return f"; this process may take {most:,} bytes, which {command} shows in kB"
