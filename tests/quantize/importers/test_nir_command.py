"""``s2nn-hw import`` and ``export`` of NIR files, and what they refuse in one line."""

import json

import numpy as np
import pytest

nir = pytest.importorskip("nir")

from s2nn_hw.network.store import load, save  # noqa: E402
from tests.support.commands import refused  # noqa: E402
from tests.support.event_networks import event_network  # noqa: E402
from tests.support.networks import random_network  # noqa: E402

DRAW = np.random.default_rng(3)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a leaky network, its weights floats, inputs for it and their classes."""
    monkeypatch.chdir(tmp_path)
    tau = np.full(16, 4e-4, np.float32)
    lif = nir.LIF(tau, tau / np.float32(1e-4), np.zeros(16), np.full(16, 1.5))
    first, last = (DRAW.normal(size=size).astype(np.float32) for size in ((16, 12), (3, 16)))
    nir.write("net.nir", nir.NIRGraph.from_list(nir.Linear(first), lif, nir.Affine(last, np.zeros(3))))
    np.save("x.npy", DRAW.random((200, 12)).astype(np.float32))
    np.save("e.npy", (DRAW.random((200, 4, 12)) < 0.4).astype(np.uint8))
    np.save("y.npy", DRAW.integers(0, 3, 200))
    return tmp_path


def test_a_network_is_imported_and_compared(command, place):
    words = ("--steps", 4, "--reset", "soft", "--dt", "1e-4")
    code, out, err = command("import", "net.nir", "-o", "n.s2nn", *words, "--inputs", "x.npy", "--labels", "y.npy")
    assert (code, err) == (0, "")
    text = " ".join(out.split())
    assert (
        "note: one input of 8 bits, the same in each of 4 steps; spikes above v_threshold, as NIR's text says;" in text
    )
    assert "of 200 inputs have the owner's class" in text
    assert load("n.s2nn").name == "net"
    figures = json.loads((place / "n.json").read_text())
    assert figures["agreement"]["images"] == 200
    assert figures["agreement"]["different"]["linear"][1] == 200 * 4 * 16
    code, out, _ = command("import", "net.nir", "-o", "e.s2nn", *words, "--events", "--inputs", "e.npy", "--json")
    assert code == 0
    assert json.loads(out)["notes"][0].startswith("events of 0 and 1 in each of 4 steps")
    assert load("e.s2nn").input.events


def test_a_network_goes_out_and_comes_back(command, place):
    save(random_network([20, 12, 6, 3], input_bits=2, bits=3), place / "a.s2nn")
    code, out, err = command("export", "a.s2nn", "-o", "a.nir")
    assert (code, out, err) == (0, "a.nir has what a.s2nn has\n", "")
    assert command("import", "a.nir", "-o", "b.s2nn")[0] == 0
    images = DRAW.integers(0, 256, (50, 20)).astype(np.uint8)
    scores = [np.asarray(load(name).forward(images).scores) for name in ("a.s2nn", "b.s2nn")]
    assert (scores[0] == scores[1]).all()


def test_what_is_refused_is_one_line_and_nothing_written(command, place):
    def said(*words, text):
        refused(command("import", "net.nir", "-o", "n.s2nn", *words), *text)

    said(text=["NIR does not say how many steps a sample has: say --steps"])
    said("--steps", 4, "--input-range", "0,1", text=["lif (LIF): NIR does not say how neurons are reset"])
    said("--steps", 4, "--reset", "firm", text=["the reset must be soft or hard, not 'firm'"])
    said("--steps", 4, "--leak", "some", text=["--leak must be exact or nearest, not 'some'"])
    said("--steps", 4, "--reset", "soft", text=["NIR does not say how long a step is: say --dt"])
    said("--steps", 4, "--reset", "soft", "--dt", 1, text=["tau must not be shorter than --dt 1"])
    said("--steps", 4, "--reset", "soft", "--dt", 1e-4, text=["inputs are wanted, to see between which numbers"])
    save(event_network(4), place / "p.s2nn")
    refused(command("export", "p.s2nn", "-o", "p.nir"), "layer pool: orpool has no form in NIR")
    refused(command("export", "p.s2nn", "-o", "p.txt"), "output p.txt must end in .onnx or .nir")
    refused(command("import", "x.npy", "-o", "n.s2nn"), "a file of a known format is wanted (.onnx, .nir), not '.npy'")
    refused(command("import", "none.nir", "-o", "n.s2nn", "--steps", 2), "NIR file none.nir does not exist")
    assert not (place / "n.s2nn").exists()
    assert not (place / "p.nir").exists()
