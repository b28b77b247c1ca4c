"""Thin curves of thousands of evaluations to a few hundred points, without losing a peak."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

POINTS_PER_LINE = 300
POINTS_PER_FIGURE = 24_000
FEWEST_POINTS_PER_LINE = 40


def points_per_line(lines: int) -> int:
    """Return how many points each of `lines` lines of one figure may have, so that the page stays small."""
    return max(FEWEST_POINTS_PER_LINE, min(POINTS_PER_LINE, POINTS_PER_FIGURE // max(1, lines)))


def thin_curve(
    x: npt.ArrayLike, y: npt.ArrayLike, limit: int = POINTS_PER_LINE
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return at most `limit` (>= 4) of the points (x[i], y[i]), x ascending.

    Keep the first and the last point and each stretch's extremes, so that the highest and the lowest y always remain.
    Leave out points whose y is not a finite number.
    """
    abscissa, ordinate = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    finite = np.isfinite(ordinate)
    abscissa, ordinate = abscissa[finite], ordinate[finite]
    if len(abscissa) <= limit:
        return abscissa, ordinate
    kept = {0, len(abscissa) - 1}
    inner = np.arange(1, len(abscissa) - 1)
    for stretch in np.array_split(inner, (limit - 2) // 2):
        kept.add(int(stretch[np.argmin(ordinate[stretch])]))
        kept.add(int(stretch[np.argmax(ordinate[stretch])]))
    chosen = np.array(sorted(kept))
    return abscissa[chosen], ordinate[chosen]
