"""What ends a training, in words that name the cause and the key to change."""

from __future__ import annotations

import contextlib
import os

import torch

from smallmix.study.cell import Cell
from smallmix.training.devices import describe_device

OUT_OF_MEMORY_WORDS = ("out of memory", "can't allocate memory", "alloc_failed", "bad_alloc")


def is_out_of_memory(fault: BaseException) -> bool:
    """Whether memory ran out, on a card or on the host; libraries below PyTorch only say so in their text."""
    if isinstance(fault, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(fault, RuntimeError) and any(word in str(fault).lower() for word in OUT_OF_MEMORY_WORDS)


def describe_out_of_memory(cell: Cell, device: torch.device, fault: BaseException) -> str:
    """Batch, device, free and needed bytes (these in PyTorch's own words), and what to change."""
    first_line = str(fault).strip().splitlines()[0].rstrip(".") if str(fault).strip() else type(fault).__name__
    return (
        f"out of memory on {_describe_memory(device)} with batches of {cell.recipe.batch_size} images at width "
        f"{cell.model.width}: {first_line}. Lower recipe.batch_size or model.width, or run fewer jobs on the device at "
        "once; the batch size is never changed silently."
    )


def describe_non_finite(
    cell: Cell, value: float, iteration: int, learning_rate: float, last_finite_loss: float | None
) -> str:
    """The message of a training whose loss left the finite numbers in step `iteration`, which was not taken."""
    before = "none in this run" if last_finite_loss is None else f"{last_finite_loss:.6g}"
    return (
        f"the training loss became {value} at iteration {iteration:,} of {cell.iterations:,} (learning rate "
        f"{learning_rate:g}, last finite loss {before}); stopped before the optimiser step. {_remedy(cell)}"
    )


def describe_non_finite_reading(
    cell: Cell, images: str, value: float, iteration: int, learning_rate: float, last_finite_loss: float | None
) -> str:
    """The message of a network whose loss on the `images` (training or test) is not finite after `iteration` steps."""
    before = "none in this run" if last_finite_loss is None else f"{last_finite_loss:.6g}"
    return (
        f"the loss on the {images} images is {value} after iteration {iteration:,} of {cell.iterations:,} (learning "
        f"rate {learning_rate:g}, last finite training loss {before}). {_remedy(cell)}"
    )


def _remedy(cell: Cell) -> str:
    if cell.recipe.precision == "bf16":
        return "Lower recipe.learning_rate, or use recipe.precision: fp32."
    return "Lower recipe.learning_rate."


def _describe_memory(device: torch.device) -> str:
    if device.type == "cuda":
        # A card that has just failed may refuse to answer, too.
        with contextlib.suppress(RuntimeError):
            free, total = torch.cuda.mem_get_info(device)
            return f"{describe_device(device)} ({free:,} of {total:,} bytes free)"
        return "the card"
    with contextlib.suppress(OSError, ValueError):
        page = os.sysconf("SC_PAGE_SIZE")
        free, total = os.sysconf("SC_AVPHYS_PAGES") * page, os.sysconf("SC_PHYS_PAGES") * page
        return f"the CPU ({free:,} of {total:,} bytes of memory free)"
    return "the CPU"
