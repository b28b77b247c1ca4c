"""A network that was trained on a GPU is kept, and predicts there what its training stored."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from smallmix.study.cell import Executor
from smallmix.study.layout import WEIGHTS_FILE
from smallmix.training.signals import StopRequest
from smallmix.training.train_cell import train_cell

from tests.tiny_cell import TinyData, tiny_cell

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("executor", ["eager", "automatic"])
def test_the_kept_network_is_the_trained_one(tmp_path: Path, executor: Executor) -> None:
    pytest.importorskip("safetensors")
    image_module = pytest.importorskip("PIL.Image")
    from smallmix.training.prediction import predict_images
    from smallmix.training.weights import read_weights

    data = TinyData.write(tmp_path)
    job = replace(data.job(tiny_cell("images", iterations=40, executor=executor), tmp_path), device="cuda")
    train_cell(replace(job, keep_weights=True), StopRequest(), lambda line: None)
    network = read_weights(job.output / WEIGHTS_FILE)
    metrics = json.loads((job.output / "metrics.json").read_text(encoding="utf-8"))
    assert network.description.weights_sha256 == metrics["weights_sha256"]
    files = []
    for row, pixels in enumerate(np.load(data.dataset / "test_images.npy")):
        files.append(str(tmp_path / f"{row}.png"))
        image_module.fromarray(pixels[:, :, 0]).save(files[-1])
    (part,) = predict_images(network, files, "cuda")
    with np.load(job.output / "predictions.npz") as stored:
        assert np.array_equal(part.logits.astype(np.float16), stored["logits"])
