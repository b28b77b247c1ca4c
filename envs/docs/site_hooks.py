"""What the site needs beyond the Markdown files of docs/: pages of other files, and links that lead to them.

Two files of the top folder are pages. In a checkout relative links find them there. MkDocs knows files of docs/ alone.
Each notebook of docs/ is a page as well, and a file to download.
"""

from __future__ import annotations

import json
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
    for notebook in sorted((PROJECT / "docs").glob("*.ipynb")):
        files.append(File.generated(config, f"{notebook.stem}.md", content=notebook_page(notebook)))
    return files


def notebook_page(notebook: Path) -> str:
    """Return a notebook as Markdown: its text, its code in blocks, and a link to the file itself."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    parts = [
        "".join(cell["source"]) if cell["cell_type"] == "markdown" else f"```python\n{''.join(cell['source'])}\n```"
        for cell in cells
    ]
    return "\n\n".join([*parts, f"[This page as a notebook]({notebook.name})"]) + "\n"


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links that leave docs/ for one of these files lead to its page."""
    up = "../" * page.file.src_uri.count("/")
    for file, target in FROM_THE_TOP.items():
        markdown = markdown.replace(f"]({up}../{file}", f"]({up}{target}")
    # A notebook's own page has the one link to the file.
    if not (PROJECT / "docs" / page.file.src_uri).with_suffix(".ipynb").exists():
        markdown = re.sub(r"\]\(([\w/.-]+)\.ipynb\)", r"](\1.md)", markdown)
    return markdown
