"""Tests on a real Slurm, started in a temporary folder."""
