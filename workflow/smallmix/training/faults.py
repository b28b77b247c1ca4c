"""What ends a training, in words that name the cause and the key to change."""

from __future__ import annotations

import contextlib
import os

import torch

from smallmix.study.cell import Cell
from smallmix.training.devices import describe_device

# The form of the network that diverges at full width: see the readings in workflow/published/article.yaml.
UNBOUNDED_NETWORK = "preact-resnet18-without-final-norm"
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


def describe_early_loss(cell: Cell, loss: float, iteration: int, limit: float) -> str:
    """The warning of a training whose first steps had a loss above `limit`: it began to diverge."""
    return (
        f"warning: the training loss rose to {loss:.4g} at iteration {iteration:,}, above {limit:.3g}, ten times the "
        f"loss of guessing, so this training began to diverge and its accuracy may be far too low. {_remedy(cell)}"
    )


def warn_of_remainder(cell: Cell) -> str | None:
    """The warning of a last batch that is smaller than an eighth of a batch; None where it is not."""
    if not cell.epoch_batches.has_small_remainder(cell.recipe.batch_size):
        return None
    return f"warning: {_small_remainder(cell)}"


def _remedy(cell: Cell) -> str:
    """What may help, a sentence each: the network's form, the remainder, the rate and the precision."""
    causes = []
    if cell.model.name == UNBOUNDED_NETWORK:
        causes.append(
            "This network has no normalisation after its last block, and nothing bounds its sums at a high rate. Use "
            "model.name: preact-resnet18."
        )
    if cell.epoch_batches.has_small_remainder(cell.recipe.batch_size):
        causes.append(_small_remainder(cell))
    precision = ", or use recipe.precision: fp32" if cell.recipe.precision == "bf16" else ""
    causes.append(f"Lower recipe.learning_rate{precision}.")
    return " ".join(causes)


def _small_remainder(cell: Cell) -> str:
    last, full = cell.epoch_batches.small, cell.recipe.batch_size
    images = f"{last} image{'s' if last > 1 else ''}"
    return (
        f"The last batch of each epoch holds {images} instead of {full}, and steps on the statistics of so few can "
        "cost many points or end in NaN. Use recipe.last_batch: even."
    )


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
