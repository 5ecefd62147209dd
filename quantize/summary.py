"""What the quantizer reports: one row per layer, and the accuracy of float and integer model on the same images."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import torch
from rich.console import Console

from s2nn_hw import __version__
from s2nn_hw.errors import UserError
from s2nn_hw.network.first_spikes import slots_of
from s2nn_hw.network.layer import INPUT, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.quantized import Quantized
from s2nn_hw.network.neurons.ttfs import Ttfs
from s2nn_hw.network.reads import times_read
from s2nn_hw.quantize.check import compare, warnings
from s2nn_hw.quantize.checkpoint import Checkpoint
from s2nn_hw.quantize.convert import convert, needs_calibration
from s2nn_hw.quantize.data import sets, source
from s2nn_hw.quantize.figures import Figures, LayerFigures
from s2nn_hw.quantize.from_checkpoint import float_graph
from s2nn_hw.quantize.model import evaluate
from s2nn_hw.quantize.settings import Data

CALIBRATION_IMAGES = 4000
CALIBRATION_VALUES = 1 << 25  # of the largest layer, on all calibration images


def quantize(
    checkpoint: Checkpoint,
    *,
    bits: list[int] | None = None,
    console: Console | None = None,
    check: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[Network, Figures]:
    """Return the integer network with provenance, and its :class:`.figures.Figures`.

    Accuracy is measured on the test set, or on the shipped sample where the data set is neither present nor
    to be had; the report says on how many images. ``check``: images and outputs of the
    owner's model (:func:`.check.read_check`).
    """
    recipe, graph = checkpoint.recipe, float_graph(checkpoint)
    images, labels = _images(recipe.data, "test", console)
    calibration = None
    if needs_calibration(graph, bits):
        count = min(CALIBRATION_IMAGES, max(100, CALIBRATION_VALUES // graph.largest))
        calibration = _images(recipe.data, "train", console)[0][:count]
    bare = convert(graph, bits=bits, calibration=calibration)
    result = measure(checkpoint, bare, images, labels)
    found = compare(checkpoint, bare, *check) if check else None
    said = warnings(result.accuracy_float, result.accuracy_integer, labels, found)
    result = dataclasses.replace(result, check=found, warnings=tuple(said))
    provenance = {"tool": f"s2nn-hw {__version__}", **graph.provenance, "measured": result.measured()}
    made = dataclasses.replace(bare, input=source.recorded(recipe.data), provenance=provenance)
    return made, dataclasses.replace(result, digest=made.digest)


def _images(data: Data, split: str, console: Console | None) -> tuple[np.ndarray, np.ndarray]:
    try:
        return source.load(data, split)
    except UserError as error:
        if data.set is None:
            raise
        sample = sets.samples(data.set)
        if console is not None:
            console.print(f"{error}\nusing the {len(sample[0])} sample images instead")
        return sample


def measure(checkpoint: Checkpoint, network: Network, images: np.ndarray, labels: np.ndarray) -> Figures:
    """Return per-layer figures and accuracies, measured on uint8 ``images`` and ``labels``."""
    bits, count = network.input.bits, len(images)
    float_accuracy, float_ones = evaluate(checkpoint.model, torch.tensor(images), torch.tensor(labels).long(), bits)
    right, ones, fired = integer_run(network, images, labels)
    rows = [layer_figures(network, layer, ones) for layer in network.layers if layer.accumulates]
    spikes = {name: float(values.sum()) for name, values in ones.items()}
    input_ones = spikes.pop(INPUT)
    return Figures(
        name=network.name,
        digest=network.digest,
        data_set=source.title(checkpoint.recipe.data),
        images=count,
        accuracy_float=round(float_accuracy, 6),
        accuracy_integer=round(right, 6),
        input_bits=bits,
        input_ones=round(input_ones, 3),
        spikes=tuple(round(n, 3) for n in spikes.values()),
        spikes_float=tuple(round(float(float_ones[name].sum()), 3) for name in spikes),
        spike_rates=spike_rates(network, spikes),
        spikes_per_neuron=fired,
        synaptic_operations=round(sum(row.synaptic_operations for row in rows), 1),
        memory_bits=sum(row.memory_bits for row in rows),
        layers=tuple(rows),
    )


def integer_run(
    network: Network, images: np.ndarray, labels: np.ndarray
) -> tuple[float, dict[str, np.ndarray], tuple[float | None, ...]]:
    """Return the share that ``network`` classifies right; by name the mean ones of all planes of each value; of each
    layer but the readout the share of its values that spike at all, None of those that may spike more than once."""
    right, count, slots = 0, len(images), slots_of(network)
    ones: dict[str, np.ndarray] = {}
    fired: dict[str, int] = {}
    for start in range(0, count, 500):
        part, wanted = images[start : start + 500], labels[start : start + 500]
        out = network.forward(part, trace="spikes")
        right += int((out.classes == wanted).sum())
        for name, values in ({INPUT: network.encode(part)} | out.spikes).items():
            ones[name] = ones.get(name, 0) + np.bitwise_count(values).sum(axis=0, dtype=np.int64) / count
        for name, values in out.spikes.items():
            fired[name] = fired.get(name, 0) + int(np.count_nonzero(values))
    shares = [round(n / (count * network.size(name)), 5) if name in slots else None for name, n in fired.items()]
    return right / count, ones, tuple(shares)


def spike_rates(network: Network, spikes: Mapping[str, float]) -> tuple[float, ...]:
    """Return the spike rate of each layer of ``network`` in ``spikes``, an image, by name."""
    return tuple(round(network.planes[name].rate(n, network.size(name)), 5) for name, n in spikes.items())


def layer_figures(network: Network, layer: Layer, ones: Mapping[str, np.ndarray]) -> LayerFigures:
    """Return the figures of one layer with weights; ``ones``: mean ones (pixel bits or spikes) per value, by layer."""
    weights = np.concatenate([synapse.weights.reshape(synapse.neurons, -1) for synapse in layer.synapses], axis=1)
    low, high = network.bounds(layer)
    neuron = layer.neuron
    assert neuron  # it has weights
    settings = neuron.table
    quiet, full = (_given(network, layer, extreme) for extreme in (high, low))
    reads = [
        float(ones[source] @ times_read(synapse, network.shapes[source])) * synapse.neurons / synapse.groups
        for synapse, source in zip(layer.synapses, layer.sources, strict=True)
    ]
    return LayerFigures(
        name=layer.name,
        shape=tuple(network.shapes[layer.name]),
        inputs=weights.shape[1],
        neurons=len(weights),
        bits=layer.synapses[0].bits,
        weight_range=(int(weights.min()), int(weights.max())),
        sparsity=round(float((weights == 0).mean()), 5),
        table=neuron.table_name,
        table_range=(int(settings.min()), int(settings.max())),
        sum_bits=_sum_bits(layer, low, high),
        memory_bits=sum(synapse.weights.size * synapse.bits for synapse in layer.synapses),
        active_inputs=round(float(sum(ones[source].sum() for source in layer.sources)), 3),
        synaptic_operations=round(sum(reads), 1),
        neurons_always=int((full == (1 << neuron.planes.count) - 1).sum()) if neuron.fires else 0,
        neurons_never=int((quiet == 0).sum()) if neuron.fires else 0,
    )


def _given(network: Network, layer: Layer, sums: np.ndarray) -> np.ndarray:
    """Return what leaves the neurons of ``layer``, ``(neurons,)``, where ``sums`` are those of every step."""
    wide = sums[None]
    steps = network.read(layer).count if network.stepwise(layer) else 1
    return layer.own_neuron.frame(layer.own_neuron.start(wide.shape), [wide] * steps)[1][0]


def _sum_bits(layer: Layer, low: np.ndarray, high: np.ndarray) -> int:
    """Return the bits of a signed number that holds sums in ``low .. high`` and what the neurons make of them.

    That is the distance from the threshold, of each step: at most ``|v| + |theta| + n (|z| + |R|)`` of neurons that
    integrate, ``z`` the largest sum with its bias and ``n`` the steps, or ``2^k`` if they leak and those are fewer.
    """
    neuron = layer.own_neuron
    if isinstance(neuron, Ttfs):
        neuron = neuron.number
    if neuron.plain:
        offset = -neuron.table if neuron.fires else neuron.table
        return max(_signed_bits(n) for n in (low, high, low + offset, high + offset))
    tables = {name: np.abs(getattr(neuron, name).astype(np.int64)) for name in neuron.tables}
    settings = {name: getattr(neuron, name) for name in neuron.settings}
    z = (np.maximum(np.abs(low), np.abs(high)) << settings["fraction"]) + tables.get("biases", tables.get("bias", 0))
    if isinstance(neuron, Quantized):
        return _signed_bits(z + tables["starts"] + neuron.levels()[0])
    times = min(neuron.step_count, 1 << settings["leak"]) if settings["leak"] else neuron.step_count
    drop = tables.get("resets", 0)
    return _signed_bits(times * (z + drop) + tables.get("starts", 0) + tables.get("thresholds", 0) + times)


def _signed_bits(values: np.ndarray) -> int:
    """Return the bits of a signed number that holds each of the integers ``values``."""
    return int(max(values.max(), ~values.min())).bit_length() + 1


def show(report: Figures, console: Console) -> None:
    """Print ``report`` as a table and a line of accuracies.

    Per layer: weight range, share of zero weights, range of the thresholds (readout: bias), bits of the sums,
    weight memory, ones that enter per image, synaptic operations per image.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(
        title=f"{report.name}: integer network, {report.input_bits}-bit pixels",
        box=SIMPLE_HEAD,
        padding=0,
        show_edge=False,
        caption="sum: bits that hold any sum of a neuron and its distance from the threshold\n"
        "per image: active, ones that enter, of all planes; syn.ops, the weights that they read",
    )
    for name in ("layer", "synapses", "bits", "weights", "zeros", "T or bias", "sum", "Kibit", "active", "syn.ops"):
        table.add_column(name, justify="left" if name == "layer" else "right", no_wrap=True)
    for row in report.layers:
        table.add_row(
            row.name,
            f"{row.inputs}x{row.neurons}",
            str(row.bits),
            _range(row.weight_range),
            f"{100 * row.sparsity:.1f}%",
            _range(row.table_range),
            str(row.sum_bits),
            f"{row.memory_bits / 1024:.1f}",
            f"{row.active_inputs:.1f}",
            f"{row.synaptic_operations:,.0f}",
        )
    console.print(table)
    loss = 100 * (report.accuracy_float - report.accuracy_integer)
    console.print(
        f"accuracy on {report.images:,} images of {report.data_set}: "
        f"float {100 * report.accuracy_float:.2f} %, "
        f"integer {100 * report.accuracy_integer:.2f} % (loss {loss:.2f} points); "
        f"{report.synaptic_operations:,.0f} synaptic operations per image"
    )
    once = [f"{100 * share:.1f} %" for share in report.spikes_per_neuron if share is not None]
    if once:
        console.print(f"neurons that spike at all, each once: {', '.join(once)} of each layer's")
    if report.check:
        console.print(
            f"the owner's class on {report.check.images:,} images: float "
            f"{100 * report.check.float_share:.2f} %, integer {100 * report.check.integer_share:.2f} %"
        )


def _range(pair: tuple[int, int]) -> str:
    return f"{pair[0]}..{pair[1]}"
