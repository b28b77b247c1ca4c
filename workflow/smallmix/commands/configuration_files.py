"""The former place of two functions, until every command imports them from `options`."""

from __future__ import annotations

from smallmix.commands.options import add_configfile, files_to_merge

__all__ = ["add_configfile", "files_to_merge"]
