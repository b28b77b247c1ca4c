"""The reference of the commands, docs/commands.md, written from the real parsers by `make commands`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from smallmix.commands import main
from smallmix.errors import EXIT_CODES

HEAD = """\
# One command

<!-- Written by `make commands` from the parsers of workflow/smallmix/commands. -->

`snakemake` in the top folder is the main way to run a study. `smallmix` is a shorter way. It names studies, and does
what Snakemake has no rule for. Both are in `.venv/bin` after `make install`. `smallmix --help` lists all commands, and
`smallmix COMMAND --help` explains one. `python -m smallmix` is the same.

## Name a study

`config.yaml` is always the base: the one of the folder where you are, or else smallmix's own.

| you type | what it means |
|---|---|
| nothing | `config.yaml` alone, the article's study |
| `demo` | `workflow/studies/demo.yaml` or `demo.yaml` of your folder, or else smallmix's own study of that name |
| `my-study.yaml`, `studies/other.yaml` | that file |
| `laptop my-images.yaml` | both, merged in this order |

A name that your folder has twice is refused. Name the file then. Your file may have the name of one of smallmix's own
studies. Yours is taken, and a line says so.

## `smallmix run` and `snakemake`

`smallmix run` only calls Snakemake. In a clone of smallmix these two lines do the same. What one of them began, the
other continues:

```sh
smallmix run demo
snakemake --cores all --configfile workflow/studies/demo.yaml
```

Studies and targets stand first, options follow. Targets are `all` (the default), `plan`, `subsets`, `cells`, `figures`,
`report`, and the path of any result. A target comes before a study of the same name: write `report.yaml` for a file of
your own that is called so. Every option goes to Snakemake as you typed it:

```sh
smallmix run demo -n                   # say what would run
smallmix run demo figures --cores 4
smallmix run --workflow-profile profiles/slurm
```

`--cores all` is added, unless you say `--cores` or `--jobs`, or name a profile or an executor. The profile is
`profiles/default` of your folder, or else smallmix's own.

## In another folder

`pip install .` installs smallmix without the lock, with the Snakefile, the studies and all other files that a run
needs. Then `smallmix run demo` works in any folder, and writes there. A wheel does the same on another machine:

```sh
pip wheel . --no-deps --wheel-dir dist
pip install dist/smallmix-*.whl
```"""
FOR_PEOPLE = "Commands that people type. Options that begin with `-` may stand in any order behind the studies."
STEPS = """\
The workflow calls these, one for each step. Each works without Snakemake, too: `smallmix COMMAND --help`. Most take
`--study`, the resolved study that `resolve-study` writes."""


def describe_commands() -> str:
    """Return the reference, docs/commands.md."""
    parts = [HEAD, "## Commands", FOR_PEOPLE]
    for name in main.FOR_PEOPLE:
        parts += [f"### `smallmix {name}`", *_describe(name)]
    steps = [f"| `{name}` | {_sentence(_parser(name).description)} |" for name in main.STEPS]
    parts += ["## Steps of the workflow", STEPS, _table("command", "what it does", steps)]
    parts += ["## Exit codes", _exit_codes(EXIT_CODES)]
    return "\n\n".join(parts) + "\n"


def _parser(name: str) -> argparse.ArgumentParser:
    """Return the parser of a command, as `smallmix NAME` builds it."""
    parser, _ = main._build_parser([name])
    (commands,) = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    found: argparse.ArgumentParser = commands.choices[name]
    return found


def _describe(name: str) -> list[str]:
    parser = _parser(name)
    options = [action for action in parser._actions if action.help != argparse.SUPPRESS and action.dest != "help"]
    rows = [f"| {_call(action)} | {_sentence(_expand(parser, action))} |" for action in options]
    usage = [f"Call: `{parser.usage}`"] if parser.usage else []
    return [_sentence(parser.description), *usage, *([_table("argument", "meaning", rows)] if rows else [])]


def _call(action: argparse.Action) -> str:
    """Return how an argument is written."""
    if not action.option_strings:
        return f"`{action.metavar or action.dest}`"
    name = ", ".join(f"`{one}`" for one in action.option_strings)
    if action.nargs == 0:
        return name
    choices = ", ".join(f"`{choice}`" for choice in action.choices) if action.choices else ""
    return f"{name} {choices or f'`{action.metavar or action.dest.upper()}`'}"


def _expand(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    text = action.help or ""
    return text % {**vars(action), "prog": parser.prog} if "%" in text else text


def _sentence(text: str | None) -> str:
    """Begin with a capital and end with a full stop, as a sentence in a table does."""
    shown = (text or "").replace("|", "\\|").replace("<study>", "`<study>`")
    first = shown[:1].upper() + shown[1:] if shown[:1].islower() and "-" not in shown.split(" ")[0] else shown
    return first if first.endswith((".", ":", "`")) or not first else f"{first}."


def _table(first: str, second: str, rows: list[str]) -> str:
    return "\n".join([f"| {first} | {second} |", "|---|---|", *rows])


def _exit_codes(codes: Mapping[int, str]) -> str:
    return _table("code", "meaning", [f"| {code} | {_sentence(meaning)} |" for code, meaning in codes.items()])


if __name__ == "__main__":
    print(describe_commands(), end="")
