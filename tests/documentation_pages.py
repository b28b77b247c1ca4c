"""The pages that people read, and the commands that they tell people to type."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).resolve().parents[1]
DOCS = PROJECT / "docs"
PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]

_FENCE = re.compile(r"^( *)```([a-z]*)\n(.*?)^\1```$", flags=re.MULTILINE | re.DOTALL)
_ENDS_A_COMMAND = {"&&", "||", "|", ";", "&"}
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*")


class TypedCommand(NamedTuple):
    """A command of a fenced block: its words without redirections and assignments, and the line as it stands there."""

    words: list[str]
    line: str


def fenced_blocks(text: str) -> Iterator[tuple[str, str]]:
    """Yield the language (empty where none is named) and the content of every fenced block."""
    for indent, language, content in _FENCE.findall(text):
        yield language, re.sub(rf"^{indent}", "", content, flags=re.MULTILINE)


def typed_commands(text: str) -> list[TypedCommand]:
    """Return the commands of the blocks that are marked as `sh`, one for each part of a pipe or a list."""
    found = []
    for language, content in fenced_blocks(text):
        if language == "sh":
            for line in content.replace("\\\n", " ").splitlines():
                found += [TypedCommand(words, line.strip()) for words in _split(line) if words]
    return found


def _split(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;<>")
    lexer.whitespace_split = True
    words: list[str] = []
    redirected = False
    for word in lexer:
        if word in _ENDS_A_COMMAND:
            yield words
            words = []
        elif set(word) <= {"<", ">", "&"}:
            redirected = True
        elif redirected:
            redirected = False
        elif words or not _ASSIGNMENT.fullmatch(word):
            words.append(word)
    yield words
