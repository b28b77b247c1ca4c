"""A stand-in for a machine with PyTorch and little else: importing anything else fails, in child processes too."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
PYTORCH = ("torch", "torchgen", "functorch", "numpy", "typing_extensions")
PYTEST = ("pytest", "_pytest", "py", "pluggy", "iniconfig", "packaging", "pygments")
PILLOW = ("PIL",)
OURS = ("smallmix", "benchmarks", "tests")

BLOCKER = """
import importlib.abc, os, sys
ALLOWED = set(os.environ["PACKAGES_THERE"].split()) | set(sys.stdlib_module_names)
class NotThere(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        # Modules that a test folder or the interpreter's own start brings have no package of an index.
        if top in ALLOWED or top.startswith("_") or path is None and is_ours(top):
            return None
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
def is_ours(top):
    return any(
        os.path.exists(os.path.join(folder, top + end))
        for folder in sys.path if "site-packages" not in folder for end in ("", ".py")
    )
sys.meta_path.insert(0, NotThere())
"""


def run_there(
    command: Sequence[str], scratch: Path, packages: Sequence[str] = PYTORCH, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments in the project's folder, with nothing but `packages` beside its own library."""
    folder = scratch / "bare"
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(BLOCKER, encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment = {
        **kept,
        "PYTHONPATH": str(folder),
        "PACKAGES_THERE": " ".join([*packages, *OURS]),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # plugins of this environment are not there either
        "CUDA_VISIBLE_DEVICES": "",
        **variables,
    }
    return subprocess.run(
        [sys.executable, *command], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
    )
