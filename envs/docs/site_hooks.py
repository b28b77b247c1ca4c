"""What the site needs beyond the pages of docs/: two pages from the top folder, and links that lead to them.

In a checkout these files lie beside docs/, and relative links find them there. MkDocs knows files of docs/ alone.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

PROJECT = Path(__file__).resolve().parents[2]
# File of the top folder -> page of the site.
FROM_THE_TOP = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}


def on_files(files: Files, config: Any) -> Files:
    """Add the pages whose files lie in the top folder; the start page has a file of its own in docs/."""
    for file, page in FROM_THE_TOP.items():
        if page != "index.md":
            text = (PROJECT / file).read_text(encoding="utf-8")
            files.append(File.generated(config, page, content=re.sub(r"\]\(docs/", "](", text)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links that leave docs/ for one of these files lead to its page."""
    up = "../" * page.file.src_uri.count("/")
    for file, target in FROM_THE_TOP.items():
        markdown = markdown.replace(f"]({up}../{file}", f"]({up}{target}")
    return markdown
