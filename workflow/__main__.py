"""`python workflow COMMAND …`: the package that belongs to this folder, whatever PYTHONPATH says.

A folder that is run puts itself first in sys.path, and never the working folder. In a checkout the package lies in this
folder. In an installed wheel this folder lies in the package, and what is installed beside it must not come before
Python's own library.
"""

import importlib.util
import sys
from pathlib import Path


def load_package_around() -> None:
    """Make `smallmix` the package in which this folder lies, unless the package lies in this folder."""
    here = Path(__file__).resolve().parent
    package = here.parents[1]
    if (here / "smallmix").is_dir() or not (package / "__init__.py").is_file():
        return
    spec = importlib.util.spec_from_file_location(
        "smallmix", package / "__init__.py", submodule_search_locations=[str(package)]
    )
    if spec is not None and spec.loader is not None:
        sys.modules["smallmix"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["smallmix"])


load_package_around()

from smallmix.commands.main import run_process  # noqa: E402

run_process()
