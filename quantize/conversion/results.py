"""A ReLU network into integers by one of the methods, and what comes out: figures as the quantizer's."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from s2nn_hw import __version__
from s2nn_hw.network.first_spikes import to_first_spikes
from s2nn_hw.network.layer import INPUT
from s2nn_hw.network.network import Network
from s2nn_hw.quantize.checkpoint import Checkpoint
from s2nn_hw.quantize.conversion.integers import integer_network, planes_of
from s2nn_hw.quantize.conversion.methods import TTFS, Stage, Work, prepared, resolved, run
from s2nn_hw.quantize.conversion.prepare import batches
from s2nn_hw.quantize.conversion.tune import Trainer
from s2nn_hw.quantize.conversion.units import Converted
from s2nn_hw.quantize.data import source
from s2nn_hw.quantize.figures import Figures
from s2nn_hw.quantize.model import encode, evaluate
from s2nn_hw.quantize.recipe import source_of
from s2nn_hw.quantize.settings import Conversion
from s2nn_hw.quantize.summary import integer_run, layer_figures, spike_rates


@dataclass(frozen=True)
class Job:
    """What is converted: the ReLU network, test images and labels, what trains, the weights' bits, and where it says
    how far it is."""

    checkpoint: Checkpoint
    test: tuple[Tensor, Tensor]
    trainer: Trainer
    bits: list[int] | None
    console: Console

    @property
    def pixel_bits(self) -> int:
        """Bits of a pixel."""
        return self.checkpoint.recipe.data.pixel_bits

    def prepared(self, options: Conversion) -> Converted:
        """Return the network with thresholds and scales, all ReLU."""
        return prepared(self.checkpoint, self.trainer.train[0], options, bits=self.bits, console=self.console)

    def relu(self) -> float:
        """Return the ReLU network's accuracy on the test images."""
        return evaluate(self.checkpoint.model, *self.test, self.pixel_bits)[0]


def convert(job: Job, options: Conversion) -> tuple[Network, Figures, list[Stage]]:
    """Return the integer network, with provenance, its figures on the test images, and the stages on the way."""
    options = resolved(options)
    net, stages = job.prepared(options), [Stage("ReLU", job.relu())]
    run(Work(net, options, job.trainer, job.test, stages))
    network = integer_network(net)
    network = to_first_spikes(network) if options.form == TTFS else network
    figures = measure(job, net, network, stages[0].accuracy)
    recipe = dataclasses.replace(job.checkpoint.recipe, conversion=options)
    provenance = {
        "tool": f"s2nn-hw {__version__}",
        **source_of(recipe),
        "stages": [stage.to_json() for stage in stages],
        "measured": figures.measured(),
    }
    network = dataclasses.replace(network, input=source.recorded(recipe.data), provenance=provenance)
    return network, dataclasses.replace(figures, digest=network.digest), stages


def measure(job: Job, net: Converted, network: Network, relu: float) -> Figures:
    """Return the figures of ``network`` on the test images; spikes are the ones of all planes, of the float model,
    ``net``, too. ``relu``: the ReLU network's accuracy."""
    right, ones, fired = integer_run(network, *(part.numpy() for part in job.test))
    rows = [layer_figures(network, layer, ones) for layer in network.layers if layer.accumulates]
    spikes = {name: float(values.sum()) for name, values in ones.items()}
    entered, before = spikes.pop(INPUT), _float_spikes(net, job.test[0], job.pixel_bits)
    lost = relu - right
    why = (
        "more --steps, or --method clip-floor, keep more" if net.hidden[0].rule.steps < 15 else "more --bits keep more"
    )
    return Figures(
        name=network.name,
        digest=network.digest,
        data_set=source.title(job.checkpoint.recipe.data),
        images=len(job.test[0]),
        accuracy_float=round(relu, 6),
        accuracy_integer=round(right, 6),
        input_bits=network.input.bits,
        input_ones=round(entered, 3),
        spikes=tuple(round(n, 3) for n in spikes.values()),
        spikes_float=tuple(round(before[name], 3) for name in spikes),
        spike_rates=spike_rates(network, spikes),
        spikes_per_neuron=fired,
        synaptic_operations=round(sum(row.synaptic_operations for row in rows), 1),
        memory_bits=sum(row.memory_bits for row in rows),
        layers=tuple(rows),
        warnings=(f"the conversion loses {100 * lost:.2f} points: {why}",) if lost > 0.05 else (),
    )


def _float_spikes(net: Converted, images: Tensor, pixel_bits: int) -> dict[str, float]:
    """Return the mean ones of all planes an image, by name, that the float model has."""
    units, rules = iter(net.hidden), {}
    for layer in net.graph.layers[:-1]:
        if layer.tables:
            unit = next(units)
            rules[layer.name] = unit.rule, float(unit.full.detach())
        else:
            rules[layer.name] = rules[layer.sources[0]]
    found = dict.fromkeys(rules, 0.0)
    with torch.inference_mode():
        for part in batches(net, images):
            values = net.trace(encode(part, pixel_bits))
            for name, (rule, full) in rules.items():
                x = values[name]
                if len(x) > 1 or not planes_of(rule).radix:
                    found[name] += float(sum(one.sum() for one in x)) / full * (rule.steps if len(x) == 1 else 1)
                else:
                    numbers = (x[0] * ((2 ** planes_of(rule).count - 1) / full)).round().to(torch.int64)
                    found[name] += int(np.bitwise_count(numbers.numpy()).sum())
    return {name: count / len(images) for name, count in found.items()}
