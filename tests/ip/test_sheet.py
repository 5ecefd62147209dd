"""What the data sheet says of pixels and of how long the bench takes, which has fewer frames of large circuits."""

import json
from dataclasses import replace

import numpy as np
import pytest

from s2nn_hw.ip import write as writing
from s2nn_hw.ip.shape import Options
from s2nn_hw.ip.write import write
from s2nn_hw.network.layer import Input
from s2nn_hw.network.scaling import Scaling
from tests.support.networks import random_network

ONE = Scaling(np.array([-1.5]), np.array([0.1]), np.array([9.0]))
MANY = Scaling(np.arange(9.0), np.arange(1.0, 10.0))


@pytest.mark.parametrize(
    ("entering", "told", "scaling"),
    [
        ({}, [], None),
        ({"signed": True}, ["pixels are in two's complement, -8 to 7."], None),
        (
            {"signed": True, "scaling": ONE},
            [
                "clip(rint((x - offset) / step), -8, 7) in float64",
                "offset -1.5, step 0.1; `missing` stands for a value that is not there.",
            ],
            {"offset": [-1.5], "step": [0.1], "missing": [9.0]},
        ),
        (
            {"scaling": MANY},
            ["(x - offset) / step), 0, 15) in float64", "`input.scaling` in ip.json has them."],
            {"offset": MANY.offset.tolist(), "step": MANY.step.tolist()},
        ),
    ],
)
def test_signs_and_scaling_are_told(tmp_path, entering, told, scaling):
    network = replace(random_network((9, 6, 3)), input=Input((9,), 4, **entering))
    write(network, tmp_path / "block", Options("net"))
    text, about = (
        (tmp_path / "block" / "README.md").read_text(),
        json.loads((tmp_path / "block" / "ip.json").read_text()),
    )
    for words in told:
        assert words in text
    assert ("two's complement" in text) == bool(entering.get("signed"))
    assert ("clip(rint" in text) == (scaling is not None)
    given = about["input"]
    assert (given["scaling"], given["pixel_signed"]) == (scaling, bool(entering.get("signed")))
    assert (given["pixel_low"], given["pixel_peak"]) == ((-8, 7) if entering.get("signed") else (0, 15))
    assert "The 8 frames take about" in text


def test_large_circuits_have_fewer_frames(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "MOST_WORK", 1)
    write(random_network((9, 6, 3)), tmp_path / "block", Options("net"))
    assert ".FRAMES(32'd2)" in (tmp_path / "block" / "net_tb.v").read_text()
    assert "The 2 frames take about" in (tmp_path / "block" / "README.md").read_text()
    assert len((tmp_path / "block" / "latencies.hex").read_text().split()) == 2
