"""The tiny study with plain training and two methods in files of the user's."""

from __future__ import annotations

from pathlib import Path

from tests.workflow.study_run import TINY_STUDY, StudyRun

SIDES = """\
import torch
from smallmix.science.method import Method


class Sides(Method):
    def draw(self, draws):
        return {"share": draws.generator("share").random((draws.iterations, draws.images), dtype="float32")}

    def mix(self, images, row):
        columns = torch.arange(images.shape[3], device=images.device) / images.shape[3]
        own = columns < row.drawn["share"][:, None]
        return torch.where(own[:, None, None, :], images, images[row.partner])

    def target(self, one_hot, row):
        share = row.drawn["share"][:, None]
        return share * one_hot + (1 - share) * one_hot[row.partner]
"""
HALVES = """\
from smallmix.science.method import Method


class Halves(Method):
    def __init__(self, share):
        self.share = share

    def mix(self, images, row):
        return self.share * images + (1 - self.share) * images[row.partner]
"""
METHODS = """\
methods:
  data-mix: ~
  label-mix: ~
  sides: {mix: mine/sides.py:Sides}
  halves: {mix: mine/halves.py:Halves, parameters: {share: 0.75}}
"""


def write_study(folder: Path) -> StudyRun:
    """Return the tiny study with plain training and two methods of the user's own."""
    study = StudyRun.create(folder)
    (study.folder / "tiny.yaml").write_text(TINY_STUDY.replace("[20, 40]", "[20]") + METHODS, encoding="utf-8")
    (study.folder / "mine").mkdir()
    (study.folder / "mine/sides.py").write_text(SIDES, encoding="utf-8")
    (study.folder / "mine/halves.py").write_text(HALVES, encoding="utf-8")
    return study
