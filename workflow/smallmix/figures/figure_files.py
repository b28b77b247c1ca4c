"""A figure on disk: SVG, PNG and its words, each written whole, and equal bytes for equal inputs."""

from __future__ import annotations

import io
import re
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from smallmix.atomic_files import write_bytes, write_text
from smallmix.figures.figure_text import FigureText
from smallmix.figures.style import publication_style

PIXELS_PER_INCH = 160
_PATH = re.compile(r'(\bd=")([^"]*)(")')
_LONG_NUMBER = re.compile(r"(\.\d\d)\d+")


def save_figure(figure: Figure, folder: Path, name: str, text: FigureText | None = None) -> list[Path]:
    """Write `<name>.svg` and `<name>.png` (and `<name>.json` where there is text) to `folder`; return their paths."""
    written = [folder / f"{name}.svg", folder / f"{name}.png"]
    write_text(written[0], svg_text(figure, name))
    write_bytes(written[1], _png_bytes(figure))
    if text is not None:
        written.append(folder / f"{name}.json")
        write_text(written[2], text.to_json())
    return written


def svg_text(figure: Figure, name: str) -> str:
    """The figure as SVG. Text stays text; ids depend on `name`, so that two figures can stand in one page."""
    stream = io.StringIO()
    # Ticks are made while saving, by the settings of that moment: hence the style here too.
    with publication_style(), matplotlib.rc_context({"svg.hashsalt": f"smallmix {name}", "svg.fonttype": "none"}):
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    # Hundredths of a point are finer than any screen; the digits beyond are two thirds of the file.
    return _PATH.sub(lambda match: match[1] + _LONG_NUMBER.sub(r"\1", match[2]) + match[3], stream.getvalue())


def _png_bytes(figure: Figure) -> bytes:
    stream = io.BytesIO()
    with publication_style():
        figure.savefig(stream, format="png", dpi=PIXELS_PER_INCH, metadata={"Software": None})
    return stream.getvalue()
