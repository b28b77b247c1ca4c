"""How the pages' templates are read: everything from tables is escaped, and hidden characters are spelt out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from smallmix.figures.inline import LONGEST_TEXT
from smallmix.project_files import WORKFLOW
from smallmix.wording import visible_text

TEMPLATE_FOLDER = WORKFLOW / "report"


def template_environment(folder: Path) -> Environment:
    """Return the environment of the templates in `folder`."""
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )


def _shown(value: Any) -> Any:
    """Return what the template writes: markup as it is, all other text with hidden characters spelt out."""
    return value if isinstance(value, Markup) else visible_text(value, LONGEST_TEXT)
