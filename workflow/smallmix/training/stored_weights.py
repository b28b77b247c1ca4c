"""The weights that a finished training must end with again, where a study asks for the network of a stored record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from smallmix.errors import TrainingError
from smallmix.training.store import StoreEntry


class OtherWeights(TrainingError):
    """The training, taken again, does not give the weights of the stored record."""


@dataclass(frozen=True)
class WantedWeights:
    """The digests of a stored record's weights: after its first steps, by iteration, and at its end.

    `trained_on` says in words where the record was trained. `place` is its folder in the store.
    """

    end: str
    early: Mapping[int, str]
    trained_on: str
    place: str

    @classmethod
    def of(cls, entry: StoreEntry) -> WantedWeights:
        """Return those of a whole record. Raises TrainingError where it keeps no digest of its weights."""
        metrics = json.loads((entry.finished / "metrics.json").read_text(encoding="utf-8"))
        environment = metrics.get("environment", {})
        described = ", ".join(
            f"{name} {environment[key]}" if name else str(environment[key])
            for key, name in (("device", ""), ("processor", ""), ("torch", "torch"))
            if environment.get(key)
        )
        if not metrics.get("weights_sha256"):
            raise OtherWeights(
                f"the stored result {entry.folder} has no digest of its weights, so they cannot be known again. Write "
                "keep: {weights: none}, or delete that folder, which trains the cell anew."
            )
        early = {int(iteration): str(digest) for iteration, digest in metrics.get("early_weights_sha256", {}).items()}
        return cls(str(metrics["weights_sha256"]), early, described or "an unknown machine", str(entry.folder))

    def check_early(self, digests: Mapping[int, str]) -> None:
        """Compare the digests after the first steps, as far as both have them. Raises OtherWeights on a difference."""
        for iteration, digest in digests.items():
            if self.early.get(iteration, digest) != digest:
                raise OtherWeights(self._explain(f"after iteration {iteration:,}"))

    def check_end(self, record: Mapping[str, bytes]) -> None:
        """Compare the weights of a record that was trained again. Raises OtherWeights on a difference."""
        if json.loads(record["metrics.json"])["weights_sha256"] != self.end:
            raise OtherWeights(self._explain("at the end"))

    def _explain(self, moment: str) -> str:
        return (
            f"the weights are not those of the stored result {moment}, so the network is not kept: it would not be the "
            f"one that the numbers are of. The result was trained on {self.trained_on}. Run there again. Or write "
            f"keep: {{weights: none}}, which takes the result from the store. Or delete {self.place}, which trains the "
            "cell anew."
        )
