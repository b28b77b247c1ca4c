"""One row of the batch plan, as a training step reads it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

COMMON_TABLES = ("rows", "crop_y", "crop_x", "flip", "partner", "learning_rate")


@dataclass(frozen=True)
class BatchRow:
    """One row of the plan's tables on the device. B is the number of the batch's own images: fillers are cut off."""

    rows: Tensor  # int64 [B] positions within the subset
    crop_y: Tensor  # int64 [B]
    crop_x: Tensor  # int64 [B]
    flip: Tensor  # bool [B]
    partner: Tensor  # int64 [B] positions within the batch
    learning_rate: Tensor  # float32 scalar
    drawn: Mapping[str, Tensor]  # what the method has drawn for this batch: scalars, or [B, ...] for each image
    side: int = 0  # the images' height and width in pixels, which no table has; 0: not known yet

    @classmethod
    def of(cls, tables: Mapping[str, Tensor]) -> BatchRow:
        """Return the row of tables by their names; what is not common to all methods is the method's own."""
        common: dict[str, Any] = {name: tables[name] for name in COMMON_TABLES}
        return cls(**common, drawn={name: table for name, table in tables.items() if name not in common})

    def with_side(self, side: int) -> BatchRow:
        """Return the same row of images of `side` x `side` pixels."""
        return dataclasses.replace(self, side=side)
