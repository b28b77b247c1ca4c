"""How pages are made of templates: everything from tables is escaped, and hidden characters are spelt out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from smallmix.errors import SmallmixError
from smallmix.figures.inline import LONGEST_TEXT
from smallmix.project_files import WORKFLOW
from smallmix.wording import unbroken, visible_text

TEMPLATE_FOLDER = WORKFLOW / "report"
# Names such as CIFAR-10. A browser may end a line at their hyphen.
_NAME_WITH_NUMBER = re.compile(r"\b[A-Za-z]{1,8}-\d{1,4}\b")


def render_template(folder: Path, name: str, **values: Any) -> str:
    """Return the page of a template in `folder`, which also gets the style and the script of all pages.

    Raises SmallmixError where a file of the folder cannot be read.
    """
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=shown,
    )
    environment.filters["whole_names"] = whole_names
    try:
        style, script = (Markup((folder / file).read_text(encoding="utf-8")) for file in ("report.css", "report.js"))
        return environment.get_template(name).render(style=style, script=script, **values)
    except OSError as error:
        raise SmallmixError(f"cannot read the page's template in {folder}: {error}. Restore that folder.") from error


def whole_names(text: str) -> Markup:
    """Return a heading as markup that keeps names such as CIFAR-10 on one line."""
    return Markup(_NAME_WITH_NUMBER.sub(r'<span class="name">\g<0></span>', str(escape(shown(text)))))


class Verbatim(str):
    """Text that people copy into programs: its spaces stay as they are."""

    __slots__ = ()


def shown(value: Any) -> Any:
    """Return what the template writes: markup as it is, all other text with hidden characters spelt out.

    Numbers stay with their units.
    """
    if isinstance(value, Markup):
        return value
    text = visible_text(value, LONGEST_TEXT)
    return text if isinstance(value, Verbatim) else unbroken(text)
