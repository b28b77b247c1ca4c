"""Collects the faults of an image list, so that all of them are told at once instead of one a run."""

from __future__ import annotations

from smallmix.errors import DatasetError

SHOWN = 20


class ListFaults:
    """The faults found so far, in the order found; only the first twenty are kept in words."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._count = 0

    def add(self, fault: str) -> None:
        """Note a fault, given as one line that names file and line number."""
        self._count += 1
        if len(self._lines) < SHOWN:
            self._lines.append(fault)

    def __len__(self) -> int:
        return self._count

    def raise_if_any(self, what: str) -> None:
        """Raise DatasetError with the faults of `what`, the first twenty in words and the others as a number."""
        if not self._count:
            return
        faults = "1 fault" if self._count == 1 else f"{self._count:,} faults"
        more = f"\n  and {self._count - len(self._lines):,} more" if self._count > len(self._lines) else ""
        lines = "".join(f"\n  {line}" for line in self._lines)
        raise DatasetError(f"{what} has {faults}:{lines}{more}\nMend the list or the images, then run again.")
