"""Protects the article's argument for data-mix: in expectation, label-mix Beta(1, 1) has data-mix Beta(2, 1)'s loss.

Cross-entropy is linear in the label. With one weight a batch and a uniformly random permutation of partners the
equality is exact, batch normalisation in training mode included: swapping the roles of the two images of every pair
gives the same batch, with the inverse permutation and the weight 1 - lambda.
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy
import torch
from smallmix.science.batch_plan import BatchPlan
from smallmix.science.losses import mixed_loss
from smallmix.science.mixing import mix_images
from smallmix.study.cell import MethodValue
from torch import Tensor, nn

from tests.unit.science.training_cells import make_cell

BATCH = 5
DRAWS = 600


def network_and_batch() -> tuple[nn.Module, Tensor, Tensor]:
    """Return a trained network in training mode, a batch float32 [B, 3, 8, 8], its labels int64 [B]."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.AvgPool2d(6), nn.Flatten(), nn.Linear(6, 4)
    )
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(BATCH, 3, 8, 8, generator=generator) + torch.randn(BATCH, 3, 1, 1, generator=generator)
    labels = torch.tensor([0, 1, 2, 3, 0])
    # A network that knows the images: for one that does not, all ways of mixing cost the same.
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.9)
    for _ in range(100):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return model.train(), images, labels


@torch.no_grad()
def loss_of(
    model: nn.Module, images: Tensor, labels: Tensor, partner: Tensor, image_weight: float, label_weight: float
) -> float:
    mixed = mix_images(images, partner, torch.tensor(image_weight))
    return float(mixed_loss(model(mixed).log_softmax(dim=1), labels, partner, torch.tensor(label_weight)))


def test_the_equality_is_exact_over_all_partners_and_symmetric_weights() -> None:
    """Averaged over all 120 permutations and over a weight and its complement, without any chance left."""
    model, images, labels = network_and_batch()
    label_mix, data_mix, unweighted = [], [], []
    for permutation in itertools.permutations(range(BATCH)):
        partner = torch.tensor(permutation)
        for weight in (0.25, 0.75):
            label_mix.append(loss_of(model, images, labels, partner, weight, weight))
            first_label = loss_of(model, images, labels, partner, weight, 1.0)
            data_mix.append(2 * weight * first_label)  # the density of Beta(2, 1) is twice the weight
            unweighted.append(first_label)
    assert abs(numpy.mean(label_mix) - numpy.mean(data_mix)) < 1e-5 * numpy.mean(label_mix)
    # With the weight from Beta(1, 1) instead, keeping one label is another task: the test notices.
    assert abs(numpy.mean(label_mix) - numpy.mean(unweighted)) > 0.02 * numpy.mean(label_mix)


def test_the_equality_holds_for_what_the_batch_plan_draws() -> None:
    """Monte Carlo over 600 rows each of the plans: partners and weights as trainings get them."""
    model, images, labels = network_and_batch()
    draws: dict[str, list[float]] = {}
    for name, method in {
        "label-mix": MethodValue("images-and-labels", (1.0, 1.0)),
        "data-mix": MethodValue("images", (2.0, 1.0)),
        "data-mix at Beta(1, 1)": MethodValue("images", (1.0, 1.0)),
    }.items():
        # A seed each, so that the estimates are independent and their errors add up as squares.
        cell = make_cell(BATCH, seed=len(draws), iterations=DRAWS)
        plan = BatchPlan(dataclasses.replace(cell, method=method))
        losses = draws.setdefault(name, [])
        number = 0
        while len(losses) < DRAWS:
            chunk = plan.chunk(number)
            number += 1
            for row in range(len(chunk)):
                partner = torch.from_numpy(chunk.partner[row])
                weight = float(chunk.drawn["image_weight"][row])
                label_weight = float(chunk.drawn["label_weight"][row]) if "label_weight" in chunk.drawn else 1.0
                losses.append(loss_of(model, images, labels, partner, weight, label_weight))

    def distance(first: str, second: str) -> float:
        """Return the difference of two means in its standard errors."""
        one, other = numpy.array(draws[first]), numpy.array(draws[second])
        error = (one.var(ddof=1) / len(one) + other.var(ddof=1) / len(other)) ** 0.5
        return float(abs(one.mean() - other.mean()) / error)

    assert distance("label-mix", "data-mix") < 2
    assert distance("label-mix", "data-mix at Beta(1, 1)") > 5
