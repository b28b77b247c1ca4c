"""Where the project's own files lie: the Snakefile, config.yaml, profiles, rules, schemas, studies and templates.

In a checkout that is its top folder. An installed wheel has a copy of these files, in the same order, inside the
package. What a command makes never lies here, but in the folder where it is run.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = _PACKAGE / "project"

PROJECT = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parents[1]
WORKFLOW = PROJECT / "workflow"
SNAKEFILE = PROJECT / "Snakefile"
BASE_NAME = "config.yaml"
