"""What few seeds allow to be shown, in sentences: how wide their interval is, and why.

The t interval covers 95 % from two seeds on. That of two reaches 12.7 standard errors to either side, so that it says
next to nothing and hides the two values. Tables for programs have it; figures, pages and answers show it from three
seeds on (`FEWEST_FOR_AN_INTERVAL`). That of three is wide, too, which readers are told.
"""

from __future__ import annotations

from collections.abc import Iterable

from smallmix.statistics.intervals import t_quantile
from smallmix.tables.study_tables import FEWEST_FOR_AN_INTERVAL
from smallmix.wording import spelt_out

MANY_SEEDS = 10  # what a wide interval is held against
MOST_CALLED_WIDE = 4  # seeds


def interval_width(seeds: Iterable[int]) -> str:
    """Return how wide the intervals of so many seeds are, and why; empty where none is wide.

    `seeds` are the counts of what is drawn or said; zeros do not count.
    """
    with_interval = [count for count in seeds if count >= FEWEST_FOR_AN_INTERVAL]
    if not with_interval or (least := min(with_interval)) > MOST_CALLED_WIDE:
        return ""
    return (
        f"The interval of {spelt_out(least)} seeds is wide: it reaches {t_quantile(least - 1):.1f} standard errors to "
        f"either side, that of {spelt_out(MANY_SEEDS)} seeds {t_quantile(MANY_SEEDS - 1):.1f}, because so few runs "
        "say little about the scatter of runs."
    )


def two_seeds_sentence() -> str:
    """Return why two seeds have no interval."""
    return (
        f"Two seeds have no interval here: it would reach {t_quantile(1):.1f} standard errors to either side, too far "
        "to be of use."
    )
