"""Cross-entropies against the targets of mixed images."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def mixed_loss(log_probabilities: Tensor, labels: Tensor, partner: Tensor, label_weight: Tensor) -> Tensor:
    """Return the mean cross-entropy against the two labels of each image, weighted; float32 scalar.

    weight x CE(own label) + (1 - weight) x CE(partner's label), averaged over the batch (mixup, equation 2).
    log_probabilities are float32 [B, classes], labels and partner int64 [B], label_weight is a float32 scalar.
    """
    own = functional.nll_loss(log_probabilities, labels)
    others = functional.nll_loss(log_probabilities, labels[partner])
    return label_weight * own + (1 - label_weight) * others


def mixed_loss_by_image(log_probabilities: Tensor, labels: Tensor, partner: Tensor, label_weight: Tensor) -> Tensor:
    """Return the same with a weight for each image, float32 [B]."""
    own = functional.nll_loss(log_probabilities, labels, reduction="none")
    others = functional.nll_loss(log_probabilities, labels[partner], reduction="none")
    return (label_weight * own + (1 - label_weight) * others).mean()


def soft_cross_entropy(log_probabilities: Tensor, target: Tensor) -> Tensor:
    """Return the mean over the batch of -sum(target x log probability), float32 scalar. Both are [B, classes]."""
    return -(target * log_probabilities).sum(dim=1).mean()


def one_hot_of(labels: Tensor, like: Tensor) -> Tensor:
    """Return the one-hot rows of labels int64 [B], as float32 [B, classes] of the shape of `like`."""
    # A comparison, since a scatter has no deterministic form on every device.
    classes = labels.new_zeros(like.shape[1]).add(1).cumsum(0).sub(1)
    return (labels[:, None] == classes[None, :]).to(like.dtype)
