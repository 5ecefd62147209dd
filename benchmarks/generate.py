"""Seconds from a network to Verilog; the text must come out the same twice."""

from functools import partial

from benchmarks.frame import Row, Setting, best_seconds
from benchmarks.networks import make_cnn, make_network
from s2nn_hw.accelerator import Accelerator
from s2nn_hw.emit import TOP
from s2nn_hw.network.network import Network
from s2nn_hw.verilog.convert import to_verilog

TITLE = "network to Verilog"


def _generate(network: Network, texts: list[str]) -> None:
    """Add the Verilog of ``network`` to ``texts``."""
    texts.append(to_verilog(Accelerator(network), TOP))


def run(setting: Setting) -> list[Row]:
    """Return the rows."""
    rows: list[Row] = []
    small = make_network((784, 64, 10), name="784-64-10")
    for network in (small, make_cnn((16, -32, 64), name="cnn-16-32-64"), setting.network):
        texts: list[str] = []
        seconds = best_seconds(partial(_generate, network, texts), repeats=2)
        rows += [
            Row(f"{network.name}, {network.synapse_count:,} synapses", seconds, "s"),
            Row(f"{network.name}, per 1000 synapses", 1e6 * seconds / network.synapse_count, "ms"),
            Row(f"{network.name}, second run differs", len(set(texts)) - 1, "", 0, "byte-identical", binding=True),
        ]
    return rows
