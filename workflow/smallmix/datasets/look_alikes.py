"""Compare texts that people read as one and programs as two: labels and file names that look alike."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

# Beyond the category Cf (format characters such as the zero-width space): fillers and selectors that show nothing.
INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
VARIATION_SELECTORS = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
# Letters of the Cyrillic and the Greek alphabet that are drawn like Latin ones.
LATIN_LOOK_ALIKES = str.maketrans(
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u0405\u0406\u0408"
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0455\u0456\u0458\u04bb\u0501\u051b\u051d"
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03bf",
    "ABEKMHOPCTYXSIJaeopcyxsijhdqwABEZHIKMNOPTYXo",
)
PUNCTUATION_LOOK_ALIKES = str.maketrans(
    "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2018\u2019\u201b\u02bc\u201c\u201d\u201f", "-------''''\"\"\""
)
NUMBER = re.compile(r"([+-]?)([0-9]*)(?:[.,]([0-9]*))?")
BETWEEN_WORDS = re.compile(r"(?<=[^\W_])[\s_-]+(?=[^\W_])")


def look(text: str) -> str:
    """Return a key that is equal for texts that look alike or mean the same number; it is for comparing only."""
    if not text.isascii():
        for step in (_form, _without_invisible, _latin, _punctuation):
            text = step(text)
    # Folding the case may take a character out of its normal form.
    return _number(_words(_spaces(_form(_case(text)))))


def difference(one: str, other: str) -> str:
    """Return in what two texts of equal look differ, with the first characters that differ."""
    alone = next((reason for reason, step in STEPS if step(one) == step(other)), None)
    reason = alone or "in more than one way (case, spaces, invisible characters, the encoding of characters)"
    if alone == "in case" or (one.isascii() and other.isascii()):
        return reason
    differing = (at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1])
    at = next(differing, min(len(one), len(other)))
    return f"{reason}: character {at + 1} is {_code_point(one, at)} or {_code_point(other, at)}"


def _code_point(text: str, at: int) -> str:
    return f"U+{ord(text[at]):04X}" if at < len(text) else "missing"


def _case(text: str) -> str:
    return text.casefold()


def _form(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _without_invisible(text: str) -> str:
    return "".join(character for character in text if not _is_invisible(character))


def _is_invisible(character: str) -> bool:
    if unicodedata.category(character) == "Cf" or character in INVISIBLE:
        return True
    return any(ord(character) in selectors for selectors in VARIATION_SELECTORS)


def _spaces(text: str) -> str:
    return " ".join(text.split())


def _latin(text: str) -> str:
    return text.translate(LATIN_LOOK_ALIKES)


def _punctuation(text: str) -> str:
    return text.translate(PUNCTUATION_LOOK_ALIKES)


def _words(text: str) -> str:
    return BETWEEN_WORDS.sub(" ", text)


def _number(text: str) -> str:
    """Return a decimal number without the sign + and needless zeros. Return other texts as they are."""
    digits = "".join(str(unicodedata.decimal(one)) if one.isdecimal() else one for one in text)
    match = NUMBER.fullmatch(digits)
    if match is None or not (match[2] or match[3]):
        return text
    whole, fraction = match[2].lstrip("0") or "0", (match[3] or "").rstrip("0")
    sign = "-" if match[1] == "-" and (whole != "0" or fraction) else ""
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


STEPS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("in case", _case),
    ("in spaces", _spaces),
    ("in the encoding of characters", _form),
    ("in invisible characters", _without_invisible),
    ("in how one number is written", _number),
    ("in letters of another alphabet", _latin),
    ("in dashes or quotation marks", _punctuation),
    ("in what separates the words", _words),
)
