"""Configurations: read, merged, judged, and resolved into a study.

All faults are told in one message, each with its full key, its file and line where they are known, what was found and
what is allowed. Values given on Snakemake's command line (`--config`) may change any key under the study's own name:
training results are stored by content, so nothing is lost, and the study's folders follow the configuration.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from smallmix.errors import ConfigurationError
from smallmix.study.cross_rules import cross_faults
from smallmix.study.faults import Fault, KeyPath, message
from smallmix.study.layers import COMMAND_LINE, Layers, difference, in_order, leave_behind, read_layers, take_out
from smallmix.study.plain_values import merged as merge
from smallmix.study.plain_values import plain_value
from smallmix.study.schema_rules import config_faults, load_schema, with_defaults
from smallmix.study.study import Study


def _no_warning(text: str) -> None:
    """Drop a warning."""


def print_warning(text: str) -> None:
    """Print a warning about a configuration on standard error."""
    print(f"smallmix: {text}", file=sys.stderr)


def resolve_configuration(
    merged: Mapping[str, Any], files: Sequence[Path] = (), warn: Callable[[str], None] = _no_warning
) -> dict[str, Any]:
    """Judge a merged configuration and fill in every default.

    `files` are the files that were merged, the first one first; they are read again, strictly, for what merging hides
    (keys given twice, YAML traps, overlays without a study of their own) and for line numbers in messages.
    Snakemake's `workflow.configfiles` has another order (the Snakefile's own file last): give
    ["config.yaml", *workflow.overwrite_configfiles]; a file named twice is read once.
    `warn` is given what is allowed but hardly meant: overlays of different studies together.
    Raises ConfigurationError, whose one message lists all faults.
    """
    layers = read_layers(files, load_schema())
    resolved = _resolve(merged, layers)
    mixed = layers.explain_mixed_studies()
    if mixed:
        warn(mixed)
    return resolved


def load_configuration(
    files: Sequence[Path],
    overrides: Mapping[str, Any] | None = None,
    warn: Callable[[str], None] = _no_warning,
) -> dict[str, Any]:
    """Merge files as Snakemake does (mappings key by key, lists replaced), lay `overrides` on top, and resolve.

    Raises ConfigurationError, whose one message lists all faults.
    """
    layers = read_layers(files, load_schema())
    faults: list[Fault] = []
    stated = plain_value(overrides or {}, load_schema(), (), faults)
    if faults:
        raise ConfigurationError(message([*layers.faults, *faults], "The configuration"))
    resolved = _resolve(merge(layers.merged, stated), layers)
    mixed = layers.explain_mixed_studies()
    if mixed:
        warn(mixed)
    return resolved


def load_study(files: Sequence[Path], overrides: Mapping[str, Any] | None = None) -> Study:
    """Return the study of some configuration files; warn on standard error where several studies are mixed.

    Raises ConfigurationError, whose one message lists all faults.
    """
    return Study.from_configuration(load_configuration(files, overrides, print_warning))


def _resolve(configuration: Mapping[str, Any], layers: Layers) -> dict[str, Any]:
    schema = load_schema()
    faults = list(layers.faults)
    if not layers.readable:
        raise ConfigurationError(message(faults, "The configuration"))
    found: list[Fault] = []
    plain = plain_value(configuration, schema, (), found)
    if not isinstance(plain, dict):
        raise ConfigurationError(
            message([Fault((), "must hold `key: value` lines at its top level")], "The configuration")
        )
    plain = in_order(plain, layers.merged)
    from_command_line = difference(plain, layers.merged) if layers.values else {}
    # What the strict reader told of a file need not be told again of the merged values.
    spoiled = {fault.path for fault in faults}
    found = [fault for fault in found if not _told_by_reader(fault, faults)]
    if layers.values:
        plain = leave_behind(plain, layers)
    plain = take_out(plain)
    found += config_faults(plain, spoiled | {fault.path for fault in found})
    faulty = spoiled | {fault.path for fault in found}
    filled = with_defaults(plain, schema)
    found += cross_faults(filled, faulty)
    faults += [_placed(fault, layers, from_command_line) for fault in found]
    if faults:
        raise ConfigurationError(message(faults, "The configuration"))
    filled["title"] = filled["title"] or filled["study"]
    filled["budgets"] = dict(
        sorted(filled["budgets"].items(), key=lambda entry: -int(entry[0].replace("default", "999999999")))
    )
    return dict(filled)


def _told_by_reader(fault: Fault, told: Sequence[Fault]) -> bool:
    """Whether the reader told a fault already: it knows a key by its spelling, the merged value by its meaning."""
    above: KeyPath = fault.path[:-1]
    return any(other.path == fault.path or (other.path[:-1] == above and "this key" in other.text) for other in told)


def _placed(fault: Fault, layers: Layers, from_command_line: dict[str, Any]) -> Fault:
    if fault.place or not fault.path:
        return fault
    value: Any = from_command_line
    for part in fault.path:
        if not isinstance(value, dict):
            return replace(fault, place=COMMAND_LINE)
        if part not in value:
            break
        value = value[part]
    else:
        return replace(fault, place=COMMAND_LINE)
    written = layers.written(fault.path) or ""
    spelled = f" (written: {written})" if written.lower() in ("yes", "no", "on", "off") else ""
    return replace(fault, place=layers.place(fault.path), text=fault.text + spelled)
