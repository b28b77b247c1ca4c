"""When a training's network is evaluated: every so many iterations, more often in the last tenth, and at the end."""

from __future__ import annotations

from dataclasses import dataclass


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
        """How often the network is read."""
        return self.iterations * 9 // 10 // self.every + self.count_in_last_tenth

    @property
    def count_in_last_tenth(self) -> int:
        """How often the network is read in the last tenth of the budget; at least once, at the end."""
        before_end = self.iterations * 9 // 10
        dense = self.iterations // self.every_at_end - before_end // self.every_at_end
        return dense + (self.iterations % self.every_at_end > 0)
