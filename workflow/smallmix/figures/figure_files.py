"""A figure on disk: SVG, PNG and its text (JSON), each written whole, and equal bytes for equal inputs."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from smallmix.atomic_files import write_bytes
from smallmix.figures.marked_values import with_values
from smallmix.figures.style import publication_style

PIXELS_PER_INCH = 160
_PATH = re.compile(r'(\bd=")([^"]*)(")')
_LONG_NUMBER = re.compile(r"(\.\d\d)\d+")


@dataclass(frozen=True)
class FigureTable:
    """The numbers of a figure as rows of text; `columns` names them."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class FigureText:
    """The text beside a picture. `description` is read aloud instead of the picture, so it names the numbers."""

    title: str
    description: str
    caption: str
    table: FigureTable

    def to_json(self) -> str:
        """Return the text as JSON, for the file beside the picture."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> FigureText:
        """Return what `to_json` wrote. Raises KeyError, TypeError or ValueError where it is another text."""
        value: dict[str, Any] = json.loads(text)
        table = value["table"]
        return cls(
            title=value["title"],
            description=value["description"],
            caption=value["caption"],
            table=FigureTable(tuple(table["columns"]), tuple(tuple(row) for row in table["rows"])),
        )


FOR_PAGES = ("svg", "png", "json")


def save_figure(
    figure: Figure, folder: Path, name: str, text: FigureText, forms: Sequence[str] = FOR_PAGES
) -> list[Path]:
    """Write `<name>.<form>` to `folder` for some of FIGURE_FORMS, each once; return their paths."""
    makers: dict[str, Callable[[], bytes]] = {
        "svg": lambda: svg_text(figure, name).encode(),
        "png": lambda: _png_bytes(figure),
        "pdf": lambda: pdf_bytes(figure),
        "json": lambda: text.to_json().encode(),
    }
    written = {folder / f"{name}.{form}": makers[form] for form in forms}
    for path, make in written.items():
        write_bytes(path, make())
    return list(written)


def svg_text(figure: Figure, name: str) -> str:
    """Return the figure as SVG. Text stays text; ids depend on `name`, so that two figures can stand in one page."""
    stream = io.StringIO()
    # Ticks are made while saving, by the settings of that moment: hence the style here too.
    with publication_style(), matplotlib.rc_context({"svg.hashsalt": f"smallmix {name}", "svg.fonttype": "none"}):
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
        drawing = with_values(stream.getvalue(), figure)
    # Hundredths of a point are finer than any screen; the digits beyond are two thirds of the file.
    return _PATH.sub(lambda match: match[1] + _LONG_NUMBER.sub(r"\1", match[2]) + match[3], drawing)


def pdf_bytes(figure: Figure) -> bytes:
    """Return the figure as PDF, with its fonts in it; equal figures give equal bytes."""
    stream = io.BytesIO()
    with publication_style(), matplotlib.rc_context({"pdf.fonttype": 42}):
        figure.savefig(stream, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})
    return stream.getvalue()


def _png_bytes(figure: Figure) -> bytes:
    stream = io.BytesIO()
    with publication_style():
        figure.savefig(stream, format="png", dpi=PIXELS_PER_INCH, metadata={"Software": None})
    return stream.getvalue()
