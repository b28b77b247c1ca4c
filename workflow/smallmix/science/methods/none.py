"""Plain training: nothing is mixed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from smallmix.science.batch_row import BatchRow
from smallmix.science.method import Method

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Plain(Method):
    """The images and labels as they are."""

    mixes_arrays: ClassVar[bool] = True

    def loss(self, log_probabilities: Tensor, labels: Tensor, row: BatchRow) -> Tensor:
        """Return the mean cross-entropy against the own labels, float32 scalar."""
        from torch.nn import functional

        return functional.nll_loss(log_probabilities, labels)


METHOD = Plain
