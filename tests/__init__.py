"""The tests, as a package, so that test files can share what stands in `tests/synthetic_study.py`."""
