"""Configurations: read, merged, judged, and resolved into a study.

One message has all problems, each with its full key, its file and line where they are known, what was found and
what is allowed. Values given on Snakemake's command line (`--config`) may change any key under the study's own name:
training results are stored by content, so nothing is lost, and the study's folders follow the configuration.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from smallmix.errors import ConfigurationError
from smallmix.fingerprints import fingerprint_file
from smallmix.own_code import explain_missing_name, names_own_code, own_file, own_name, seen_from_here
from smallmix.study.config_errors import HEADING, KeyPath, Problem, explain_errors, message, show
from smallmix.study.config_model import Configuration, config_schema
from smallmix.study.config_reading import merge, plain_value
from smallmix.study.config_rules import StatedConfiguration
from smallmix.study.layers import (
    COMMAND_LINE,
    Layers,
    difference,
    explain_mixed_studies,
    in_order,
    keep_later_unit,
    leave_behind,
    read_layers,
    take_out,
)
from smallmix.study.network_forms import find_form, is_of_torchvision
from smallmix.study.study import Study

# What a configuration without these keys meant before there were any, where that is not their default.
MEANT_BEFORE: dict[str, Any] = {"recipe": {"last_batch": "keep"}}


def resolve_configuration(
    merged: Mapping[str, Any], files: Sequence[Path] = (), stated: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Judge a merged configuration and fill in every default.

    `files` are the files that were merged, the first one first; they are read again, strictly, for what merging hides
    (keys given twice, YAML traps, overlays without a study of their own) and for line numbers in messages.
    Snakemake's `workflow.configfiles` has another order (the Snakefile's own file last): give
    ["config.yaml", *workflow.overwrite_configfiles]; a file named twice is read once. `stated` is what was merged above
    all files (--config).
    Raises ConfigurationError, whose one message lists all problems.
    """
    return _resolve(merged, read_layers(files, config_schema(), study_is_stated="study" in (stated or {})))


def load_configuration(files: Sequence[Path], overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Merge files as Snakemake does (mappings key by key, lists replaced), lay `overrides` on top, and resolve.

    Raises ConfigurationError, whose one message lists all problems.
    """
    layers = read_layers(files, config_schema(), study_is_stated="study" in (overrides or {}))
    problems: list[Problem] = []
    stated = plain_value(overrides or {}, config_schema(), (), problems)
    if problems:
        raise ConfigurationError(message([*layers.problems, *problems], HEADING))
    return _resolve(merge(layers.merged, stated), layers)


def load_study(files: Sequence[Path], overrides: Mapping[str, Any] | None = None) -> Study:
    """Return the study of some configuration files; warn on stderr where overlays of several studies are merged.

    Raises ConfigurationError, whose one message lists all problems.
    """
    mixed = explain_mixed_studies(files)
    if mixed:
        print(f"smallmix: {mixed}", file=sys.stderr)
    return Study.from_configuration(load_configuration(files, overrides))


def _resolve(configuration: Mapping[str, Any], layers: Layers) -> dict[str, Any]:
    schema = config_schema()
    problems = list(layers.problems)
    if not layers.readable:
        raise ConfigurationError(message(problems, HEADING))
    found: list[Problem] = []
    plain = plain_value(configuration, schema, (), found)
    if not isinstance(plain, dict):
        raise ConfigurationError(message([Problem((), "must hold `key: value` lines at its top level")], HEADING))
    plain = in_order(plain, layers.merged)
    from_command_line = difference(plain, layers.merged) if layers.values else {}
    # The strict reader's problems of a file are not repeated for the merged values.
    unreadable = {problem.path for problem in problems}
    found = [problem for problem in found if not _is_known(problem, problems)]
    if layers.values:
        plain = keep_later_unit(leave_behind(plain, layers), layers)
    plain = take_out(plain)
    wrong = unreadable | {problem.path for problem in found}
    resolved: dict[str, Any] = {}
    try:
        resolved = Configuration.model_validate(plain, context={"wrong": wrong}).model_dump(by_alias=True)
    except ValidationError as error:
        found += explain_errors(error, schema, wrong)
    if problems or found:
        sound = _with_files(StatedConfiguration(plain, schema, wrong | {problem.path for problem in found}))
        found += [*_find_own_code(sound, layers), *_find_weights(sound["model"], layers)]
    problems += [_placed(problem, layers, from_command_line) for problem in found]
    if problems:
        raise ConfigurationError(message(problems, HEADING))
    resolved["model"] |= _unread(resolved["model"]["name"])
    found = [*_find_own_code(resolved, layers), *_find_weights(resolved["model"], layers)]
    problems = [_placed(problem, layers, from_command_line) for problem in found]
    if problems:
        raise ConfigurationError(message(problems, HEADING))
    resolved["title"] = resolved["title"] or resolved["study"]
    resolved["budgets"] = dict(
        sorted(resolved["budgets"].items(), key=lambda entry: -int(entry[0].replace("default", "999999999")))
    )
    return resolved


def _with_files(stated: StatedConfiguration) -> dict[str, Any]:
    """Return the keys of a faulty configuration that may name files of the user's, as far as they are sound."""
    methods = {name: {"mix": stated.get("methods", name, "mix")} for name in stated.names("methods")}
    metrics = {name: stated.get("metrics", name) for name in stated.names("metrics")}
    weights = {key: stated.get("model", "parameters", key) for key in ("weights", "weights_sha256")}
    if weights["weights"] is None and stated.as_given("model", "parameters", "weights") is not None:
        weights["weights_sha256"] = None  # it belongs to a file whose name is wrong
    return {
        "methods": {name: method for name, method in methods.items() if isinstance(method["mix"], str)},
        "metrics": {name: metric for name, metric in metrics.items() if isinstance(metric, str)},
        "model": {
            "name": stated.get("model", "name") or "",
            "parameters": {key: value if isinstance(value, str) else None for key, value in weights.items()},
        },
    }


def with_later_keys(resolved: Mapping[str, Any]) -> dict[str, Any]:
    """Return a resolved configuration with what the keys meant that it lacks, which came with a later version."""
    return cast(dict[str, Any], _filled_in(merge(MEANT_BEFORE, resolved), config_schema()))


def _filled_in(value: Any, schema: Mapping[str, Any]) -> Any:
    if not isinstance(value, Mapping):
        return value
    declared = schema.get("properties", {})
    defaults = {key: inner["default"] for key, inner in declared.items() if "default" in inner}
    patterns = schema.get("patternProperties", {}).items()

    def schema_of(key: str) -> Mapping[str, Any]:
        named: Any = next((inner for pattern, inner in patterns if re.search(pattern, key)), {})
        return cast(Mapping[str, Any], declared.get(key, named))

    return {key: _filled_in(inner, schema_of(key)) for key, inner in {**defaults, **value}.items()}


@dataclass(frozen=True)
class NamedFile:
    """A file of the user's own code, as a configuration names it: the key, the path as written, and who states it.

    `found` is the file's path as seen from here, `stated_in` the configuration file; None where no file states it.
    """

    key: KeyPath
    written: str
    found: str
    stated_in: Path | None


def named_own_code(files: Sequence[Path]) -> list[NamedFile]:
    """Return what the merged files name of the user's own code. The files were judged before, by `load_study`."""
    layers = read_layers(files, config_schema())
    configuration = take_out(layers.merged)
    return [
        _named_file(key, str(_section_of(configuration, key)[key[-1]]), layers) for key in _own_code_keys(configuration)
    ]


def _own_code_keys(configuration: Mapping[str, Any]) -> list[KeyPath]:
    """Return the keys whose values name something in a file of the user's."""
    keys: list[KeyPath] = [("methods", name, "mix") for name in configuration.get("methods") or ()]
    keys += [("model", "name"), *(("metrics", name) for name in configuration.get("metrics") or ())]
    return [key for key in keys if names_own_code(str(_section_of(configuration, key).get(key[-1])))]


def _section_of(configuration: Mapping[str, Any], key: KeyPath) -> dict[str | int, Any]:
    """Return the mapping in which the last part of a key stands."""
    section: Any = configuration
    for part in key[:-1]:
        section = section[part]
    return cast(dict[str | int, Any], section)


def _named_file(key: KeyPath, name: str, layers: Layers) -> NamedFile:
    stated_in = layers.file(key)
    return NamedFile(key, own_file(name), _found(own_file(name), stated_in), stated_in)


def _find_own_code(resolved: dict[str, Any], layers: Layers) -> list[Problem]:
    """Write where the user's files lie instead of where they lie as seen from the file that names them.

    Return what is wrong: files that are not there, two of one name, which would pass for each other in a cell, and
    files without the class or function that is named.
    """
    problems: list[Problem] = []
    files: dict[str, str] = {}
    for key in _own_code_keys(resolved):
        section = _section_of(resolved, key)
        file = _named_file(key, section[key[-1]], layers).found
        section[key[-1]] = f"{file}:{own_name(section[key[-1]])}"
        other = files.setdefault(Path(file).name, file)
        if not Path(file).is_file():
            text = f"there is no file {file}; correct the path, which starts from the configuration's folder"
            problems.append(Problem(key, text))
        elif other != file:
            text = f"{other} and {file} have one name, by which cells know them; rename one of them"
            problems.append(Problem(key, text))
        elif missing := explain_missing_name(file, own_name(section[key[-1]])):
            problems.append(Problem(key, missing))
    return problems


def _unread(network: str) -> dict[str, Any]:
    """Return the keys that a network does not read, with what stands in its cells' values: nothing."""
    form = find_form(network)
    keys = {"width": (0, form is not None and form.reads_width), "blocks": ([], form is not None and form.reads_blocks)}
    return {key: nothing for key, (nothing, is_read) in keys.items() if not is_read}


def _find_weights(model: dict[str, Any], layers: Layers) -> list[Problem]:
    """Write where the file of the network's first weights lies, and its sha256; return what is wrong with it."""
    parameters, path = model["parameters"], ("model", "parameters", "weights")
    if not is_of_torchvision(model["name"]):
        return []
    stated = parameters["weights_sha256"]
    if parameters["weights"] is None:
        if not stated:
            return []
        return [Problem((*path[:2], "weights_sha256"), "is the sha256 of no file; give the file as weights, too")]
    file = parameters["weights"] = _found(parameters["weights"], layers.file(path))
    try:
        parameters["weights_sha256"] = fingerprint_file(Path(file))
    except OSError as error:
        text = f"cannot read {show(file)} ({error.strerror}); correct the path, as seen from the configuration's folder"
        return [Problem(path, text)]
    if stated and stated != parameters["weights_sha256"]:
        found = parameters["weights_sha256"]
        return [
            Problem(path, f"{show(file)} has the sha256 {found}, not the stated one; give the right file or sha256")
        ]
    return []


def _found(written: str, stated_in: Path | None) -> str:
    """Return the path of a file beside the configuration that names it, seen from here, else as it is written.

    Snakemake names configuration files by their full paths, and commands as they are typed: the result is the same.
    """
    beside = None if stated_in is None else Path(os.path.abspath(stated_in.parent / written))
    return seen_from_here(beside.as_posix()) if beside is not None and beside.is_file() else written


def _is_known(problem: Problem, known: Sequence[Problem]) -> bool:
    """Return whether the reader found a problem already: it knows a key by its spelling, the value by its meaning."""
    above: KeyPath = problem.path[:-1]
    return any(other.path == problem.path or (other.path[:-1] == above and "this key" in other.text) for other in known)


def _placed(problem: Problem, layers: Layers, from_command_line: dict[str, Any]) -> Problem:
    if problem.place or not problem.path:
        return problem
    value: Any = from_command_line
    for part in problem.path:
        if not isinstance(value, dict):
            return replace(problem, place=COMMAND_LINE)
        if part not in value:
            break
        value = value[part]
    else:
        return replace(problem, place=COMMAND_LINE)
    written = layers.written(problem.path) or ""
    spelled = f" (written: {written})" if written.lower() in ("yes", "no", "on", "off") else ""
    return replace(problem, place=layers.place(problem.path), text=problem.text + spelled)
