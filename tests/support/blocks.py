"""IP blocks of small networks, each written once."""

from pathlib import Path

from s2nn_hw.ip.shape import Options
from s2nn_hw.ip.write import write
from s2nn_hw.network.synapses import MaxPool
from s2nn_hw.plan.defaults import unrolled_plan
from tests.support.event_networks import event_network
from tests.support.graphs import build, convolution, joined, pooled
from tests.support.networks import random_network

MODELS = Path(__file__).parents[2] / "models"
# of each: the network, and what is asked for
CASES = {
    "dense": ("dense", {}),
    "wide": ("dense", {"input_bytes": 24, "output_bytes": 8, "axi_lite": True, "content": ("cycles", "class")}),
    "crossing": ("dense", {"core_mhz": 163.0, "axi_lite": True, "input_bytes": 1}),
    "slow core": ("dense", {"core_mhz": 37.0, "output_bytes": 12}),
    "planes": ("planes", {"axi_lite": True}),
    "convolution": ("convolution", {"input_bytes": 4, "axi_lite": True}),
    "unrolled": ("unrolled", {"axi_lite": True}),
    "unrolled crossing": ("unrolled", {"core_mhz": 100.0, "input_bytes": 5}),
}


def network_of(kind):
    if kind == "convolution":
        return build(
            (8, 8),
            2,
            [convolution(8, 3, padding=1), joined(MaxPool(2)), convolution(6, 3, padding=1), pooled(5, (2, 2))],
        )
    if kind == "planes":
        return event_network(4, leak=1)
    return random_network((100, 30, 7), input_bits=2, bits=3)


def write_case(case, folder):
    """Write the block ``net`` of ``case`` into ``folder``; return it."""
    kind, asked = CASES[case]
    network = network_of(kind)
    return write(
        network, folder, Options(name="net", **asked), unrolled_plan(network, lut=6) if kind == "unrolled" else None
    )
