"""Names of keys, methods, studies and targets that were probably misspelt, and what they were meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


def close_match(word: str, known: Sequence[str]) -> str | None:
    """Return the known word that `word` was probably meant to be, or None."""
    folded = {_folded(candidate): candidate for candidate in known}
    found = difflib.get_close_matches(_folded(word[:100]), list(folded), n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def nearness(word: str, known: str) -> float:
    """Return how much alike the two are, from 0 to 1 (equal)."""
    return difflib.SequenceMatcher(None, _folded(word[:100]), _folded(known)).ratio()


def _folded(word: str) -> str:
    """Return a name without what is often mistaken in it: capitals, and underscores or spaces for hyphens."""
    return word.lower().replace("_", "-").replace(" ", "-")
