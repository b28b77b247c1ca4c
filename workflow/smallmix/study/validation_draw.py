"""What decides a study's validation images: how many, which draw, and the subsets that must not use them."""

from __future__ import annotations

import json
from dataclasses import dataclass

from smallmix.fingerprints import canonical_json
from smallmix.study.cell import SubsetValue


@dataclass(frozen=True)
class ValidationDraw:
    """The draw of `images` validation images by a seed.

    `subsets` are the largest subset of each draw of the study. All smaller ones are among their images.
    """

    images: int
    seed: int
    subsets: tuple[SubsetValue, ...]

    def to_json(self) -> str:
        """Return the draw as canonical JSON, in which the seeds of the subsets stand side by side."""
        first = self.subsets[0]
        seeds = [one.seed for one in self.subsets]
        subsets = {"rule": first.rule, "size": first.size, "seeds": seeds}
        return canonical_json({"images": self.images, "seed": self.seed, "subsets": subsets})

    @classmethod
    def from_json(cls, text: str) -> ValidationDraw:
        """Return the draw of a `to_json` text. Raises ValueError, KeyError or TypeError where it is none."""
        value = json.loads(text)
        rule, size, seeds = (value["subsets"][key] for key in ("rule", "size", "seeds"))
        subsets = tuple(SubsetValue(rule, size, seed) for seed in seeds)
        if not subsets:
            raise ValueError("it names no subset")
        return cls(value["images"], value["seed"], subsets)
