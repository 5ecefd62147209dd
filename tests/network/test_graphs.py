"""Graphs in Amaranth's simulator: scores, class and cycle counts equal golden model and cycle model."""

import numpy as np
import pytest

from s2nn_hw.accelerator import Accelerator
from tests.support.edge_cases import CASES, plan_of
from tests.support.graphs import build
from tests.support.networks import random_images
from tests.support.random_plans import random_case
from tests.support.streams import check_accelerator


@pytest.mark.parametrize("name", CASES)
def test_edges(name):
    shape, bits, parts, changes = CASES[name]
    network = build(shape, bits, parts, seed=len(name))
    images = random_images(network, 4, seed=len(name))  # the second is black, the third white
    accelerator = Accelerator(network, plan_of(network, changes, images))
    for stall in (0.0, 0.4):
        check_accelerator(accelerator, images, stall=stall)


@pytest.mark.parametrize("number", range(24))
def test_random_networks(number):
    """A few of what ``make soak`` runs."""
    network, plan = random_case(np.random.default_rng([3, number]))
    images = random_images(network, 3, number)
    check_accelerator(Accelerator(network, plan), images, stall=0.3 if number % 3 == 2 else 0.0, seed=number)
