"""Quantiles and tails of the distributions of intervals and tests.

They are those of scipy.stats to the last bit, as tests show, from scipy.special. The import of scipy.stats takes longer
than most commands and steps of the workflow need for all else.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special


def t_lower_quantile(share: float, degrees: float) -> float:
    """Return the value below which Student's t with these degrees of freedom lies with a probability of `share`."""
    return float(special.stdtrit(degrees, share))


def t_upper_tail(value: float, degrees: float) -> float:
    """Return the probability that Student's t with these degrees of freedom lies above a value."""
    return float(special.stdtr(degrees, -value))


def chi_square_quantile(share: float, degrees: float) -> float:
    """Return the value below which chi-square with these degrees of freedom lies with a probability of `share`."""
    return float(2 * special.gammaincinv(degrees / 2, share))


def chi_square_upper_quantile(share: float, degrees: float) -> float:
    """Return the value above which chi-square with these degrees of freedom lies with a probability of `share`."""
    return float(special.chdtri(degrees, share))


def f_upper_quantile(share: float, first: float, second: float) -> float:
    """Return the value above which F of `first` and `second` degrees of freedom lies with a probability of `share`."""
    return float(special.fdtri(first, second, 1 - share))


def beta_quantiles(shares: NDArray[np.float64], first: float, second: float) -> NDArray[np.float64]:
    """Return the values below which Beta(first, second) lies with these probabilities, float64 of the same shape."""
    quantiles: NDArray[np.float64] = special.betaincinv(first, second, shares)
    return quantiles
