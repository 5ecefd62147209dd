"""Spikes over time: accuracy of the shipped networks over planes, cycles of their layers, and what four steps cost.

Cycles: of the engine of a layer that nobody holds up, against its ones (over the banks) and actions. LUTs: yosys, the
whole accelerator of the network against the same with neurons of one step.
"""

from pathlib import Path

import numpy as np

from benchmarks.frame import Row, Setting, find_images
from s2nn_hw.accelerator import Accelerator
from s2nn_hw.cycles.timing import engine_alone
from s2nn_hw.design import Design
from s2nn_hw.hw.family import library_of
from s2nn_hw.hw.flow.synthesis import synthesise
from s2nn_hw.hw.flow.toolreports import Usage, synthesis_usage
from s2nn_hw.network.layer import Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.fire import Fire
from s2nn_hw.network.neurons.integrate import Integrate
from s2nn_hw.network.store import load
from s2nn_hw.network.trace import layer_inputs
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.quantize.data.sets import load as load_set
from s2nn_hw.quantize.data.sets import present, samples

TITLE = "networks over planes: accuracy, cycles of a layer, LUTs of four steps"
MODELS = Path(__file__).parents[1] / "models"
# accuracy wanted of the integer network, percent
ACCURACY = {
    "mnist-if4": 98.2,
    "mnist-lif4": 98.2,
    "mnist-t2": 97.1,
    "fashion-k2": 89.08,
    "fashion-k3": 90.0,
    "fashion-cnn-k2": 92.5,
}
WANTED_CYCLES, WANTED_LUTS = 1.10, 1.4
FRAMES = 256


def run(setting: Setting) -> list[Row]:
    """Return the rows; networks that are not there are left out."""
    networks = {name: load(MODELS / f"{name}.s2nn") for name in ACCURACY if (MODELS / f"{name}.s2nn").is_file()}
    rows = [accuracy(network, ACCURACY[name]) for name, network in networks.items()]
    for network in networks.values():
        rows += layer_cycles(network)
    return rows + luts(networks["mnist-if4"], setting.output / "synthesis")


def accuracy(network: Network, wanted: float) -> Row:
    """Return the share of right classes on the test set, or on the shipped sample."""
    name = str(network.provenance["data_set"])
    whole = present(name, "test")
    images, labels = load_set(name, "test") if whole else samples(name)
    right = float((network.forward(images).classes == labels).mean())
    what = f"{network.name}: accuracy, {len(images):,} images"
    return Row(what, 100 * right, "%", wanted, "wanted" if whole else "of the whole test set", "higher", binding=whole)


def layer_cycles(network: Network) -> list[Row]:
    """Return, for each hidden layer on the event engine, its cycles against ones and actions."""
    design = Design(network, default_plan(network, "xc7"))
    ones = design.timing.ones(layer_inputs(network, find_images(network, FRAMES)[0])[1])
    rows = []
    for stage, table in zip(design.stages, ones, strict=True):
        if stage.is_readout or stage.engine is None or not stage.engine.counts_spikes:
            continue
        bound = float(design.timing.lower_bounds(ones)[1:, design.stages.index(stage)].mean())
        cycles = float(engine_alone(stage, table, length=FRAMES).mean())
        integrates = isinstance(stage.neuron, Integrate)
        source = "ones / banks + actions, x 1.10 wanted" if integrates else "ones / banks + actions"
        reference = bound * WANTED_CYCLES if integrates else bound
        rows.append(
            Row(f"{network.name}, {stage.name}: cycles alone", cycles, "cycles", reference, source, binding=integrates)
        )
    return rows


def luts(network: Network, folder: Path) -> list[Row]:
    """Return the LUTs of ``network`` on xc7 against those of the same with neurons of one step, and flip-flops."""
    steps, once = (_usage(one, folder) for one in (network, one_step(network)))
    return [
        Row(
            f"{network.name}: LUT6 of the accelerator",
            steps.luts or 0,
            "LUT6",
            WANTED_LUTS * (once.luts or 0),
            f"the same of one step ({once.luts:,.0f}) x {WANTED_LUTS}",
            binding=True,
        ),
        Row(f"{network.name}: flip-flops", steps.ffs or 0, "FF", once.ffs, "the same of one step"),
    ]


def one_step(network: Network) -> Network:
    """Return ``network`` with threshold neurons in place of those that integrate."""
    layers = []
    for layer in network.layers:
        neuron = layer.neuron
        if isinstance(neuron, Integrate):
            neuron = Fire(np.maximum(1, neuron.thresholds >> neuron.fraction).astype(np.int32))
        layers.append(Layer(layer.name, layer.synapses, neuron, layer.sources))
    return Network(f"{network.name}-once", network.input, tuple(layers), network.classes)


def _usage(network: Network, folder: Path) -> Usage:
    accelerator = Accelerator(network, default_plan(network, "xc7"))
    return synthesis_usage(library_of("xc7"), synthesise(accelerator, "accelerator", "xc7", folder))
