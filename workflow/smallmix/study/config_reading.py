"""Read what a configuration holds, strictly: YAML files, and values as Snakemake hands them over, as plain JSON values.

What the usual reader of YAML lets pass in silence is an error here, with a line and a remedy: keys given twice (the
last would win), tabs, bare `no` or `off` as keys, numbers with a leading zero (octal in YAML 1.1), 1:30 (sexagesimal),
dates, anchors, several documents in a file.

Snakemake hands over numbers as keys, and values from its command line as texts ('0.1', '[0, 1]'): keys become texts,
and a text becomes a number, true or false, a list or nothing exactly where the schema wants that and the text says no
more.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from smallmix.study.config_errors import HEADING, KeyPath, Problem, message, shorten
from smallmix.study.model_schema import inner_schema

LARGEST_FILE = 1_000_000
DEEPEST = 20
LARGEST_BITS = 63
_OCTAL = re.compile(r"[+-]?0[0-9_]+")
_SEXAGESIMAL = re.compile(r"[+-]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
_YAML_WORDS = re.compile(r"(?i)yes|no|on|off|true|false|null|~|")
_WHOLE_NUMBER = re.compile(r"[+-]?(0|[1-9][0-9]{0,18})", re.ASCII)
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


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


class Refused:
    """Stands where a value was that no configuration can hold; the problem is known already."""

    def __repr__(self) -> str:
        return "(refused)"


REFUSED = Refused()


def plain_value(value: Any, schema: Mapping[str, Any], path: KeyPath, problems: list[Problem]) -> Any:
    """Return `value` as plain JSON types, as far as `schema` says which are meant. Add what cannot be to `problems`."""
    if len(path) > DEEPEST:
        problems.append(Problem(path[:DEEPEST], f"nested deeper than {DEEPEST} levels; no configuration is"))
        return REFUSED
    if isinstance(value, str):
        meant = _meant(value, schema)
        if isinstance(meant, str):
            return _text(meant, path, problems)
        value = meant
    if isinstance(value, Mapping):
        return _mapping(value, schema, path, problems)
    if isinstance(value, list | tuple):
        entries = schema.get("items", {})
        return [plain_value(item, entries, (*path, index), problems) for index, item in enumerate(value)]
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > LARGEST_BITS:
        problems.append(Problem(path, f"a number of about {value.bit_length() * 3 // 10 + 1} digits is far too large"))
        return REFUSED
    if value is None or isinstance(value, bool | int | float | Refused):
        return value
    problems.append(
        Problem(path, f"found {shorten(str(value))} (a {type(value).__name__}); put it in quotes if it is text")
    )
    return REFUSED


def explain_unreadable(files: Sequence[Path]) -> str | None:
    """Return what is wrong, with the lines, where files are no configuration at all; None where all can be read."""
    read = [read_yaml(path) for path in files if path.is_file()]
    problems = [problem for one in read if one.value is None for problem in one.problems]
    return message(problems, HEADING) if problems else None


def merge(earlier: Any, later: Any) -> Any:
    """Return one configuration laid over another in Snakemake's way: mappings are merged, all else is replaced."""
    if not isinstance(later, Mapping):
        return later
    result = dict(earlier) if isinstance(earlier, Mapping) else {}
    for key, value in later.items():
        result[key] = merge(result.get(key), value)
    return result


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


def _mapping(
    value: Mapping[Any, Any], schema: Mapping[str, Any], path: KeyPath, problems: list[Problem]
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, item in value.items():
        name = _key(key, path, problems)
        if name is None:
            continue
        plain = plain_value(item, inner_schema(schema, name), (*path, name), problems)
        if name not in result:
            result[name] = plain
        elif isinstance(key, str):
            # 500 from a file and "500" from the command line are one key, and the command line has the last word,
            # although Snakemake lists it first.
            result[name] = merge(result[name], plain)
        else:
            result[name] = merge(plain, result[name])
    return result


def _key(key: Any, path: KeyPath, problems: list[Problem]) -> str | None:
    if isinstance(key, str):
        if key.isprintable() and key.strip() == key and key:
            return key
        problems.append(
            Problem((*path, key), "a key must be a word without spaces around it or unprintable characters")
        )
        return None
    if isinstance(key, int) and not isinstance(key, bool) and key.bit_length() <= LARGEST_BITS:
        return str(key)
    if isinstance(key, bool):
        word = "true" if key else "false"
        text = f"YAML reads this key as {word} (written yes, no, on, off or {word}); put it in quotes or choose another"
        problems.append(Problem((*path, word), text))
    elif key is None:
        problems.append(Problem((*path, "null"), "YAML reads this key as nothing; put it in quotes or choose another"))
    else:
        name = "a huge number" if isinstance(key, int) else shorten(str(key))
        problems.append(Problem((*path, name), "a key must be a word or a plain whole number; put it in quotes"))
    return None


def _text(text: str, path: KeyPath, problems: list[Problem]) -> Any:
    text = text.strip()
    if _CONTROL.search(text):
        problems.append(Problem(path, f"found {shorten(repr(text))}; control characters are not allowed in a text"))
        return REFUSED
    return text


def _meant(text: str, schema: Mapping[str, Any]) -> Any:
    wanted = schema.get("type", ())
    kinds = {wanted} if isinstance(wanted, str) else set(wanted)
    stripped = text.strip()
    if "null" in kinds and stripped in ("null", "~", ""):
        return None
    if kinds & {"integer", "number"} and _WHOLE_NUMBER.fullmatch(stripped):
        return int(stripped)
    if "number" in kinds and len(stripped) < 100 and _NUMBER.fullmatch(stripped):
        return float(stripped)
    if "boolean" in kinds and stripped.lower() in ("true", "false"):
        return stripped.lower() == "true"
    opening = {"[": "array", "{": "object"}.get(stripped[:1])
    if opening in kinds and len(stripped) < 10_000 and not re.search(r"[&*!]", stripped):
        try:
            return yaml.load(stripped, Loader=yaml.BaseLoader)
        except (yaml.YAMLError, RecursionError):
            return text
    return text
