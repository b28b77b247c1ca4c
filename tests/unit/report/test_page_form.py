"""Protects the form of the page: self-contained, accessible, stable, small, and escaped."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from smallmix.errors import SmallmixError
from smallmix.figures.catalogue import TABLE_FIGURES
from smallmix.figures.names import FIGURE_NAMES, NARROW_FIGURES
from smallmix.report.page import figure_numbers, render_page
from smallmix.report.templates import TEMPLATE_FOLDER, Verbatim, shown
from smallmix.tables.study_tables import load_tables

from tests.synthetic_study import SyntheticStudy
from tests.unit.figures.study_with_tables import build_study_with_tables, tables_of
from tests.unit.report.rendered_page import COMMAND, Page, render

HOSTILE = ('<script>alert("x")</script>', "\"quoted\" 'name' & <b>", "abc\u202egpj.exe", "قطة", "</svg></style>")


def test_the_page_is_balanced_and_has_one_heading_of_the_first_level(page: Page) -> None:
    assert page.unbalanced == []
    assert page.open == []
    assert len(page.named("h1")) == 1


def test_landmarks_and_a_skip_link(page: Page) -> None:
    for landmark in ("header", "nav", "main", "footer"):
        assert len(page.named(landmark)) == 1
    assert page.named("html")[0]["lang"] == "en"
    assert page.named("a")[0] == {"class": "skip", "href": "#answer"}


def test_ids_are_unique_and_all_references_resolve(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert [name for name, count in Counter(ids).items() if count > 1] == []
    known = set(ids)
    for _, attributes in page.elements:
        if attributes.get("href", "").startswith("#"):
            assert attributes["href"][1:] in known
        for name in attributes.get("aria-labelledby", "").split():
            assert name in known
        for value in attributes.values():
            for reference in re.findall(r"url\(#([^)]+)\)", value):
                assert reference in known


def test_nothing_is_loaded_from_anywhere(page: Page, html: str) -> None:
    for tag, attributes in page.elements:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form")
        assert "src" not in attributes
        href = attributes.get("href", "#")
        assert href.startswith(("#", "data:image/png;base64,")), href
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)
    assert "xmlns" not in html


def test_tables_have_captions_and_scopes(page: Page) -> None:
    assert len(page.named("table")) == len(page.named("caption")) > 8
    assert {attributes.get("scope") for attributes in page.named("th")} == {"col", "row", "colgroup"}


def test_figures_are_images_with_title_and_description(page: Page, html: str) -> None:
    drawings = page.named("svg")
    shown = len(FIGURE_NAMES) - 1  # all sizes are small: one says the same
    assert len(page.named("figure")) == len(page.named("figcaption")) == shown
    assert len(drawings) == shown + len(NARROW_FIGURES) - 1
    for attributes in drawings:
        assert attributes["role"] == "img"
        title, description = attributes["aria-labelledby"].split()
        assert re.search(rf'<title id="{title}">[^<]+</title>', html)
        assert re.search(rf'<desc id="{description}">[^<]{{40,}}</desc>', html)


def test_figures_take_the_colours_of_the_page(html: str) -> None:
    drawings = "".join(re.findall(r"<svg.*?</svg>", html, re.DOTALL))
    assert "var(--ink)" in drawings
    assert "var(--series-1)" in drawings
    assert "#0072b2" not in drawings
    assert 'class="series series-2"' in drawings
    assert "DejaVu" not in drawings


def test_styles_of_a_drawing_stay_out_of_the_page(html: str) -> None:
    """Matplotlib writes one for every element, and would change the page's. Rules are for named parts of drawings."""
    assert html.count("<style") == 1 + html.count("<style>svg.plot .s")
    for sheet in re.findall(r"<svg.*?<style>(.*?)</style>", html, re.DOTALL):
        assert re.fullmatch(r"(svg\.plot \.s[0-9a-f]{8}\{[^{}]+\})+", sheet)
    assert "<metadata" not in html


def test_a_rule_of_one_name_says_the_same_in_all_drawings(html: str) -> None:
    rules: dict[str, set[str]] = {}
    for name, rule in re.findall(r"\.(s[0-9a-f]{8})\{([^}]+)\}", html):
        rules.setdefault(name, set()).add(rule)
    assert len(rules) > 10
    assert all(len(said) == 1 for said in rules.values())
    used = set(re.findall(r'class="(?:[\w-]+ )*(s[0-9a-f]{8})"', html))
    assert used == set(rules)


def test_a_damaged_figure_is_explained(tmp_path: Path) -> None:
    made = build_study_with_tables(tmp_path, sizes=[100], seeds=[0])
    render(made, names=("calibration",))
    (tmp_path / "figures" / "calibration.svg").write_text("<svg", encoding="utf-8")
    with pytest.raises(SmallmixError, match=r"calibration\.svg"):
        render_page(tables_of(made), tmp_path / "figures")


def test_same_inputs_give_the_same_bytes(troubled: SyntheticStudy, html: str) -> None:
    assert render_page(tables_of(troubled), troubled.root / "figures", command=COMMAND) == html


def test_the_page_is_small(html: str) -> None:
    assert len(html.encode()) < 1_500_000
    assert len((TEMPLATE_FOLDER / "report.js").read_bytes()) < 14_000
    assert len((TEMPLATE_FOLDER / "report.css").read_bytes()) < 16_000


def test_figures_are_numbered_without_gaps(html: str, page: Page) -> None:
    """Of the first ones a page shows one at a time: they share their number."""
    numbers = re.findall(r"<figcaption><strong>Figure (\w+)\.", html)
    assert numbers == ["1a", "1b", *map(str, range(2, len(numbers)))]
    all_sizes = figure_numbers(FIGURE_NAMES)
    assert list(all_sizes.values()) == ["1a", "1b", "1c", *map(str, range(2, len(FIGURE_NAMES) - 1))]
    labels = [attributes["aria-label"] for attributes in page.named("div") if "drawing" in attributes.get("class", "")]
    assert {label.removeprefix("Figure ") for label in labels} == set(numbers)


def test_a_study_without_published_numbers_speaks_of_no_article(tmp_path: Path) -> None:
    for place, choices in enumerate(({}, {"selection": "last"}, {"selection": "validation", "validation_images": 50})):
        made = build_study_with_tables(tmp_path / str(place), sizes=[500, 100], seeds=[0, 1], **choices)  # type: ignore[arg-type]
        text = render(made, names=tuple(TABLE_FIGURES))
        text = re.sub(r"<script>.*?</script>|<style>.*?</style>", "", text, flags=re.DOTALL)
        assert not re.search(r"[^.]{0,40}\barticle", text, flags=re.IGNORECASE)


def test_no_line_ends_between_a_number_and_its_unit(html: str) -> None:
    """Drawings aside, which have lines of their own, and the configuration, which people copy."""
    outside = "".join(Page(re.sub(r"<svg.*?</svg>|<pre.*?</pre>|<script>.*?</script>", "", html, flags=re.DOTALL)).text)
    assert re.findall(r"\d (?:%|points\b|images\b|seeds\b|GB\b|iterations\b).{20}", outside) == []
    assert len(re.findall("\\d\N{NO-BREAK SPACE}(?:%|points|images|seeds)", outside)) > 50
    assert shown("4 images") == "4\N{NO-BREAK SPACE}images"
    assert shown(Verbatim("--cores 4 images")) == "--cores 4 images"


def test_a_thousand_runs_stay_compact(tmp_path: Path) -> None:
    made = build_study_with_tables(tmp_path, sizes=[100], seeds=[0])
    configuration = {**made.study.configuration, "seeds": list(range(400))}
    study = type(made.study).from_configuration(configuration)
    text = render_page(load_tables(study, tmp_path), tmp_path / "nothing")
    assert text.count("</tr>") > 1200
    assert len(text.encode()) < 1_000_000


def test_hostile_names_are_escaped_everywhere(tmp_path: Path) -> None:
    methods = {
        HOSTILE[0]: {"mix": "none", "beta": None},
        HOSTILE[1]: {"mix": "images", "beta": [2.0, 1.0]},
        HOSTILE[4]: {"mix": "images-and-labels", "beta": [1.0, 1.0]},
    }
    made = build_study_with_tables(
        tmp_path, images=True, sizes=[100], seeds=[0], title=HOSTILE[0] + "\u202e", methods=harmless(methods)
    )
    described = json.loads((made.layout.dataset / "dataset.json").read_text(encoding="utf-8"))
    described["classes"] = [*HOSTILE, *HOSTILE]
    described["title"] = HOSTILE[4]
    described["warnings"] = [f"the class {HOSTILE[0]} is rare"]
    (made.layout.dataset / "dataset.json").write_text(json.dumps(described), encoding="utf-8")
    text = render(made)
    parsed = Page(text)
    assert parsed.unbalanced == []
    assert len(parsed.named("script")) == 1
    assert len(parsed.named("style")) == 1 + len(re.findall("<style>svg", text))
    assert "<b>" not in text
    assert "\u202e" not in text
    assert "[U+202E]" in text
    assert "&lt;script&gt;alert" in text
    assert not [attributes for _, attributes in parsed.elements if any(key.startswith("on") for key in attributes)]


def harmless(methods: dict[str, Any]) -> dict[str, Any]:
    """The same methods under names that can be folders: a slash is no part of a folder's name."""
    return {name.replace("/", "\N{DIVISION SLASH}"): meaning for name, meaning in methods.items()}


BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here to look at the page with")
@pytest.mark.parametrize("width", [1280, 500])
def test_a_browser_shows_the_page(html: str, tmp_path: Path, width: int) -> None:
    assert BROWSER is not None
    (tmp_path / "report.html").write_text(html, encoding="utf-8")
    picture = tmp_path / "page.png"
    switches = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
        "--disable-component-update --disable-sync --hide-scrollbars"
    )
    subprocess.run(
        [BROWSER, *switches.split(), f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},2000",
         f"--screenshot={picture}", (tmp_path / "report.html").as_uri()],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    assert picture.stat().st_size > 20_000


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here to press the buttons with")
def test_a_table_is_taken_along_in_three_forms(html: str, tmp_path: Path) -> None:
    """The clipboard is a list here; what the buttons of the first table wrote is read from the page."""
    assert BROWSER is not None
    before = (
        "<script>window.taken = []; URL.createObjectURL = (blob) => { window.saved = blob; return '#'; };"
        'Object.defineProperty(navigator, "clipboard", {value: {writeText: async (text) => taken.push(text)}});'
        "</script>"
    )
    after = (
        '<pre id="taken"></pre><script>(async () => { const table = document.getElementById("table-accuracy");'
        'for (const one of table.parentElement.nextElementSibling.querySelectorAll("button")) one.click();'
        "await new Promise((done) => setTimeout(done, 50));"
        'document.getElementById("taken").textContent = [...taken, await saved.text()].join("=====");})();</script>'
    )
    page = html.replace("<head>", "<head>" + before, 1).replace("</body>", after + "</body>")
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    found = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
         "--virtual-time-budget=2000", "--dump-dom", (tmp_path / "page.html").as_uri()],
        check=True, capture_output=True, timeout=120, text=True,
    ).stdout  # fmt: skip
    text = unescape(found.partition('<pre id="taken">')[2].partition("</pre>")[0])
    markdown, latex, table = text.split("=====")
    assert markdown.startswith("| Training images | non: ours | non: published |")
    for mark in (r"\begin{tabular}{llllllllll}", r"\toprule", r"$\pm$"):
        assert mark in latex
    assert len(markdown.splitlines()) - 1 == len(latex.splitlines()) - 5 == len(table.splitlines()) == 4
