"""Snakemake's own files: its records, its locks, and how its rules start commands.

No other room knows how Snakemake keeps its records. All of it is checked against the pinned version and may break with
another one: look here first when Snakemake is updated. Standard library alone: every start imports it.
"""
