"""Faults of a configuration, and how they are told to people: the key, what was found, what is allowed."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

KeyPath = tuple[str | int, ...]
LONGEST_SHOWN = 80


@dataclass(frozen=True)
class Fault:
    """One fault. `path` leads to the key; `text` says what was found and what to do; `place` is a file and a line."""

    path: KeyPath
    text: str
    place: str = ""

    def __str__(self) -> str:
        parts = [key_name(self.path) if self.path else "", f"({self.place})" if self.place else ""]
        head = " ".join(part for part in parts if part)
        return f"{head}: {self.text}" if head else self.text


def key_name(path: KeyPath) -> str:
    """The full key as people write it: recipe.learning_rate, or subsets.sizes (entry 3) inside a list."""
    keys = [part if part.isprintable() and part else repr(part) for part in path if isinstance(part, str)]
    entries = "".join(f" (entry {part + 1})" for part in path if isinstance(part, int))
    return shorten(".".join(keys), 200) + entries


def show(value: Any) -> str:
    """A value as it is quoted in a message: short, on one line, printable."""
    if value is None:
        return "nothing (an empty value)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return shorten(repr(value)) + (" (text)" if _looks_like_something_else(value) else "")
    if isinstance(value, dict):
        return f"a mapping with the keys {listed(value)}" if value else "an empty mapping"
    if isinstance(value, list):
        return "the list " + shorten(json.dumps(value, default=str)) if value else "an empty list"
    return shorten(str(value))


def shorten(text: str, longest: int = LONGEST_SHOWN) -> str:
    """`text`, cut where it is longer than a message can bear."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def listed(words: Iterable[Any]) -> str:
    """Words in a row, cut where there are too many."""
    return shorten(", ".join(str(word) for word in words), 200)


def close_match(word: str, known: Sequence[str]) -> str | None:
    """The known word that `word` was probably meant to be, or None."""
    folded = {_folded(candidate): candidate for candidate in known}
    found = difflib.get_close_matches(_folded(word[:100]), list(folded), n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def message(faults: Sequence[Fault], heading: str) -> str:
    """One text for all faults, each told once."""
    lines = list(dict.fromkeys(str(fault) for fault in faults))
    count = "one fault" if len(lines) == 1 else f"{len(lines)} faults"
    return "\n".join([f"{heading} has {count}:", *(f"  - {line}" for line in lines)])


def _folded(word: str) -> str:
    return word.lower().replace("_", "-").replace(" ", "-")


def _looks_like_something_else(text: str) -> bool:
    return text[:1].isdigit() or text[:1] in "+-.[{" or text.lower() in ("true", "false", "null", "none", "")
