"""Breaks real runs, as processes, and compares them with undisturbed runs."""
