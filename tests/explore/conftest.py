"""A folder with a small network, images and labels to explore."""

import numpy as np
import pytest

from s2nn_hw.network.store import save
from tests.support.networks import random_images, random_network


@pytest.fixture
def place(tmp_path, monkeypatch):
    network = random_network((24, 10, 8, 3), input_bits=2, bits=4, name="tiny")
    save(network, tmp_path / "tiny.s2nn")
    images = random_images(network, 40)
    np.save(tmp_path / "x.npy", images)
    np.save(tmp_path / "y.npy", network.forward(images).classes.astype(np.uint8))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def contents(place):
    return (place / "tiny.s2nn").read_bytes(), (place / "x.npy").read_bytes()
