"""Configuration files laid over each other: what a later file takes over, replaces and takes out.

Mappings are merged key by key and everything else is replaced, as Snakemake does. On top of that:
- a method, a metric, a budget, or a budget's epochs or iterations set to null (~) is taken out;
- a budget in a later file replaces the unit of an earlier one: epochs take the place of iterations, and the reverse;
- every file after the first states its own `study`, or its results would overwrite another study's;
- title and description belong to the study that they stand beside, and are not taken over by another one;
- a budget of an earlier file, for a size that a later file left out of subsets.sizes, is left out too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from smallmix.project_files import WORKFLOW
from smallmix.study.config_errors import KeyPath, Problem
from smallmix.study.config_reading import YamlFile, merge, plain_value, read_yaml

COMMAND_LINE = "command line"
_TAKEN_OUT = ("methods", "metrics", "budgets")  # sections whose entries a later file takes out by null


@dataclass
class Layers:
    """The files in the order of their merging, with plain values, and what is wrong with them."""

    files: list[YamlFile] = field(default_factory=list)
    values: list[dict[str, Any]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    readable: bool = True

    @property
    def merged(self) -> dict[str, Any]:
        """Return all files, laid over each other."""
        result: dict[str, Any] = {}
        for value in self.values:
            result = merge(result, value)
        return result

    def place(self, path: KeyPath) -> str:
        """Return file and line where a key got its value; empty where no file states it."""
        return next((read.place(path) for read in reversed(self.files) if path in read.lines), "")

    def file(self, path: KeyPath) -> Path | None:
        """Return the file in which a key got its value; None where no file states it."""
        return next((Path(read.name) for read in reversed(self.files) if path in read.lines), None)

    def written(self, path: KeyPath) -> str | None:
        """Return how a value is spelled in the file that states it last (`no` for false)."""
        for read in reversed(self.files):
            if path in read.lines:
                return read.written.get(path)
        return None


def read_layers(files: Sequence[Path], schema: dict[str, Any], *, study_is_stated: bool = False) -> Layers:
    """Read the files strictly, each only once. Problems are gathered, never raised.

    Each file laid over the first names its study, unless the study is stated above all files, as by --config.
    """
    layers = Layers()
    for path in _each_once(files):
        read = read_yaml(path)
        layers.problems += read.problems
        if read.value is None:
            layers.readable = False
            continue
        impossible: list[Problem] = []
        value = plain_value(read.value, schema, (), impossible)
        layers.problems += [replace(problem, place=read.place(problem.path) or read.name) for problem in impossible]
        if not layers.values:
            layers.problems += _empty_entries(value, read)
        elif value and "study" not in value and not study_is_stated:
            text = (
                "is missing in this file, which changes another study and would overwrite its results; "
                "give the changed study a name of its own, as in study: my-study (Snakemake also takes "
                "--config study=my-study)"
            )
            layers.problems.append(Problem(("study",), text, read.name))
        layers.problems += _spelled_otherwise(read, layers.files)
        layers.files.append(read)
        layers.values.append(value)
    return layers


def explain_mixed_studies(files: Sequence[Path]) -> str | None:
    """Return what happens where overlays state several studies, as somebody names them who wants all of them run.

    None where the last of them is a file that changes the others: it lies outside of smallmix's own studies, and names
    a study that no file before it does.
    """
    overlays = _each_once(files)[1:]
    if len(overlays) < 2:
        return None
    stated = [(path, name) for path in overlays if isinstance(name := (read_yaml(path).value or {}).get("study"), str)]
    if len(stated) < 2:
        return None
    (*before, (last, last_name)) = stated
    if last.resolve().parent != (WORKFLOW / "studies").resolve() and last_name not in [name for _, name in before]:
        return None
    shown = [f"{path.name} ({name})" for path, name in stated]
    return (
        f"these files state a study each: {', '.join(shown)}. They are merged, and {shown[-1]} wins where they differ. "
        "Run each study by itself. To change a study, write a file with another study name, and name it last."
    )


def in_order(value: Any, files: Any) -> Any:
    """Return `value` with the keys of its mappings in the order of the files, further keys last.

    Snakemake puts what an overlay states before what it inherits; the order of methods decides that of tables.
    """
    if not isinstance(value, dict) or not isinstance(files, dict):
        return value
    keys = [key for key in files if key in value] + [key for key in value if key not in files]
    return {key: in_order(value[key], files.get(key)) for key in keys}


def take_out(configuration: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration without the entries that are set to null in order to be taken out."""
    result = dict(configuration)
    for section in _TAKEN_OUT:
        entries = result.get(section)
        if isinstance(entries, dict):
            result[section] = {key: value for key, value in entries.items() if value is not None}
    budgets = result.get("budgets")
    if isinstance(budgets, dict):
        result["budgets"] = {
            key: {unit: amount for unit, amount in budget.items() if amount is not None}
            if isinstance(budget, dict)
            else budget
            for key, budget in budgets.items()
        }
    return result


def leave_behind(configuration: dict[str, Any], layers: Layers) -> dict[str, Any]:
    """Return it without what belongs to an earlier study: title, description, budgets of sizes left out."""
    stack = [*layers.values, difference(configuration, layers.merged)]
    result = dict(configuration)
    named = _last(stack, "study")
    for key in ("title", "description"):
        if key in result and _last(stack, key) < named:
            del result[key]
    sizes, budgets = _sizes(configuration), configuration.get("budgets")
    if sizes is None or not isinstance(budgets, dict):
        return result
    stated = _last(stack, "subsets", "sizes")
    result["budgets"] = {
        key: budget
        for key, budget in budgets.items()
        if key == "default" or key in sizes or _last(stack, "budgets", key) >= stated
    }
    return result


def keep_later_unit(configuration: dict[str, Any], layers: Layers) -> dict[str, Any]:
    """Return it with one unit for each budget whose two units come from different layers: the unit stated later."""
    stack = [*layers.values, difference(configuration, layers.merged)]
    budgets = configuration.get("budgets")
    if not isinstance(budgets, dict):
        return configuration
    kept = {}
    for key, budget in budgets.items():
        kept[key] = budget
        if isinstance(budget, dict) and len(budget) > 1 and None not in budget.values():
            stated = {unit: _last(stack, "budgets", key, unit) for unit in budget}
            kept[key] = {unit: amount for unit, amount in budget.items() if stated[unit] == max(stated.values())}
    return {**configuration, "budgets": kept}


def difference(configuration: dict[str, Any], base: dict[str, Any]) -> dict[str, Any]:
    """Return what the configuration states otherwise than `base`: the part that came from the command line."""
    result: dict[str, Any] = {}
    for key, value in configuration.items():
        if key not in base:
            result[key] = value
        elif isinstance(value, dict) and isinstance(base[key], dict):
            inner = difference(value, base[key])
            if inner:
                result[key] = inner
        elif repr(value) != repr(base[key]):  # NaN differs from itself, but not in writing
            result[key] = value
    return result


def _each_once(files: Sequence[Path]) -> list[Path]:
    seen: set[Path] = set()
    result: list[Path] = []
    for path in map(Path, files):
        real = path.resolve()
        if real not in seen:
            seen.add(real)
            result.append(path)
    return result


def _empty_entries(value: dict[str, Any], read: YamlFile) -> list[Problem]:
    """Return the nulls in the first file that would take out what nothing before it stated."""
    text = "is empty; write a value, or delete the line"
    paths: list[KeyPath] = []
    for section in _TAKEN_OUT:
        entries = value.get(section)
        for key, entry in entries.items() if isinstance(entries, dict) else ():
            if entry is None:
                paths.append((section, key))
            elif section == "budgets" and isinstance(entry, dict):
                paths += [(section, key, unit) for unit, amount in entry.items() if amount is None]
    return [Problem(path, text, read.place(path)) for path in paths]


def _spelled_otherwise(read: YamlFile, earlier: Sequence[YamlFile]) -> list[Problem]:
    """Return numbers as keys that one file quotes and another does not: Snakemake would take them for two keys."""
    text = "is in quotes in one file and bare in another; write the number without quotes in both"
    return [
        Problem(path, text, read.place(path))
        for other in earlier
        for path in read.quoted ^ other.quoted
        if path in read.lines and path in other.lines
    ]


def _last(stack: list[dict[str, Any]], *path: str) -> int:
    """Return the number of the last layer that states a key; -1 where none does."""
    for number in range(len(stack) - 1, -1, -1):
        value: Any = stack[number]
        for key in path:
            value = value.get(key, ...) if isinstance(value, dict) else ...
        if value is not ...:
            return number
    return -1


def _sizes(configuration: dict[str, Any]) -> set[str] | None:
    subsets = configuration.get("subsets")
    sizes = subsets.get("sizes") if isinstance(subsets, dict) else None
    return {str(size) for size in sizes} if isinstance(sizes, list) else None
