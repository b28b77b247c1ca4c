"""Pages that are written from the code say what the code says now."""

from __future__ import annotations

import subprocess
import sys

from smallmix.study.config_model import config_schema
from smallmix.study.key_reference import describe_keys
from smallmix.study.model_schema import key_table

from tests.documentation_pages import DOCS, PROJECT


def test_the_reference_of_keys_is_current() -> None:
    page = (DOCS / "configuration.md").read_text(encoding="utf-8")
    assert page == describe_keys(), "write it with: make keys"


def test_the_reference_of_keys_names_every_key_with_its_meaning() -> None:
    page = describe_keys()
    for key, described in key_table(config_schema()):
        top, _, inner = key.partition(".")
        if "properties" in described or key.startswith("budgets.default"):
            continue  # its keys have rows of their own; `default` is one of the sizes
        assert f"`{inner or top}`" in page, key
        for sentence in str(described.get("description", "")).splitlines():
            assert sentence.replace("<study>", "`<study>`").replace("<identifier>", "`<identifier>`") in page, key


def test_the_reference_of_keys_says_ranges_and_defaults_in_words() -> None:
    """Rows written by hand from the models: a range, an open end, a choice, a list, and a key that must be given."""
    page = describe_keys()
    for row in (
        "| `batch_size` | whole number, 2 to 65,536 | `128` | Images of a mini-batch. |",
        "| `momentum` | number, from 0, below 1 | `0.9` | Of stochastic gradient descent. |",
        "| `image-list.color` | `rgb`, `grey` | `rgb` | Three channels, or one. |",
        "| `draw_seed` | whole number, 0 to 2,147,483,647 | `0` |",
        "| `sizes` | list of 1 to 1,000, each once; an entry: whole number, 1 to 10,000,000 | must be given |",
        "| `cpu_threads` | whole number, 1 to 1,024 | `1` |",
    ):
        assert row in page


def test_the_reference_of_commands_is_current() -> None:
    """The same on every Python, so it is not made of argparse's own help."""
    written = subprocess.run(
        [sys.executable, str(PROJECT / "envs" / "docs" / "commands_page.py")],
        env={"PYTHONPATH": str(PROJECT / "workflow"), "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert (DOCS / "commands.md").read_text(encoding="utf-8") == written, "write it with: make commands"
