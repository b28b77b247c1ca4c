"""Check a configuration and write the resolved study."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from smallmix.commands.options import add_configfile, files_to_merge

SUMMARY = "check a configuration and write it with every default filled in"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_configfile(parser)
    parser.add_argument(
        "--configuration",
        metavar="JSON",
        help="a resolved configuration as text, or @ and a file that holds it, in place of files (for workflows)",
    )
    parser.add_argument(
        "--output", default="-", metavar="FILE", help="where to write study.json; - prints YAML for reading (default)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Resolve, check the file of published numbers too, and write or print.

    A configuration that a workflow hands over is resolved already, and taken as it is.
    """
    import json

    import yaml

    from smallmix.atomic_files import write_text
    from smallmix.study.command_lines import take_over_study

    if arguments.configuration is not None:
        study = take_over_study(arguments.configuration)
    else:
        from smallmix.study.configuration import load_study

        study = load_study(files_to_merge(arguments.configfile))
    if study.configuration["published"] is not None:
        from smallmix.study.published import find_published, load_published

        load_published(find_published(study.configuration["published"]))
    if arguments.output == "-":
        plain = json.loads(json.dumps(study.configuration))
        yaml.safe_dump(plain, sys.stdout, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
    else:
        write_text(Path(arguments.output), study.to_json() + "\n")
    return 0
