"""Means over seeds and gains over the reference method, as class_summary.csv and own_metric_summary.csv have them.

Also which classes are shown where a study has too many for a page.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from smallmix.study.study import asked_method
from smallmix.tables.statistics_columns import ALL_SIZES
from smallmix.tables.study_tables import NO_MEAN, SeedMean, StudyTables

EACH_WAY = 10  # classes that are shown of those with the largest gains, and of those with the largest losses


@dataclass(frozen=True)
class MeanAndGain:
    """A mean over seeds, and the mean difference from the reference method; NO_MEAN where there is none."""

    mean: SeedMean = NO_MEAN
    gain: SeedMean = NO_MEAN


class ClassMeans:
    """The accuracies on the classes of one study; fractions."""

    def __init__(self, tables: StudyTables) -> None:
        self._study = tables.study
        self._rows = {
            (str(row["size"]), str(row["method"]), int(row["label"])): read_mean_and_gain(row)
            for row in tables.class_summary.to_dict("records")
        }
        self.labels = sorted({label for _, _, label in self._rows})
        self.sizes = [size for size in tables.sizes if any(found == str(size) for found, _, _ in self._rows)]

    def find(self, size: int | None, method: str, label: int) -> MeanAndGain:
        """Return the accuracy on a class; size None stands for the mean over all sizes."""
        return self._rows.get((ALL_SIZES if size is None else str(size), method, label), MeanAndGain())

    @property
    def many(self) -> bool:
        """Return whether there are more classes than are shown."""
        return len(self.labels) > 2 * EACH_WAY

    def shown(self) -> list[int]:
        """Return the classes to show, the largest gain of the asked method over all sizes first.

        Of many classes those with the largest gains and with the largest losses. Classes without a gain, as in a study
        of one method, stand last and in their own order.
        """
        asked = asked_method(self._study)
        sizes = (None, *self.sizes)  # an unfinished study may have no mean over all sizes
        gains: dict[int, float] = {}
        for size in sizes if asked is not None else ():
            gains = {label: self.find(size, asked or "", label).gain.mean for label in self.labels}
            if any(map(math.isfinite, gains.values())):
                break
        known = sorted(
            (label for label in self.labels if math.isfinite(gains.get(label, math.nan))),
            key=lambda label: -gains[label],
        )
        ordered = [*known, *(label for label in self.labels if label not in known)]
        return [*ordered[:EACH_WAY], *ordered[-EACH_WAY:]] if self.many else ordered


def read_mean_and_gain(row: Mapping[Any, Any]) -> MeanAndGain:
    """Return the mean and the gain of a row of class_summary.csv or own_metric_summary.csv."""
    mean, gain = (
        SeedMean(int(row[count]), *(float(row[name]) for name in names)) if row[count] else NO_MEAN
        for count, *names in (
            ("seeds", "mean", "low", "high"),
            ("pairs", "difference", "difference_low", "difference_high"),
        )
    )
    return MeanAndGain(mean, gain)
