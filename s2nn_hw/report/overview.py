"""What a network is, before anything is built: the figures of ``s2nn-hw inspect``."""

from dataclasses import asdict

from ..accelerator import Design
from .resources import FAMILIES, estimate


def layer_overview(layer, params):
    """Return one layer's figures: shape, bits, ranges, accumulator width, weight memory."""
    weights, table = layer.synapses[0].weights, layer.neuron.table
    widths = params.accumulator_widths()
    return {
        "name": layer.name,
        "source": layer.sources[0],
        "synapse": "dense",
        "neuron": layer.neuron.kind,
        "inputs": layer.synapses[0].inputs,
        "neurons": layer.synapses[0].neurons,
        "synapses": int(weights.size),
        "bits": layer.synapses[0].bits,
        "weight_range": [int(weights.min()), int(weights.max())],
        "sparsity": round(float((weights == 0).mean()), 5),
        "table": layer.neuron.table_name,
        "table_range": [int(table.min()), int(table.max())],
        "accumulator_bits": [int(widths.min()), int(widths.max())],
        "memory_bits": int(weights.size) * layer.synapses[0].bits,
    }


def overview(network, plan=None):
    """Return the JSON-able description of ``network``: input, layers, classes, provenance, plan, estimates."""
    design = Design(network, plan)
    rows = [layer_overview(layer, params) for layer, params in zip(network.layers, design.params, strict=True)]
    return {
        "format": "s2nn-overview",
        "version": 1,
        "name": network.name,
        "digest": network.digest,
        "input": {"shape": list(network.input.shape), "bits": network.input.bits, "pixels": network.input.size},
        "layers": rows,
        "synapses": sum(row["synapses"] for row in rows),
        "memory_bits": sum(row["memory_bits"] for row in rows),
        "classes": list(network.classes),
        "provenance": network.provenance,
        "plan": [asdict(choice) for choice in design.plan.layers],
        "estimates": {family: estimate(network, design.plan, family) for family in FAMILIES},
    }
