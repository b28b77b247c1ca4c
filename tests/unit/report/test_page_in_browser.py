"""Protects what a browser makes of the page: three widths, two schemes, on paper, by keyboard, without scripts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from smallmix.report.templates import TEMPLATE_FOLDER

from tests.browser import BROWSER, Browser

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium here to look at the page with")
WIDTHS = (1280, 768, 390)

# What follows the Web Content Accessibility Guidelines 2.2: contrast (1.4.3), names (1.1.1, 4.1.2), headings and tables
# (1.3.1), and no second dimension of scrolling (1.4.10).
CHECKS = """
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const seen = (element) => element.getClientRects().length > 0 && getComputedStyle(element).visibility === "visible";
  const faults = [];
  const named = (element) => {
    const ids = (element.getAttribute("aria-labelledby") ?? "").split(" ").filter(Boolean);
    const text = ids.length ? ids.map((id) => document.getElementById(id)?.textContent ?? "").join(" ")
      : element.getAttribute("aria-label") ?? element.labels?.[0]?.textContent ?? element.textContent;
    return text.trim() !== "";
  };
  for (const one of all("[role=img], img, [role=group], button, a, input, select, section, nav, aside"))
    if (!named(one)) faults.push(`no name: ${one.outerHTML.slice(0, 120)}`);
  let level = 0;
  for (const head of all("h1, h2, h3, h4, h5, h6")) {
    if (head.tagName[1] - level > 1) faults.push(`heading skips a level: ${head.textContent}`);
    level = Number(head.tagName[1]);
  }
  const ids = all("[id]").map((one) => one.id);
  for (const id of new Set(ids)) if (ids.filter((one) => one === id).length > 1) faults.push(`id twice: ${id}`);
  for (const link of all("a[href^='#']"))
    if (!document.getElementById(link.hash.slice(1))) faults.push(`link to nothing: ${link.hash}`);
  for (const table of all("table")) {
    if (!table.caption) faults.push(`no caption: ${table.id}`);
    for (const cell of all("thead th, tbody th", table)) if (!cell.scope) faults.push(`no scope in ${table.id}`);
    const widths = [...table.tBodies[0].rows].map((row) => [...row.cells].reduce((sum, cell) => sum + cell.colSpan, 0));
    if (new Set(widths).size > 1) faults.push(`rows of unequal length: ${table.id}`);
  }
  const whole = document.documentElement.scrollWidth;
  if (whole > innerWidth) faults.push(`page is ${whole} wide`);
  for (const box of all("*")) {
    const style = getComputedStyle(box);
    if (seen(box) && style.overflowX === "auto" && box.scrollWidth > box.clientWidth + 1 && box.tabIndex < 0)
      faults.push(`scrolls, but not by keyboard: ${box.outerHTML.slice(0, 80)}`);
  }
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const over = (colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const luminance = (rgb) => rgb.map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, place) => sum + value * [0.2126, 0.7152, 0.0722][place], 0);
  const papers = (element) => {
    const found = [];
    for (let one = element; one; one = one.parentElement) found.unshift(getComputedStyle(one).backgroundColor);
    return ["#fff", ...found];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !seen(element) || element.closest("script, style, svg")) continue;
    const style = getComputedStyle(element), below = papers(element);
    const [one, two] = [luminance(over(below)), luminance(over([...below, style.color]))].sort((a, b) => b - a);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const contrast = (one + 0.05) / (two + 0.05);
    const text = walker.currentNode.textContent.slice(0, 60);
    if (contrast < (large ? 3 : 4.5)) faults.push(`contrast ${contrast.toFixed(2)}: ${text}`);
  }
  return faults;
})()
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_everybody_can_read_the_page(browser: Browser, file: Path, width: int, scheme: str) -> None:
    browser.open(file, width, scheme=scheme)
    browser.value("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    assert browser.value(CHECKS) == []


def test_the_checks_find_what_they_look_for(browser: Browser, file: Path, tmp_path: Path) -> None:
    """A page with one fault of each kind."""
    faulty = tmp_path / "faulty.html"
    faulty.write_text(
        "<!DOCTYPE html><html lang='en'><title>x</title><body style='background:#fff'><h1 id='a'>A</h1>"
        "<h3 id='a'>B</h3><p style='color:#aaa'>pale</p><a href='#nowhere'>c</a><button></button>"
        "<div style='width:3000px'>wide</div>"
        "<div style='overflow-x:auto;width:9px'><p style='width:99px'>far</p></div>"
        "<table id='t'><thead><tr><th>h</th></tr></thead><tbody><tr><td>1</td></tr><tr><td>1</td><td>2</td></tr>"
        "</tbody></table></body></html>",
        encoding="utf-8",
    )
    browser.open(faulty, 500)
    found = "\n".join(browser.value(CHECKS))
    for fault in (
        "no name: <button>", "skips a level: B", "id twice: a", "link to nothing: #nowhere", "no caption: t",
        "no scope in t", "unequal length: t", "wide", "not by keyboard", "contrast 2.32: pale",
    ):  # fmt: skip
        assert fault in found


def test_the_markup_is_what_the_browser_makes_of_it(browser: Browser, file: Path, html: str) -> None:
    """A browser moves and closes what is not valid: elements then have other parents than the file says."""
    browser.open(file, script=False)
    browser.call("Emulation.setScriptExecutionDisabled", value=False)
    of_browser = browser.value(
        "[...document.querySelectorAll('body *')].map((one) => `${one.localName}<${one.parentElement.localName}`)"
    )
    assert of_browser == nesting(html)


def nesting(html: str) -> list[str]:
    """The elements of the body in order, each with its parent, as the tags of the file say."""
    found, open_tags = [], ["body"]
    void = {"meta", "br", "input", "hr", "img", "link"}
    body = re.sub(
        r"(<script>).*?(</script>)", r"\1\2", html[html.index("<body>") + 6 : html.index("</body>")], flags=re.S
    )
    for closing, tag, rest in re.findall(r"<(/?)([a-zA-Z][\w-]*)((?:\"[^\"]*\"|'[^']*'|[^>\"'])*)>", body):
        if closing:
            assert open_tags.pop() == tag
            continue
        found.append(f"{tag}<{open_tags[-1]}")
        if tag not in void and not rest.endswith("/"):
            open_tags.append(tag)
    assert open_tags == ["body"]
    return found


def test_on_a_phone_nothing_of_the_answer_lies_off_screen(browser: Browser, file: Path) -> None:
    browser.open(file, 390)
    outside = """
    [...document.querySelectorAll("#answer *, #table-accuracy *, #accuracy .for-narrow-pages svg, #differences svg")]
      .filter((one) => one.getClientRects().length)
      .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 || one.getBoundingClientRect().left < -1)
      .map((one) => one.outerHTML.slice(0, 90))"""
    assert browser.value(outside) == []
    # The methods stand below each other, each with its name.
    tops = "[...document.querySelectorAll('#table-accuracy tbody tr:first-child > *')].map((one) => one.offsetTop)"
    assert browser.value(tops) == sorted(set(browser.value(tops)))
    first = "document.querySelector('#table-accuracy tbody td')"
    assert browser.value(f"[{first}.dataset.label, getComputedStyle({first}, '::before').content !== 'none']") == [
        "non, ours",
        True,
    ]
    # Letters of the drawings can be read: at least nine pixels high.
    sizes = """[...document.querySelectorAll(".for-narrow-pages svg")].filter((svg) => svg.getClientRects().length)
      .map((svg) => 9 * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width)"""
    assert browser.value(sizes)
    assert min(browser.value(sizes)) > 9


def test_what_scrolls_says_so(browser: Browser, file: Path) -> None:
    browser.open(file, 390)
    browser.value("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    found = browser.value(
        """[...document.querySelectorAll(".scroll")].filter((box) => box.checkVisibility())
        .map((box) => [box.scrollWidth > box.clientWidth + 1, !!box.previousElementSibling?.matches(".scroll-hint"),
          box.getAttribute("aria-label") ?? box.getAttribute("aria-labelledby")])"""
    )
    assert [name for scrolls, says, name in found if scrolls != says] == []
    assert any(scrolls for scrolls, _, _ in found)


def test_the_contents_stay_in_sight_on_wide_screens(browser: Browser, file: Path) -> None:
    browser.open(file, 1280)
    browser.value("document.getElementById('runs').scrollIntoView()")
    browser.value("new Promise((done) => setTimeout(done, 200))")
    top, right, left = browser.value(
        "[document.querySelector('nav').getBoundingClientRect().top, document.querySelector('nav')"
        ".getBoundingClientRect().right, document.querySelector('main').getBoundingClientRect().left]"
    )
    assert 0 <= top < 100
    assert right <= left
    assert browser.value("document.querySelector('nav [aria-current]').hash") == "#runs"


def test_a_mark_says_its_value_to_pointer_and_keyboard(browser: Browser, file: Path) -> None:
    browser.open(file, 1280)
    place = browser.value(
        """(() => { const mark = document.querySelector("#figure-accuracy_by_size_log .values circle");
        mark.scrollIntoView({block: "center"}); const box = mark.getBoundingClientRect();
        return [box.left + box.width / 2, box.top + box.height / 2, mark.dataset.value]; })()"""
    )
    browser.move_mouse(*place[:2])
    said = "document.querySelector('.tip').textContent"
    assert re.fullmatch(r"(non|data-mix|label-mix), [\d,]+\simages: [\d.]+\s% \(.*seeds?.*\)", browser.value(said))
    browser.move_mouse(2, 2)
    assert browser.value(said) == ""
    browser.value("document.querySelector('#figure-accuracy_by_size_log .with-values').focus()")
    browser.press("ArrowRight")
    first = browser.value(said)
    browser.press("ArrowRight")
    assert first
    assert browser.value(said) not in ("", first)
    browser.press("Escape")
    assert browser.value(said) == ""
    assert browser.value("document.querySelector('.tip').getAttribute('role')") == "status"


def test_values_stand_over_their_marks(browser: Browser, file: Path) -> None:
    """Each disc lies over a marker that the figure draws: by the places that the browser draws them at."""
    browser.open(file, 1280)
    off = browser.value(
        """(() => { const middle = (one) => { const box = one.getBoundingClientRect();
          return [box.left + box.width / 2, box.top + box.height / 2]; };
        const svg = document.querySelector("#figure-accuracy_by_size_log svg");
        const marks = [...svg.querySelectorAll(".series use")].map(middle);
        return [...svg.querySelectorAll(".values circle")].map(middle)
          .map(([x, y]) => Math.min(...marks.map(([a, b]) => Math.hypot(a - x, b - y)))); })()"""
    )
    assert len(off) == 9
    assert max(off) < 1.5  # pixels


def test_values_are_there_without_a_script(browser: Browser, file: Path) -> None:
    browser.open(file, 1280, script=False)
    browser.call("Emulation.setScriptExecutionDisabled", value=False)
    titles = browser.value("[...document.querySelectorAll('.values title')].map((one) => one.textContent)")
    assert len(titles) > 50
    assert browser.value("document.querySelectorAll('.taken, .tip, .scroll-hint').length") == 0


SAVED = """
(async () => {
  const saved = {};
  URL.createObjectURL = (content) => { window.last = content; return "#"; };
  HTMLAnchorElement.prototype.click = function () { saved[this.download] = window.last; };
  const figure = document.querySelector("#figure-calibration");
  for (const one of figure.querySelectorAll(":scope > .taken button")) one.click();
  const wait = () => new Promise((done) => setTimeout(done, 50));
  for (let turn = 0; turn < 100 && Object.keys(saved).length < 3; turn++) await wait();
  const told = {};
  for (const [name, content] of Object.entries(saved))
    told[name] = name.endsWith("png")
      ? [...new Uint8Array(await content.arrayBuffer())].slice(0, 24)
      : await content.text();
  return told;
})()
"""


def test_figures_and_their_numbers_can_be_saved(browser: Browser, file: Path) -> None:
    browser.open(file, 1280)
    saved: dict[str, Any] = browser.value(SAVED)
    assert set(saved) == {"figure-calibration.svg", "figure-calibration.png", "data-calibration.csv"}
    drawing = saved["figure-calibration.svg"]
    assert drawing.startswith("<svg")
    assert "var(" not in drawing
    assert "#0072b2" in drawing
    assert bytes(saved["figure-calibration.png"][:4]) == b"\x89PNG"
    assert int.from_bytes(bytes(saved["figure-calibration.png"][16:20])) > 1500  # pixels wide
    assert saved["data-calibration.csv"].startswith("Training images,non: error,")
    # As a file of its own it is an image that browsers can show.
    shown = browser.value(
        "(async () => { const picture = new Image(); picture.src = 'data:image/svg+xml,' + "
        f"encodeURIComponent({drawing!r}); await picture.decode(); return picture.naturalWidth; }})()"
    )
    assert shown > 500


def test_runs_can_be_chosen_by_status(browser: Browser, file: Path) -> None:
    browser.open(file, 1280)
    counts = browser.value(
        """(() => { const choice = document.querySelector("#runs select");
        const rows = () => [...document.querySelectorAll("#table-runs tbody tr")].filter((row) => !row.hidden).length;
        return [...choice.options].map((option) => { choice.value = option.value;
          choice.dispatchEvent(new Event("change")); return [option.textContent, rows()]; }); })()"""
    )
    names = ("all (27)", "finished (24)", "outdated (1)", "failed (1)", "waiting (1)")
    assert dict(map(tuple, counts)) == dict(zip(names, (27, 24, 1, 1, 1), strict=True))


def test_on_paper_heads_are_repeated_and_pages_are_full(browser: Browser, file: Path) -> None:
    browser.open(file, 720, scheme="dark")
    browser.emulate_media("print", "dark")
    looks = browser.value(
        """(() => { const of = (selector, key) => getComputedStyle(document.querySelector(selector))[key];
        return [of("thead", "display"), of("nav", "display"), of(".for-wide-pages", "display"),
          of(".for-narrow-pages", "display"), of("tbody tr", "breakInside"), of("html", "backgroundColor"),
          of("body", "color"),
          Math.max(...[...document.querySelectorAll("svg.plot")].map((one) => one.clientHeight))]; })()"""
    )
    assert looks[:5] == ["table-header-group", "none", "block", "none", "avoid"]
    assert looks[6] == "rgb(32, 38, 46)"  # dark ink, whatever the scheme of the screen
    assert looks[7] < 760  # pixels: no drawing fills a sheet, so none leaves the one before it half empty
    pages = len(re.findall(rb"/Type\s*/Page[^s]", browser.pdf()))
    assert 4 < pages < 20


def test_script_and_style_are_small() -> None:
    assert len((TEMPLATE_FOLDER / "report.js").read_bytes()) < 14_000
    assert len((TEMPLATE_FOLDER / "report.css").read_bytes()) < 16_000
