"""Networks of fewer bits: how near the first they stay, and that a recipe is trained once for each."""

import numpy as np
import pytest

from s2nn_hw.errors import UserError
from s2nn_hw.explore.variants import make_variant, own_bits
from tests.support.networks import random_images, random_network


@pytest.mark.parametrize("shape", [(20, 9, 3), (20, 9, 6, 3), (20, 3)])
@pytest.mark.parametrize("calibrated", [False, True])
def test_variants_are_networks_of_fewer_bits_that_agree_with_the_first(shape, calibrated):
    network = random_network(shape, input_bits=4, bits=5, seed=1)
    images = random_images(network, 300)
    images[1:3] = images[3:5]
    classes = network.forward(images).classes
    agreement = []
    for bits in ((4, 5), (2, 4), (1, 2)):
        variant = make_variant(
            network, input_bits=bits[0], weight_bits=bits[1], calibration=images[150:] if calibrated else None
        )
        assert own_bits(variant) == bits
        agreement.append(float((variant.forward(images[:150]).classes == classes[:150]).mean()))
    assert make_variant(network) is network
    assert agreement[0] == 1
    assert agreement[1] > 0.6


def test_layers_before_a_change_and_their_thresholds_stay_as_they_are():
    network = random_network((20, 9, 6, 3), input_bits=2, bits=4)
    tables = dict(network.tensors())
    readout_only = make_variant(random_network((20, 9, 6, 3), input_bits=2, bits=2), input_bits=1)
    assert own_bits(readout_only) == (1, 2)
    changed = make_variant(network, weight_bits=3).tensors()
    assert np.array_equal(changed["layer2.weights"], tables["layer2.weights"])  # the readout keeps its bits
    with pytest.raises(UserError, match="has 4 weight bits, so 5 can't be had"):
        make_variant(network, weight_bits=5)


@pytest.mark.parametrize("bits", [(2, 2), (1, 3)])
def test_variants_of_convolutions_shortcuts_and_pooling(bits):
    from benchmarks.networks import make_resnet

    network = make_resnet([(4, 1), (8, 2)], stem=4, image=(8, 8, 3), input_bits=2, bits=3)
    images = np.random.default_rng(1).integers(0, 256, (24, 8, 8, 3)).astype(np.uint8)
    for calibration in (None, images):
        variant = make_variant(network, input_bits=bits[0], weight_bits=bits[1], calibration=calibration)
        assert own_bits(variant) == bits
        assert [s.bits for layer in variant.layers for s in layer.synapses[1:]] == [6, 6]
        assert variant.forward(images).scores.shape == (24, 10)


def test_a_recipe_is_trained_once_for_each_pair_of_bits(place, monkeypatch):
    from rich.console import Console

    from s2nn_hw.explore.networks import FromRecipe, Pictures

    trained = []
    (place / "r.toml").write_text(
        '[data]\nset = "mnist"\npixel_bits = 1\n[[layers]]\nneurons = 8\nbits = 3\n'
        "[readout]\nbits = 4\n[training]\nepochs = 7\n"
    )

    def train(recipe, folder, console):
        trained.append((recipe.name, recipe.data.pixel_bits, recipe.bits, recipe.training.epochs))
        return folder

    network = random_network((24, 10, 3), input_bits=2)
    monkeypatch.setattr("s2nn_hw.quantize.train.train", train)
    monkeypatch.setattr("s2nn_hw.quantize.checkpoint.read_checkpoint", lambda path: path)
    monkeypatch.setattr("s2nn_hw.quantize.summary.quantize", lambda checkpoint, console: (network, {}))
    pictures = Pictures(np.load("x.npy"), np.load("y.npy"), "x.npy")
    networks = FromRecipe(place / "r.toml", pictures, Console(quiet=True), epochs=2)
    networks.folder = place / "variants"
    assert networks.layers == (("hidden1", 0, 0), ("readout", 0, 0))
    assert networks.bits(None, "2,3") == ((1, 2, 4), (2, 3))
    assert networks.get(1, 2) == networks.get(1, 2)
    assert trained == [("r-i1w2", 1, [2, 4], 2)]
    networks.known.clear()
    assert networks.get(1, 2).digest == network.digest
    assert len(trained) == 1  # found in the folder
