"""axe-core, the usual judge of accessible pages, finds no fault in any page that smallmix writes."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from smallmix.commands.main import main

from tests.browser import BROWSER, Browser

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium here to look at the page with")
PROJECT = Path(__file__).resolve().parents[3]
AXE = (files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")
# Shadows at the edges of what scrolls hint that there is more. axe cannot tell contrast above them, so they go.
OPEN = """
document.querySelectorAll("details").forEach((one) => (one.open = true));
const plain = document.createElement("style");
plain.textContent = "* { background-image: none !important }";
document.head.append(plain);
"""
JUDGE = """
axe.run(document, { resultTypes: ["violations", "passes"] }).then((found) => ({
  faults: found.violations.flatMap((rule) => rule.nodes.map((node) => `${rule.id}: ${node.html.slice(0, 120)}`)),
  passed: Object.fromEntries(found.passes.map((rule) => [rule.id, rule.nodes.length])),
}))
"""


@pytest.fixture(scope="module")
def pages(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """A report, the page of a comparison of kept studies, and the page of all studies."""
    root = tmp_path_factory.mktemp("pages")
    kept = root / "reports" / "reference"
    for name in ("dip-small", "dip-small-longer"):
        shutil.copytree(PROJECT / "reports" / "reference" / name, kept / name)
    comparison = root / "comparison.html"
    two = [str(kept / name) for name in ("dip-small", "dip-small-longer")]
    assert main(["compare", *two, "--output", str(comparison), "--root", str(root)]) == 0
    assert main(["index", "--root", str(root)]) == 0
    return {"report": file, "comparison": comparison, "index": root / "reports" / "index.html"}


def judge(browser: Browser, page: Path, width: int, scheme: str) -> Any:
    """Return the faults that axe-core finds in a page with all its parts open, and how much each rule looked at."""
    browser.open(page, width, scheme=scheme)
    browser.value(OPEN)
    browser.value(AXE)
    return browser.value(JUDGE)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["report", "comparison", "index"])
def test_no_fault_is_found(browser: Browser, pages: Mapping[str, Path], name: str, width: int, scheme: str) -> None:
    judged = judge(browser, pages[name], width, scheme)
    assert judged["faults"] == []
    assert len(judged["passed"]) > 20
    assert judged["passed"]["color-contrast"] > 10, "otherwise the colours were not looked at"


def test_faults_are_found(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "faulty.html"
    page.write_text(
        "<!DOCTYPE html><html><title>x</title><body><main><h1>A</h1><p style='color:#bbb;background:#fff'>pale</p>"
        "<button></button><img src='x.png'></main></body></html>",
        encoding="utf-8",
    )
    found = {fault.partition(":")[0] for fault in judge(browser, page, 500, "light")["faults"]}
    assert {"html-has-lang", "color-contrast", "button-name", "image-alt"} <= found
