"""Names from outside (classes, titles, methods) made safe to look at: nothing invisible, nothing that reorders text.

Escaping for HTML and SVG is the writer's affair (jinja2, matplotlib); this module deals with what escaping lets
through: control characters, which no XML file may hold, and bidirectional marks, which reorder the text around them.
"""

from __future__ import annotations

import unicodedata

_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINERS = frozenset({"\u200d", "\u200c"})  # several scripts and emoji cannot be written without them


def visible_text(text: object, limit: int = 120) -> str:
    """The text with every control and direction mark spelt out as U+XXXX, at most `limit` characters long."""
    spelt = "".join(_visible(character) for character in str(text))
    return spelt if len(spelt) <= limit else spelt[: limit - 1] + "…"


def _visible(character: str) -> str:
    if character in "\t\n\r":
        return " "
    if unicodedata.category(character) in _HIDDEN_CATEGORIES and character not in _JOINERS:
        return f"[U+{ord(character):04X}]"
    return character
