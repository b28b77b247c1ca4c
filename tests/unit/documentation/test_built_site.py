"""The site is built without a warning, its links lead somewhere, and its pages fetch nothing from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.documentation_pages import DOCS, PROJECT

CONFIGURATION = PROJECT / "envs" / "docs" / "mkdocs.yml"
# What a browser fetches by itself: element -> attributes. Of links, the kinds that only tell something are left out.
FETCHED = {
    "script": "src",
    "img": "src",
    "source": "src",
    "iframe": "src",
    "link": "href",
    "object": "data",
    "video": "src",
}
TELLS_ONLY = {"canonical", "prev", "next", "edit"}


class Page(HTMLParser):
    """The anchors of a page, the links that people click, and the addresses that a browser fetches by itself."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element is named, where it leads, and what it fetches."""
        given = dict(attrs)
        self.anchors |= {value for value in (given.get("id"), given.get("name")) if value}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"] or "")
        if tag in FETCHED and not (tag == "link" and given.get("rel") in TELLS_ONLY):
            self.fetched.append(given.get(FETCHED[tag]) or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it: any warning of MkDocs ends it with an error."""
    folder = tmp_path_factory.mktemp("site")
    options = ["--quiet", "--config-file", str(CONFIGURATION), "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    ended = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", *options],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    """Every page of the site by its path, but the one of lost addresses, whose links begin at the server's top."""
    found = {path: Page(path) for path in site.rglob("*.html") if path.name != "404.html"}
    assert len(found) > 15
    return found


def test_every_page_of_docs_is_on_the_site(site: Path) -> None:
    for page in DOCS.rglob("*.md"):
        name = "index.html" if page.name == "README.md" else f"{page.stem}.html"
        assert (site / page.relative_to(DOCS)).with_name(name).exists(), page
    assert (site / "changelog.html").exists()
    assert (site / "contributing.html").exists()


def test_every_link_leads_to_a_page_and_a_place_on_it(pages: dict[Path, Page], site: Path) -> None:
    lost, followed = [], 0
    for path, page in pages.items():
        for link in page.links:
            address = urlsplit(link)
            if address.scheme or address.netloc:
                continue
            target = (path.parent / unquote(address.path)).resolve() if address.path else path
            target = target / "index.html" if target.is_dir() else target
            followed += 1
            if not target.is_relative_to(site) or not target.exists():
                lost.append(f"{path.relative_to(site)}: {link}")
            elif address.fragment and target in pages and unquote(address.fragment) not in pages[target].anchors:
                lost.append(f"{path.relative_to(site)}: {link} (no such place)")
    assert followed > 100
    assert not lost


def test_no_page_fetches_anything_from_elsewhere(pages: dict[Path, Page], site: Path) -> None:
    elsewhere = {
        f"{path.relative_to(site)}: {address}"
        for path, page in pages.items()
        for address in page.fetched
        if urlsplit(address).scheme not in ("", "data") or urlsplit(address).netloc
    }
    assert not elsewhere
    for sheet in site.rglob("*.css"):
        named = re.findall(r"(?:url\(|@import\s*)[\"']?((?:https?:)?//[^\"')]+)", sheet.read_text(encoding="utf-8"))
        assert not named, sheet.name
    # The theme's script would fetch a program for diagrams written as text.
    assert not [path for path in pages if 'class="mermaid"' in path.read_text(encoding="utf-8")]


def test_what_a_page_fetches_is_part_of_the_site(pages: dict[Path, Page]) -> None:
    lost = {
        address
        for path, page in pages.items()
        for address in page.fetched
        if not urlsplit(address).scheme and not (path.parent / unquote(urlsplit(address).path)).exists()
    }
    assert not lost


def test_drawings_fetch_nothing() -> None:
    """Drawings of a terminal name fonts of a server, unless that is taken out."""
    for drawing in DOCS.rglob("*.svg"):
        text = drawing.read_text(encoding="utf-8")
        assert not re.findall(r"(?:url\(|href=|src=|@import\s*)[\"']?(?:https?:)?//[^\"')]+", text), drawing.name


def test_images_are_small() -> None:
    images = [path for path in DOCS.rglob("*") if path.suffix in {".png", ".svg"}]
    assert images
    assert {path.name: path.stat().st_size for path in images if path.stat().st_size >= 150_000} == {}
