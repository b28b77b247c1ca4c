"""The iterations of a training: the batches that an epoch is dealt out to, and the moments of evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

LastBatch = Literal["keep", "drop", "even"]
# A batch below this share of a full one is small: its statistics rest on few images, and its step counts as much.
SMALL_SHARE = 1 / 8


@dataclass(frozen=True)
class EpochBatches:
    """The batches of one epoch in their order: `large_count` of `large` images, then `small_count` of `small` images.

    small and small_count are 0 where all batches are equal.
    """

    large: int
    large_count: int
    small: int = 0
    small_count: int = 0

    @classmethod
    def of(cls, images: int, batch_size: int, last_batch: LastBatch) -> EpochBatches:
        """Return the batches of `images` images.

        keep: full batches and a smaller last one. drop: without that last one, unless it is the only one. even: as many
        batches as with keep, whose sizes differ by at most one.
        """
        full, rest = divmod(images, batch_size)
        if full == 0:
            return cls(images, 1)
        if rest == 0 or last_batch == "drop":
            return cls(batch_size, full)
        if last_batch == "keep":
            return cls(batch_size, full, rest, 1)
        small, larger_ones = divmod(images, full + 1)
        return cls(small + 1, larger_ones, small, full + 1 - larger_ones) if larger_ones else cls(small, full + 1)

    @property
    def count(self) -> int:
        """Count the batches of the epoch."""
        return self.large_count + self.small_count

    @property
    def images(self) -> int:
        """Count the images of the epoch, each seen once."""
        return self.images_of_first(self.count)

    @property
    def smallest(self) -> int:
        """Count the images of the smallest batch."""
        return self.small or self.large

    def images_of_first(self, batches: int) -> int:
        """Count the images of the first `batches` batches of an epoch."""
        large = min(batches, self.large_count)
        return large * self.large + (batches - large) * self.small

    def has_small_remainder(self, batch_size: int) -> bool:
        """Return whether a smaller last batch holds less than an eighth of a full one."""
        return 0 < self.small < SMALL_SHARE * batch_size

    def __iter__(self) -> Iterator[int]:
        """Iterate over the sizes of the batches, in their order."""
        yield from (self.large for _ in range(self.large_count))
        yield from (self.small for _ in range(self.small_count))


def in_last_tenth(iteration: float, iterations: int) -> bool:
    """Tell whether an evaluation after `iteration` steps lies in the last tenth of a budget of `iterations`."""
    return 10 * iteration > 9 * iterations


@dataclass(frozen=True)
class EvaluationMoments:
    """The iterations after which the network is evaluated: multiples of `every`, in the last tenth of `every_at_end`.

    It is always evaluated at the end of the budget. All numbers are iterations.
    """

    iterations: int
    every: int
    every_at_end: int

    def __contains__(self, iteration: int) -> bool:
        """Tell whether the network is evaluated after `iteration` steps."""
        interval = self.every_at_end if in_last_tenth(iteration, self.iterations) else self.every
        return 0 < iteration <= self.iterations and (iteration % interval == 0 or iteration == self.iterations)

    def until(self, iteration: int) -> list[int]:
        """Return the moments up to `iteration`, in their order."""
        before_end = self.iterations * 9 // 10
        dense_start = (before_end // self.every_at_end + 1) * self.every_at_end
        moments = [
            *range(self.every, min(iteration, before_end) + 1, self.every),
            *range(dense_start, min(iteration, self.iterations) + 1, self.every_at_end),
        ]
        if iteration >= self.iterations and self.iterations % self.every_at_end:
            moments.append(self.iterations)
        return moments

    @property
    def count(self) -> int:
        """Return how often the network is evaluated."""
        return self.iterations * 9 // 10 // self.every + self.count_in_last_tenth

    @property
    def count_in_last_tenth(self) -> int:
        """Return how often the network is evaluated in the last tenth of the budget; at least once, at the end."""
        before_end = self.iterations * 9 // 10
        dense = self.iterations // self.every_at_end - before_end // self.every_at_end
        return dense + (self.iterations % self.every_at_end > 0)
