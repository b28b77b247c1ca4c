"""The section of provenance: machines, versions and times behind the numbers, and what identifies code and data."""

from __future__ import annotations

from collections import Counter
from typing import Any

from smallmix.tables.study_tables import StudyTables
from smallmix.wording import count_of, duration


def hardware_sentences(tables: StudyTables) -> list[str]:
    """Return one sentence a group of runs: device, versions, time."""
    sentences = []
    for group in tables.provenance.get("environments", []):
        machine: dict[str, Any] = group.get("environment", {})
        device = str(machine.get("device", "an unknown device"))
        processor = str(machine.get("processor", "")).strip()
        described = (
            f"{device} ({processor}, {count_of(int(machine.get('threads', 1)), 'thread')})"
            if device == "cpu"
            else device
        )
        memory = f", memory {machine['memory']}" if "memory" in machine else ""
        sentences.append(
            f"{len(group.get('cells', []))} runs on {described}: torch {machine.get('torch', '?')}, "
            f"Python {machine.get('python', '?')}, {machine.get('precision', '?')}, {machine.get('platform', '?')}"
            f"{memory}; {duration(float(group.get('total_seconds', 0)))} of computing."
        )
    return sentences


def adoption_sentences(tables: StudyTables) -> list[str]:
    """Return one sentence for each older version of the training code whose results were adopted after a replay."""
    total = int(tables.provenance.get("current_cells", len(tables.metrics)))
    counts: Counter[tuple[str, str, int]] = Counter()
    for adoption in tables.provenance.get("adopted", []):  # one for each replayed sample
        origin = str(adoption["code_fingerprint"]), str(adoption["version"]), int(adoption["iterations"])
        counts[origin] += len(adoption["cells"])
    return [
        f"{count:,} of {count_of(total, 'cell')} {'was' if count == 1 else 'were'} adopted from code fingerprint "
        f"{fingerprint} (smallmix {version}) after a replay of {count_of(iterations, 'iteration')} gave equal weights."
        for (fingerprint, version, iterations), count in counts.items()
    ]


def provenance_rows(tables: StudyTables) -> list[tuple[str, str]]:
    """Return (what, value) of everything that identifies code, data and configuration."""
    rows = [("Study", tables.study.name)]
    rows += [
        ("Code fingerprint of the trained runs", str(one)) for one in tables.provenance.get("code_fingerprints", [])
    ]
    rows += [(f"sha256 of {name}", str(value)) for name, value in sorted(tables.dataset.get("checksums", {}).items())]
    rows += [(f"Source of the images: {name}", str(value)) for name, value in tables.dataset.get("source", {}).items()]
    for position, group in enumerate(tables.provenance.get("environments", []), start=1):
        title = f"Environment {position}"
        rows += [(f"{title}: {key}", str(value)) for key, value in sorted(group.get("environment", {}).items())]
        rows.append((f"{title}: runs", str(len(group.get("cells", [])))))
        for key, label in (("first_started", "first run started"), ("last_started", "last run started")):
            if group.get(key):
                rows.append((f"{title}: {label}", str(group[key])))
        rows.append((f"{title}: computing time", duration(float(group.get("total_seconds", 0)))))
        if group.get("resumed_cells"):
            rows.append((f"{title}: interrupted and resumed runs", str(group["resumed_cells"])))
    return rows
