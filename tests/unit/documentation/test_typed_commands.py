"""Every command that a page tells people to type is one that the real parsers take."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
from smallmix.commands import main
from smallmix.commands.run import snakemake_command
from smallmix.study.study_names import study_files
from snakemake.cli import get_argument_parser

from tests.documentation_pages import PAGES, PROJECT, TypedCommand, fenced_blocks, typed_commands

MAKEFILE = (PROJECT / "Makefile").read_text(encoding="utf-8")
MAKE_TARGETS = set(re.findall(r"^([a-z]+):", MAKEFILE, flags=re.MULTILINE))
RULES = {
    name
    for file in [PROJECT / "Snakefile", *(PROJECT / "workflow" / "rules").glob("*.smk")]
    for name in re.findall(r"^rule (\w+):", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
}
CELL = re.compile(r"results/[a-z-]+/cells/n\d+/[a-z-]+/seed\d+/metrics\.json")
# Files that the pages let the reader write. Each is explained where it is named.
OF_THE_READER = {"my-study.yaml"}
# Programs of others that pages name. A new one is added here by whoever has tried it.
OTHERS = frozenset(
    {".", "${EDITOR:-vi}", "awk", "cd", "cp", "git", "kill", "mkdir", "pip", "pre-commit", "python3", "tail", "xargs"}
    | {"docker", "export", "scancel", "scontrol", "squeue"}
)
COMMANDS = [(page, command) for page in PAGES for command in typed_commands(page.read_text(encoding="utf-8"))]


def _name(value: object) -> str:
    return value.line[:60] if isinstance(value, TypedCommand) else value.name if isinstance(value, Path) else str(value)


@pytest.mark.parametrize(("page", "command"), COMMANDS, ids=_name)
def test_a_typed_command_is_one(page: Path, command: TypedCommand, tmp_path: Path) -> None:
    program, *rest = command.words
    program = program.rpartition("/")[2] if program.startswith(".venv/bin/") else program
    if program == "make":
        assert {word for word in rest if "=" not in word} <= MAKE_TARGETS
    elif program == "snakemake":
        check_snakemake(rest)
    elif program == "smallmix":
        check_smallmix(rest, tmp_path)
    elif program in ("python", "python3") and rest[:1] == ["-m"]:
        assert importlib.util.find_spec(rest[1]) is not None, rest[1]
    elif program.endswith(".sh"):
        assert (PROJECT / program).exists()
        check_snakemake(rest[1:])
    else:
        assert program in OTHERS, f"{page.name} names a program that no test knows: {command.line}"


def check_smallmix(words: list[str], folder: Path) -> None:
    """Let the parser of the command read its words, in a folder that has what the pages let the reader write."""
    for name in OF_THE_READER:
        (folder / name).write_text("study: my-study\n", encoding="utf-8")
    assert main._explain_wrong_call(words) is None
    name, *rest = words
    if name == "run":
        check_snakemake(snakemake_command(rest, folder)[4:])
        return
    parser, chosen = main._build_parser(words)
    assert chosen is not None, name
    parsed, further = parser.parse_known_args(words)
    assert not further
    for study in getattr(parsed, "studies", []):
        assert study_files([study], folder)


def check_snakemake(words: list[str]) -> None:
    """Let Snakemake's own parser read the options, and look for the files and targets that they name."""
    parsed = get_argument_parser().parse_args(words)
    for file in map(Path, [*parsed.configfile, *([parsed.snakefile] if parsed.snakefile else [])]):
        assert file.name in OF_THE_READER or str(file).startswith("/path/to/") or (PROJECT / file).exists(), file
    if parsed.workflow_profile:
        assert (PROJECT / parsed.workflow_profile / "config.yaml").exists(), parsed.workflow_profile
    for target in parsed.targets:
        assert target in RULES or re.fullmatch(r"results/[a-z-]+/cells/n\d+/[a-z-]+/seed\d+/metrics\.json", target), (
            target
        )


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_a_block_of_commands_is_marked_as_one(page: Path) -> None:
    """A block without a language is not checked, so no command may hide in one."""
    text = page.read_text(encoding="utf-8")
    hidden = [
        content
        for language, content in fenced_blocks(text)
        if language not in ("sh", "text", "yaml", "python", "csv", "json")
        and re.search(r"^(snakemake|smallmix|make|\.venv/bin/|python3?) ", content, flags=re.MULTILINE)
    ]
    assert not hidden


def test_pages_hold_commands_of_every_kind() -> None:
    """Were the fences not found, all tests above would pass."""
    programs = {command.words[0].rpartition("/")[2] for _, command in COMMANDS}
    assert programs >= {"make", "snakemake", "python3", "squeue"}
    assert len(COMMANDS) > 25
