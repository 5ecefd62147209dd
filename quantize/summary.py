"""What the quantizer reports: one row per layer, and the accuracy of float and integer model on the same images."""

import dataclasses

import numpy as np
import torch

from s2nn_hw import __version__
from s2nn_hw.errors import UserError
from s2nn_hw.neurons import Fire
from s2nn_hw.plan import default_plan, layer_params

from . import data
from .convert import convert, needs_calibration
from .recipe import as_dict
from .train import evaluate

CALIBRATION_IMAGES = 4000


def quantize(checkpoint, *, bits=None, console=None):
    """Return ``(network, report)``: the integer network with provenance, and the JSON-able report of :func:`report`.

    Accuracy is measured on the test set, or on the shipped sample where the data set is neither present nor
    to be had; the report says on how many images.
    """
    recipe = checkpoint.recipe
    images, labels = _images(recipe.data.set, "test", console)
    calibration = None
    if needs_calibration(checkpoint, bits):
        calibration = _images(recipe.data.set, "train", console)[0][:CALIBRATION_IMAGES]
    bare = convert(checkpoint, bits=bits, calibration=calibration)
    result = report(checkpoint, bare, images, labels)
    measured = {key: result[key] for key in ("images", "accuracy_float", "accuracy_integer", "spikes", "spike_rates",
                                             "input_ones", "synaptic_operations")}
    provenance = {"tool": f"s2nn-hw {__version__}", "data_set": recipe.data.set, "recipe": as_dict(recipe),
                  "measured": measured}
    return dataclasses.replace(bare, provenance=provenance), result


def _images(name, split, console):
    try:
        return data.load(name, split)
    except UserError as error:
        if console is not None:
            console.print(f"{error}\nusing the 300 sample images instead")
        return data.samples(name)


def report(checkpoint, network, images, labels):
    """Return per-layer figures and accuracies, measured on uint8 ``images`` and ``labels``."""
    bits = network.input.bits
    float_accuracy, float_spikes = evaluate(
        checkpoint.model, torch.tensor(images), torch.tensor(labels).long(), bits)
    parts = [(network.forward(images[i : i + 2000], trace=True), labels[i : i + 2000])
             for i in range(0, len(images), 2000)]
    right = sum(int((out.classes.numpy() == wanted).sum()) for out, wanted in parts)
    spikes = {name: sum(int(out.spikes[name].sum()) for out, _ in parts) / len(images) for name in parts[0][0].spikes}
    ones = float(np.bitwise_count(network.encode(images)).sum() / len(images))
    rows, active = [], ones
    circuit = layer_params(network, default_plan(network))
    for layer, params in zip(network.layers, circuit, strict=True):
        rows.append(layer_figures(layer, network.peak(layer), active, int(params.accumulator_widths().max())))
        active = spikes.get(layer.name)
    return {
        "name": network.name,
        "digest": network.digest,
        "images": len(images),
        "accuracy_float": round(float_accuracy, 6),
        "accuracy_integer": round(right / len(images), 6),
        "input_bits": bits,
        "input_ones": round(ones, 3),
        "spikes": [round(n, 3) for n in spikes.values()],
        "spikes_float": [round(n, 3) for n in float_spikes],
        "spike_rates": [round(n / layer.neuron.size, 5) for n, layer in zip(spikes.values(), network.layers,
                                                                            strict=False)],
        "synaptic_operations": round(sum(row["synaptic_operations"] for row in rows), 1),
        "memory_bits": sum(row["memory_bits"] for row in rows),
        "layers": rows,
    }


def layer_figures(layer, peak, active, accumulator_bits):
    """Return one layer's figures; ``active`` ones enter it per image (pixel bits or spikes), each adds one row.

    ``accumulator_bits``: the width of the circuit's widest accumulator.
    """
    weights = layer.synapses[0].weights
    low, high = layer.synapses[0].bounds(peak)
    return {
        "name": layer.name,
        "inputs": layer.synapses[0].inputs,
        "neurons": layer.synapses[0].neurons,
        "bits": layer.synapses[0].bits,
        "weight_range": [int(weights.min()), int(weights.max())],
        "sparsity": round(float((weights == 0).mean()), 5),
        "table": layer.neuron.table_name,
        "table_range": [int(layer.neuron.table.min()), int(layer.neuron.table.max())],
        "accumulator_bits": accumulator_bits,
        "memory_bits": int(weights.size) * layer.synapses[0].bits,
        "active_inputs": round(active, 3),
        "synaptic_operations": round(active * layer.synapses[0].neurons, 1),
        "neurons_always": int((layer.neuron.table <= low).sum()) if isinstance(layer.neuron, Fire) else 0,
        "neurons_never": int((layer.neuron.table > high).sum()) if isinstance(layer.neuron, Fire) else 0,
    }


def show(report, console):
    """Print ``report`` as a table and a line of accuracies.

    Per layer: weight range, share of zero weights, range of the thresholds (readout: bias), accumulator width in
    bits, weight memory, ones that enter per image, synaptic operations per image.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=f"{report['name']}: integer network, {report['input_bits']}-bit pixels", box=SIMPLE_HEAD,
                  padding=0, show_edge=False)
    for name in ("layer", "synapses", "bits", "weights", "zeros", "T or bias", "acc.", "Kibit", "active", "syn.ops"):
        table.add_column(name, justify="left" if name == "layer" else "right", no_wrap=True)
    for row in report["layers"]:
        table.add_row(
            row["name"], f"{row['inputs']}x{row['neurons']}", str(row["bits"]), _range(row["weight_range"]),
            f"{100 * row['sparsity']:.1f}%", _range(row["table_range"]), str(row["accumulator_bits"]),
            f"{row['memory_bits'] / 1024:.1f}", f"{row['active_inputs']:.1f}", f"{row['synaptic_operations']:,.0f}")
    console.print(table)
    loss = 100 * (report["accuracy_float"] - report["accuracy_integer"])
    console.print(f"accuracy on {report['images']:,} images: float {100 * report['accuracy_float']:.2f} %, "
                  f"integer {100 * report['accuracy_integer']:.2f} % (loss {loss:.2f} points); "
                  f"{report['synaptic_operations']:,.0f} synaptic operations per image")


def _range(pair):
    return f"{pair[0]}..{pair[1]}"
