"""Protects the training step: its loss, its gradients, its update, and that a loss gone wrong updates nothing."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch
from smallmix.science.batch_plan import BatchPlan
from smallmix.science.batch_row import BatchRow
from smallmix.science.losses import mixed_loss
from smallmix.science.method import find_method
from smallmix.science.network import build_network
from smallmix.science.training_step import NonFiniteLoss, TrainingImages
from smallmix.study.cell import Cell, Mix
from torch.nn import functional
from torchvision.transforms import v2

from tests.tiny_cell import MIXES
from tests.unit.science.training_cells import make_cell, momentum_sgd, training_images, training_step

CPU = torch.device("cpu")


def plan_row(cell: Cell, iteration: int = 0) -> BatchRow:
    """Return one row of the cell's plan, cut to its batch, straight from the tables."""
    chunk = BatchPlan(cell).chunk(0)
    size = int(chunk.batch_sizes[iteration])
    return BatchRow(
        rows=torch.from_numpy(chunk.rows[iteration, :size]),
        crop_y=torch.from_numpy(chunk.crop_y[iteration, :size]),
        crop_x=torch.from_numpy(chunk.crop_x[iteration, :size]),
        flip=torch.from_numpy(chunk.flip[iteration, :size]),
        partner=torch.from_numpy(chunk.partner[iteration, :size]),
        learning_rate=torch.tensor(chunk.learning_rate[iteration]),
        drawn={name: torch.tensor(table[iteration]) for name, table in chunk.drawn.items()},
    )


def double_precision_loss(model: torch.nn.Module, images: TrainingImages, row: BatchRow) -> torch.Tensor:
    """Compute the step's loss anew: one image at a time, labels as probability vectors, all in float64."""
    pixels = []
    for position in range(len(row.rows)):
        window = images.windows[row.rows[position], row.crop_y[position], row.crop_x[position]].double() / 255
        shifted = window - images.normalization.mean.double()
        scaled = shifted / images.normalization.deviation.double()
        pixels.append(scaled.flip(2) if bool(row.flip[position]) else scaled)
    batch = torch.stack(pixels)
    one_hot = torch.eye(10, dtype=torch.float64)[images.labels[row.rows]]
    image_weight, label_weight = (float(row.drawn.get(name, 1.0)) for name in ("image_weight", "label_weight"))
    batch = image_weight * batch + (1 - image_weight) * batch[row.partner]
    target = label_weight * one_hot + (1 - label_weight) * one_hot[row.partner]
    log_probabilities = functional.log_softmax(model(batch), dim=1)
    return -(target * log_probabilities).sum(dim=1).mean()


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.5, 1.0])
def test_the_loss_is_the_cross_entropy_of_mixed_labels(weight: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(32, 10, generator=generator)
    labels = torch.randint(0, 10, (32,), generator=generator)
    partner = torch.randperm(32, generator=generator)
    one_hot = functional.one_hot(labels, 10).float()
    target = weight * one_hot + (1 - weight) * one_hot[partner]
    ours = mixed_loss(logits.log_softmax(dim=1), labels, partner, torch.tensor(weight))
    torch.testing.assert_close(ours, functional.cross_entropy(logits, target))


def test_the_loss_is_that_of_torchvision_s_mixup_labels() -> None:
    generator = torch.Generator().manual_seed(1)
    images, logits = torch.rand(16, 3, 8, 8, generator=generator), torch.randn(16, 10, generator=generator)
    labels = torch.randint(0, 10, (16,), generator=generator)
    mixup = v2.MixUp(num_classes=10)
    mixup._dist = torch.distributions.Uniform(0.3, 0.3 + 1e-30, validate_args=False)
    _, soft_labels = mixup(images, labels)
    ours = mixed_loss(logits.log_softmax(dim=1), labels, torch.arange(16).roll(1), torch.tensor(0.3))
    torch.testing.assert_close(ours, functional.cross_entropy(logits, soft_labels))


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("size", [100, 8])
def test_loss_and_gradients_agree_with_double_precision(mix: Mix, size: int) -> None:
    cell = make_cell(size, mix)
    images, row = training_images(cell), plan_row(cell)
    model = build_network(cell.model, (8, 8, 3), 10, 0)
    precise = copy.deepcopy(model).double()
    expected = double_precision_loss(precise, images, row)
    expected.backward()  # type: ignore[no-untyped-call]
    loss = training_step(model, find_method(cell.method), momentum_sgd(model, cell.recipe), images, row, "fp32")
    assert loss == pytest.approx(float(expected.detach()), rel=1e-5)
    for (name, weight), reference in zip(model.named_parameters(), precise.parameters(), strict=True):
        assert weight.grad is not None
        assert reference.grad is not None
        error = (weight.grad.double() - reference.grad).norm() / reference.grad.norm()
        assert float(error) < 1e-4, f"{name}: {float(error):.1e}"


def test_images_are_those_of_the_row_in_the_row_s_order() -> None:
    cell = make_cell(50)
    images, row = training_images(cell), plan_row(cell)
    _, labels = images.batch(row)
    assert torch.equal(labels, images.labels[row.rows])


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("mix", MIXES)
def test_updates_are_those_of_the_plain_optimizer(mix: Mix, layout: torch.memory_format) -> None:
    """Twelve steps over epochs with remainders and a falling rate: fused SGD with a tensor rate and zero momentum
    buffers, against PyTorch's plain loop with a Python number and no buffers, on the same gradients."""
    # With channels last, AVX2 and fewer than eight channels, oneDNN writes beyond its memory in the backward pass of a
    # 1 x 1 convolution of stride 2 (PyTorch 2.14.1). Trainings of such networks are contiguous there.
    cell = make_cell(300, mix, width=8, iterations=12)
    images = training_images(cell)
    model = build_network(cell.model, (8, 8, 3), 10, 0).to(memory_format=layout)
    optimizer = momentum_sgd(model, cell.recipe)
    model_copy = copy.deepcopy(model)
    plain = torch.optim.SGD(
        model_copy.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4, fused=False, foreach=False
    )
    rates = set()
    for iteration in range(12):
        row = plan_row(cell, iteration)
        rates.add(float(row.learning_rate))
        training_step(model, find_method(cell.method), optimizer, images, row, "fp32")
        for weight, other in zip(model.parameters(), model_copy.parameters(), strict=True):
            assert weight.grad is not None
            other.grad = weight.grad.clone()
        plain.param_groups[0]["lr"] = float(row.learning_rate)
        plain.step()
        for weight, other in zip(model.parameters(), model_copy.parameters(), strict=True):
            torch.testing.assert_close(weight, other, rtol=1e-5, atol=1e-7)
            # What is compared is one step, not how rounding differences grow.
            other.data.copy_(weight.data)
            plain.state[other]["momentum_buffer"].copy_(optimizer.state[weight]["momentum_buffer"])
    assert len(rates) == 3


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_changes_no_weight(poison: float) -> None:
    cell = make_cell(100)
    images, row = training_images(cell), plan_row(cell)
    model = build_network(cell.model, (8, 8, 3), 10, 0)
    optimizer = momentum_sgd(model, cell.recipe)
    training_step(model, find_method(cell.method), optimizer, images, row, "fp32")
    with torch.no_grad():
        model.get_parameter("classifier.bias")[0] = poison
    before = [weight.detach().clone() for weight in model.parameters()]
    momentum = [optimizer.state[weight]["momentum_buffer"].clone() for weight in model.parameters()]
    with pytest.raises(NonFiniteLoss):
        training_step(model, find_method(cell.method), optimizer, images, row, "fp32")
    for weight, old, buffer in zip(model.parameters(), before, momentum, strict=True):
        assert torch.equal(weight.nan_to_num(7.0, 8.0), old.nan_to_num(7.0, 8.0))
        assert torch.equal(optimizer.state[weight]["momentum_buffer"], buffer)


def test_methods_that_mix_nothing_do_not_look_at_partners() -> None:
    cell = make_cell(100, "none")
    images, row = training_images(cell), plan_row(cell)
    losses = []
    for partner in (row.partner, row.partner.roll(1)):
        model = build_network(cell.model, (8, 8, 3), 10, 0)
        step_row = dataclasses.replace(row, partner=partner)
        losses.append(
            training_step(model, find_method(cell.method), momentum_sgd(model, cell.recipe), images, step_row, "fp32")
        )
    assert losses[0] == losses[1]


def test_reduced_precision_keeps_weights_and_momentum_in_float32() -> None:
    cell = make_cell(100, precision="bf16")
    images, row = training_images(cell), plan_row(cell)
    model = build_network(cell.model, (8, 8, 3), 10, 0)
    exact = copy.deepcopy(model)
    optimizer = momentum_sgd(model, cell.recipe)
    loss = training_step(model, find_method(cell.method), optimizer, images, row, "bf16")
    expected = training_step(exact, find_method(cell.method), momentum_sgd(exact, cell.recipe), images, row, "fp32")
    assert loss != expected
    assert loss == pytest.approx(expected, rel=2e-2)
    for weight in model.parameters():
        assert weight.dtype == optimizer.state[weight]["momentum_buffer"].dtype == torch.float32
    assert all(buffer.dtype == torch.float32 for buffer in model.buffers())
