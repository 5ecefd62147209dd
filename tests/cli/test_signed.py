"""Files of signed and of wide pixels through the commands: what is taken, what is refused in one line."""

import json
from pathlib import Path

import numpy as np
import pytest

from s2nn_hw.network.layer import Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.fire import Fire
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.store import save
from s2nn_hw.network.synapses import Conv2d, Dense
from tests.support.commands import refused
from tests.support.networks import random_images


@pytest.fixture(params=[(9, True), (16, False), (5, True)], ids=["signed-9", "wide-16", "signed-5"])
def place(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bits, signed = request.param
    rng = np.random.default_rng(bits)
    conv = Conv2d(rng.integers(-3, 4, (3, 1, 3, 1)).astype(np.int8), 3, (1, 2), (0, 1))
    layers = (
        Layer("conv", conv, Fire(np.array([1, -20, 40], np.int32))),
        Layer("out", Dense(rng.integers(-3, 4, (2, 12)).astype(np.int8), 3), Readout(np.zeros(2, np.int32))),
    )
    network = Network("sequence", Input((1, 8), bits, signed=signed), layers, ("a", "b"))
    save(network, "net.s2nn")
    np.save("x.npy", random_images(network, 6).astype(np.int64))
    return network


def test_commands(place, command):
    golden = place.forward(np.load("x.npy"))
    code, _, err = command("golden", "net.s2nn", "--images", "x.npy", "-o", "g.npz")
    assert code == 0, err
    with np.load("g.npz") as arrays:
        assert (arrays["scores"] == golden.scores).all()
    code, out, err = command("inspect", "net.s2nn", "--json")
    assert code == 0, err
    entering = json.loads(out)["input"]
    assert (entering["bits"], entering.get("signed", False)) == (place.input.bits, place.input.signed)
    code, out, err = command("inspect", "net.s2nn")
    assert f"{'signed ' * place.input.signed}pixels of {place.input.bits} bits" in out
    code, _, err = command("plan", "net.s2nn", "--board", "arty_a7", "--images", "x.npy", "-o", "plan.json")
    assert code == 0, err
    code, _, err = command(
        "report", "net.s2nn", "--images", "x.npy", "--board", "arty_a7", "--plan", "plan.json", "--html", "-o", "r.json"
    )
    assert code == 0, err
    code, _, err = command("verilog", "net.s2nn", "-o", "v")
    assert code == 0, err
    described = json.loads(Path("v/interface.json").read_text())["input"]
    low, high = place.input.low, place.input.peak
    assert described["encoding"].startswith(f"pixel = integer from {low} to {high}")
    assert (described["pixel_bits"], described["pixel_signed"]) == (place.input.bits, place.input.signed)
    with np.load("v/vectors.npz") as vectors:
        assert (place.forward(vectors["images"]).scores == vectors["scores"]).all()
        assert (place.encode(vectors["images"]) == vectors["pixels"]).all()


def test_random_pixels_stand_in_where_no_data_set_is_named(place, command):
    code, out, err = command("report", "net.s2nn", "-o", "r.json")
    assert code == 0, err
    assert "100 images: random pixels, as no data set is named" in out


def test_other_values_are_one_line(place, command):
    images, entering = np.load("x.npy"), place.input
    wanted = (
        f"images of {entering.bits}-bit {'signed ' * entering.signed}pixels must be integers from {entering.low} to"
    )
    for array in (images + entering.peak + 1, np.full_like(images, entering.low - 1), images / 2, images > 0):
        np.save("bad.npy", array)
        refused(command("golden", "net.s2nn", "--images", "bad.npy", "-o", "g.npz"), wanted)
        refused(command("verify", "net.s2nn", "--images", "bad.npy"), wanted)
        refused(command("report", "net.s2nn", "--images", "bad.npy"), wanted)
    assert not Path("g.npz").exists()
    refused(
        command(
            "explore",
            "net.s2nn",
            "--board",
            "arty_a7",
            "--images",
            "x.npy",
            "--objectives",
            "luts,latency_us",
            "--input-bits",
            "4",
            "-o",
            "e",
        ),
        f"the network reads integers as they are, so it has its {entering.bits} and no others, not '4'",
    )
