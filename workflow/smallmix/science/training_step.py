"""One training step, the same for every method and device: gather, crop, flip, normalise, mix, forward, loss, SGD.

It consumes one row of the batch plan. What differs from method to method is the method's own: how images are mixed and
how labels are weighted. Images stay uint8 until they are gathered. The random crop pads with black in pixel space,
before normalisation; the results equal torchvision's RandomCrop(padding), RandomHorizontalFlip, ToTensor and Normalize
bit for bit.

Start with `traceable_step`, at the end of the file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.sgd import sgd

from smallmix.science.arithmetic import reduced_precision
from smallmix.science.batch_row import BatchRow
from smallmix.science.method import Method
from smallmix.study.cell import Precision, RecipeValue

# Those of PyTorch that have weights. A layer normalisation's weights may have several dimensions.
NORMALIZATION_LAYERS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)


@dataclass(frozen=True)
class Normalization:
    """Channel means and deviations of pixel / 255, float32 [C, 1, 1]."""

    mean: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, mean: list[float], deviation: list[float], device: torch.device) -> Normalization:
        """Return the normalisation by channel; a channel without any variation is only shifted."""
        safe = [value if value > 0 else 1.0 for value in deviation]
        return cls(
            torch.tensor(mean, dtype=torch.float32, device=device)[:, None, None],
            torch.tensor(safe, dtype=torch.float32, device=device)[:, None, None],
        )

    def __call__(self, images: Tensor) -> Tensor:
        """Normalise uint8 [B, C, H, W] to float32 of the same shape."""
        return images.to(torch.float32).div_(255).sub_(self.mean).div_(self.deviation)


def crop_windows(images: Tensor, padding: int) -> Tensor:
    """Return a view of every crop of every image: uint8 [N, C, H, W] gives [N, 2p+1, 2p+1, C, H, W].

    Only the zero-padded images take memory; windows[rows, y, x] gathers and crops in one step.
    """
    height, width = images.shape[2:]
    padded = torch.nn.functional.pad(images, (padding,) * 4)
    return padded.unfold(2, height, 1).unfold(3, width, 1).permute(0, 2, 3, 1, 4, 5)


def gather_batch(windows: Tensor, rows: Tensor, crop_y: Tensor, crop_x: Tensor, flip: Tensor) -> Tensor:
    """Return the cropped and flipped images of a batch, uint8 [B, C, H, W].

    rows, crop_y and crop_x are int64 [B], flip is bool [B].
    """
    crops = windows[rows, crop_y, crop_x]
    return torch.where(flip[:, None, None, None], crops.flip(-1), crops)


@dataclass(frozen=True)
class TrainingImages:
    """The subset on the device: every crop of every image (a view), labels, normalisation."""

    windows: Tensor  # uint8 [N, 2p+1, 2p+1, C, H, W]
    labels: Tensor  # int64 [N]
    normalization: Normalization
    memory_format: torch.memory_format

    def batch(self, row: BatchRow) -> tuple[Tensor, Tensor]:
        """Return the augmented, normalised images float32 [B, C, H, W] and their labels int64 [B], not mixed yet."""
        images = gather_batch(self.windows, row.rows, row.crop_y, row.crop_x, row.flip)
        normalized = self.normalization(images).contiguous(memory_format=self.memory_format)
        return normalized, self.labels[row.rows]


LossFunction = Callable[[nn.Module, Method, TrainingImages, BatchRow, Precision], Tensor]


class NonFiniteLoss(Exception):
    """The training loss is infinite or not a number; no weight was updated."""

    def __init__(self, value: float) -> None:
        super().__init__(value)
        self.value = value


class MomentumSgd:
    """Stochastic gradient descent with momentum (Sutskever et al. 2013, in PyTorch's form), as one fused kernel.

    velocity = momentum x velocity + (gradient + weight decay x weight); weight -= rate x velocity. Velocities start at
    zero, which gives the same first step as none (0.9 x 0 + gradient) and no special case to a captured step.

    nesterov: weight -= rate x (gradient + weight decay x weight + momentum x velocity). `without_decay` are the weights
    that do not decay; the kernel is called for them apart.

    `learning_rate` and `stopped` are float32 scalars on the weights' device. `learning_rate` is set before each step;
    while `stopped` is 1, `step()` changes nothing.

    The kernel is PyTorch's own, called through `torch.optim.sgd.sgd`. The class `torch.optim.SGD` around it is not
    used: building one imports PyTorch's compiler, which takes 1.4 s and 155 MB of every training's start.
    """

    def __init__(
        self,
        weights: Iterable[Tensor],
        momentum: float,
        weight_decay: float,
        device: torch.device,
        *,
        nesterov: bool = False,
        without_decay: Iterable[Tensor] = (),
    ) -> None:
        self.weights = list(weights)
        self.state = {weight: {"momentum_buffer": torch.zeros_like(weight)} for weight in self.weights}
        self.learning_rate = torch.zeros((), dtype=torch.float32, device=device)
        self.stopped = torch.zeros((), dtype=torch.float32, device=device)
        self._momentum, self._nesterov = momentum, nesterov
        apart = set(without_decay)
        groups = (
            (weight_decay, [weight for weight in self.weights if weight not in apart]),
            (0.0, [weight for weight in self.weights if weight in apart]),
        )
        self._groups = [
            _Group(decay, members, [self.state[weight]["momentum_buffer"] for weight in members])
            for decay, members in groups
            if members
        ]

    @classmethod
    def of(cls, model: nn.Module, recipe: RecipeValue, device: torch.device) -> MomentumSgd:
        """Return the recipe's optimiser of all weights of a network that lies on the device."""
        apart = () if recipe.decay_normalization else biases_and_normalization(model)
        return cls(
            trained_weights(model).values(),
            recipe.momentum,
            recipe.weight_decay,
            device,
            nesterov=recipe.nesterov,
            without_decay=apart,
        )

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for weight in self.weights:
            weight.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Update every weight from its gradient."""
        for group in self._groups:
            sgd(
                group.weights,
                group.gradients(),
                group.velocities,
                foreach=False,
                fused=True,
                found_inf=self.stopped,
                weight_decay=group.decay,
                momentum=self._momentum,
                lr=self.learning_rate,
                dampening=0.0,
                nesterov=self._nesterov,
                maximize=False,
            )


class _Group:
    """Weights of one weight decay, in the same memory as the kernel sees it."""

    def __init__(self, decay: float, weights: list[Tensor], velocities: list[Tensor]) -> None:
        self.decay = decay
        self.weights = [_in_order_of(weight, weight.detach()) for weight in weights]
        self.velocities: list[Tensor | None] = [
            _in_order_of(weight, velocity) for weight, velocity in zip(weights, velocities, strict=True)
        ]
        self._members = weights

    def gradients(self) -> list[Tensor]:
        """Return the gradients of the weights, as the kernel sees them."""
        return [_in_order_of(weight, weight.grad) for weight in self._members if weight.grad is not None]


def trained_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the weights that are trained, by name, in the order of the model's parameters."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def biases_and_normalization(model: nn.Module) -> list[Tensor]:
    """Return the parameters that need not decay: those of normalisation layers, and all of one dimension.

    Biases have one dimension, and so have the scales of normalisation layers that a user writes (He et al. 2019, Bag of
    tricks, section 3.1, leave both without decay).
    """
    normalizing = [module for module in model.modules() if isinstance(module, NORMALIZATION_LAYERS)]
    of_layers = {weight for module in normalizing for weight in module.parameters(recurse=False)}
    return [weight for weight in model.parameters() if weight.ndim <= 1 or weight in of_layers]


def _in_order_of(weight: Tensor, tensor: Tensor) -> Tensor:
    """Return `tensor` with the dimensions in the order of the weight's memory: the CPU's kernel copies any other."""
    channels_last = weight.ndim == 4 and weight.is_contiguous(memory_format=torch.channels_last)
    return tensor.permute(0, 2, 3, 1) if channels_last else tensor


@dataclass(frozen=True)
class StepStats:
    """What steps leave on the device for the host to read at any time: scalars.

    A loss that is not finite stops the training there: this step and all later ones update no weight and no momentum.
    The host sets finite_steps and early_steps, and the sums that a training goes on from.
    """

    loss_sum: Tensor  # float64: the loss of every finite step, times its batch size
    last_loss: Tensor  # float32: the loss of the last finite step
    finite_steps: Tensor  # int64: finite steps of the training so far
    stopped: Tensor  # float32: 0, or 1 from the first loss on that is not finite
    stopping_loss: Tensor  # float32: that loss
    early_steps: Tensor  # int64: how many of the training's first steps count as early
    largest_early_loss: Tensor  # float32: the largest loss of these
    largest_early_step: Tensor  # int64: the step of that loss, from 1 on; 0 where none was above zero

    @classmethod
    def fresh(cls, device: torch.device) -> StepStats:
        """Return the values before the first step."""
        whole = {"finite_steps": torch.int64, "early_steps": torch.int64, "largest_early_step": torch.int64}
        kinds = {"loss_sum": torch.float64, **whole}
        names = [part.name for part in dataclasses.fields(cls)]
        return cls(**{name: torch.zeros((), dtype=kinds.get(name, torch.float32), device=device) for name in names})

    def record(self, loss: Tensor, batch_size: int) -> None:
        """Enter the loss of one step, without asking the device for its value.

        No operation may bring in a number as a tensor of the host (torch.where would): a capture fails there.
        """
        finite = torch.isfinite(loss)
        self.stopping_loss.copy_(torch.where(~finite & (self.stopped == 0), loss, self.stopping_loss))
        self.stopped.copy_(torch.maximum(self.stopped, (~finite).float()))
        running = self.stopped == 0
        self.loss_sum.add_((loss.double() * batch_size).masked_fill(~running, 0.0))
        self.last_loss.copy_(torch.where(running, loss, self.last_loss))
        largest = running & (self.finite_steps < self.early_steps) & (loss > self.largest_early_loss)
        self.finite_steps.add_(running)
        self.largest_early_loss.copy_(torch.where(largest, loss, self.largest_early_loss))
        self.largest_early_step.copy_(torch.where(largest, self.finite_steps, self.largest_early_step))


def batch_loss(model: nn.Module, method: Method, images: TrainingImages, row: BatchRow, precision: Precision) -> Tensor:
    """Return the mean training loss of a row's batch, float32 scalar."""
    batch, labels = images.batch(row)
    row = row.with_side(batch.shape[-1])
    mixed = method.mix(batch, row)
    with reduced_precision(precision, mixed.device):
        if method.mixes_features:
            logits = model(mixed, lambda features, stage: method.mix_features(features, stage, row))
        else:
            logits = model(mixed)
    return method.loss(functional.log_softmax(logits.float(), dim=1), labels, row)


def traceable_step(
    model: nn.Module,
    method: Method,
    optimizer: MomentumSgd,
    images: TrainingImages,
    row: BatchRow,
    precision: Precision,
    stats: StepStats,
    loss_function: LossFunction = batch_loss,
) -> None:
    """Take one step. The host waits for nothing, so that a CUDA graph can capture the step whole.

    The loss goes into `stats`, which keeps the optimiser from any update once a loss was not finite. `loss_function`
    is `batch_loss` or a compiled form of it.
    """
    loss = loss_function(model, method, images, row, precision)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    stats.record(loss.detach(), len(row.rows))
    optimizer.stopped.copy_(stats.stopped)
    optimizer.learning_rate.copy_(row.learning_rate)
    optimizer.step()
