"""A number of each run as means over seeds, beside the paired difference against the study's reference method.

The accuracy on each class and the metrics of the configuration are summed up so, with the t interval of the accuracies
(`statistics/intervals.py`). Seeds are paired as in `statistics/comparison.py`. There is no test here: so many rows
would need a correction that leaves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from smallmix.statistics.comparison import average_over_sizes
from smallmix.statistics.intervals import MeanInterval, mean_interval
from smallmix.study.study import Study, reference_method
from smallmix.tables.statistics_columns import ALL_SIZES

# A number of every run that has one, by training-set size and method, then by seed.
RunValues = Mapping[tuple[int, str], Mapping[int, float]]


@dataclass(frozen=True)
class MeanAgainstReference:
    """A mean over seeds; size None stands for all sizes. `difference` is method minus reference, seed by seed.

    It is None for the reference itself, and where no seed has both methods.
    """

    size: int | None
    method: str
    mean: MeanInterval
    reference: str
    difference: MeanInterval | None

    @property
    def size_text(self) -> str:
        """Return the size as it stands in a table."""
        return ALL_SIZES if self.size is None else str(self.size)

    def fields(self) -> list[int | float | str | None]:
        """Return seeds, mean and difference in the order of the tables' columns."""
        mean, difference = self.mean, self.difference
        numbers = (difference.mean, difference.low, difference.high) if difference else (None,) * 3
        return [
            mean.count,
            mean.mean,
            mean.low,
            mean.high,
            self.reference,
            difference.count if difference else 0,
            *numbers,
        ]


def means_against_reference(study: Study, values: RunValues) -> list[MeanAgainstReference]:
    """Return the means of every size and method that has a number, in the study's order, then those over all sizes.

    Over all sizes a seed counts that has every size of the study; its numbers are averaged first.
    """
    rows = [row for size in study.sizes for row in _of_size(study, size, values)]
    overall = {
        (0, method): _averages({size: values.get((size, method), {}) for size in study.sizes})
        for method in study.methods
    }
    return [*rows, *_of_size(study, None, overall)]


def _of_size(study: Study, size: int | None, values: RunValues) -> list[MeanAgainstReference]:
    reference, key = reference_method(study), size or 0
    rows = []
    for method in study.methods:
        own, other = values.get((key, method), {}), values.get((key, reference), {})
        if not own:
            continue
        pairs = [] if method == reference else [own[seed] - other[seed] for seed in sorted(own) if seed in other]
        rows.append(
            MeanAgainstReference(
                size=size,
                method=method,
                mean=mean_interval([own[seed] for seed in sorted(own)]),
                reference=reference,
                difference=mean_interval(pairs) if pairs else None,
            )
        )
    return rows


def _averages(by_size: Mapping[int, Mapping[int, float]]) -> dict[int, float]:
    complete = sorted(set.intersection(*(set(of_size) for of_size in by_size.values())))
    averages, _ = average_over_sizes(
        {size: {seed: of_size[seed] for seed in complete} for size, of_size in by_size.items()}
    )
    return dict(zip(complete, averages, strict=True))
