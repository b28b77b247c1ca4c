"""Read YAML strictly. What the usual reader lets pass in silence is an error here, with a line and a remedy.

That is: keys given twice (the last would win), tabs, bare `no` or `off` as keys, numbers with a leading zero (octal in
YAML 1.1), 1:30 (sexagesimal), dates, anchors, several documents in a file.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from smallmix.study.config_errors import KeyPath, Problem, shorten

LARGEST_FILE = 1_000_000
DEEPEST = 20
_OCTAL = re.compile(r"[+-]?0[0-9_]+")
_SEXAGESIMAL = re.compile(r"[+-]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
_YAML_WORDS = re.compile(r"(?i)yes|no|on|off|true|false|null|~|")


@dataclass
class YamlFile:
    """A file as read: its value (keys as texts; None where it is unusable), where each key stands, and its problems.

    `quoted` are the numbers in quotes among the keys; `written` is how bare words such as `no` are spelled.
    """

    name: str
    value: dict[str, Any] | None = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    quoted: set[KeyPath] = field(default_factory=set)
    written: dict[KeyPath, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: KeyPath) -> str:
        """Return file and line of a key; empty where the file does not state it."""
        return f"{self.name}, line {self.lines[path]}" if path in self.lines else ""


def read_yaml(path: Path) -> YamlFile:
    """Read a file whose top is a mapping. Never raises for what a file can hold; see `problems`."""
    read = YamlFile(str(path))
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ValueError(f"it is larger than {LARGEST_FILE:,} bytes, which no configuration is")
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        read.problems.append(Problem((), "there is no such file; check the name and the folder", read.name))
        return read
    except UnicodeDecodeError as error:
        read.problems.append(Problem((), f"not UTF-8 text at byte {error.start}; save it as UTF-8", read.name))
        return read
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        read.problems.append(Problem((), f"cannot be read: {reason}", read.name))
        return read
    _parse(text, read)
    return read


def _parse(text: str, read: YamlFile) -> None:
    for number, line in enumerate(text.splitlines(), start=1):
        if "\t" in line[: len(line) - len(line.lstrip())] and line.strip():
            text_problem = "a tab in the indentation, which YAML does not allow; write spaces"
            read.problems.append(Problem((), text_problem, f"{read.name}, line {number}"))
    if read.problems:
        return
    loader = None
    try:
        loader = _Composer(text)
        top = loader.get_single_node()
        if top is None:
            read.problems.append(Problem((), "is empty; write `key: value` lines, or leave the file out", read.name))
        elif not isinstance(top, yaml.MappingNode):
            place = f"{read.name}, line {top.start_mark.line + 1}"
            read.problems.append(Problem((), "must hold `key: value` lines at its top level", place))
        else:
            value = _Walk(read, loader).value(top, ())
            read.value = value if isinstance(value, dict) else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{read.name}, line {mark.line + 1}" if mark else read.name
        problem = " ".join(part for part in (error.context, error.problem) if part)
        read.problems.append(Problem((), f"not valid YAML: {problem}. Check colons, brackets and indentation", place))
    except yaml.YAMLError as error:
        read.problems.append(Problem((), f"not valid YAML: {shorten(str(error).splitlines()[0])}", read.name))
    except RecursionError:
        read.problems.append(Problem((), "nested too deeply to be a configuration", read.name))
    finally:
        if loader is not None:
            loader.dispose()


class _Composer(yaml.SafeLoader):
    """The usual reader, but an alias is refused: it could stand for endlessly much."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event: Any = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                None,
                None,
                f"*{event.anchor} stands for a value written elsewhere; write the value out",
                event.start_mark,
            )
        return super().compose_node(parent, index)


class _Walk:
    """Turns the nodes of one file into values, noting lines and problems on the way."""

    def __init__(self, read: YamlFile, loader: yaml.SafeLoader) -> None:
        self.read = read
        self.loader = loader

    def value(self, node: Any, path: KeyPath) -> Any:
        if len(path) > DEEPEST:
            self._problem(path, node, f"nested deeper than {DEEPEST} levels; no configuration is")
            return None
        collection = isinstance(node, yaml.MappingNode | yaml.SequenceNode)
        if collection and node.tag.rpartition(":")[2] not in ("map", "seq"):
            self._problem(path, node, self._trap(node) or "")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._noted(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _noted(self, node: Any, path: KeyPath) -> Any:
        self.read.lines[path] = node.start_mark.line + 1
        return self.value(node, path)

    def _mapping(self, node: Any, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is None:
                continue
            inner = (*path, key)
            if key in result:
                self._problem(
                    inner, key_node, f"given twice; it stands in line {self.read.lines[inner]} already. Delete one"
                )
            self.read.lines[inner] = key_node.start_mark.line + 1
            result[key] = self.value(value_node, inner)
        return result

    def _key(self, node: Any, path: KeyPath) -> str | None:
        if not isinstance(node, yaml.ScalarNode):
            self._problem(path, node, "a key must be a word or a number, not a list or a mapping")
            return None
        kind, text = node.tag.rpartition(":")[2], node.value
        inner = (*path, text)
        if kind in ("bool", "null"):
            meaning = "nothing" if kind == "null" else ("true" if self._constructed(node) else "false")
            self._problem(
                inner, node, f'YAML reads this key as {meaning}; put it in quotes ("{text}") or choose another'
            )
        elif kind == "merge":
            self._problem(inner, node, "merge keys (<<) are not supported; write the keys out")
        elif kind not in ("str", "int") or (kind == "int" and not re.fullmatch(r"0|[1-9][0-9]*", text)):
            self._problem(inner, node, self._trap(node) or "a key must be a word or a plain whole number")
        elif text == "__use_yte__":
            self._problem(inner, node, "templates are not supported in configurations; write the values out")
        else:
            if kind == "str" and text.isdigit():
                self.read.quoted.add(inner)
            return str(text)
        return None

    def _scalar(self, node: Any, path: KeyPath) -> Any:
        trap = self._trap(node)
        if trap:
            self._problem(path, node, trap)
        if node.style is None and _YAML_WORDS.fullmatch(node.value):
            self.read.written[path] = node.value
        return node.value if trap else self._constructed(node)

    def _trap(self, node: Any) -> str | None:
        kind = node.tag.rpartition(":")[2]
        if not isinstance(node, yaml.ScalarNode):
            return f"the tag {node.tag} is not supported; write a plain value"
        text = shorten(node.value)
        if kind == "int" and _OCTAL.fullmatch(node.value):
            plain = node.value.lstrip("+-0") or "0"
            return f"YAML reads {text} as an octal number; write {shorten(plain)}, or put text in quotes"
        if kind in ("int", "float") and _SEXAGESIMAL.fullmatch(node.value):
            return f"YAML reads {text} as a number to the base of 60; write the number out, or put text in quotes"
        if kind == "timestamp":
            return f'YAML reads {text} as a date; put it in quotes ("{text}") if it is text'
        if kind not in ("str", "int", "float", "bool", "null"):
            return f"the tag {node.tag} is not supported; write a plain value"
        return None

    def _constructed(self, node: Any) -> Any:
        try:
            value = self.loader.construct_object(node)
        except (ValueError, OverflowError, KeyError, yaml.YAMLError):
            return node.value
        return str(value) if isinstance(value, datetime.date) else value

    def _problem(self, path: KeyPath, node: Any, text: str) -> None:
        self.read.problems.append(Problem(path, text, f"{self.read.name}, line {node.start_mark.line + 1}"))
