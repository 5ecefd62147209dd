"""What a network is, before anything is built: the figures of ``s2nn-hw inspect``."""

from dataclasses import asdict
from math import prod

from s2nn_hw.cost.estimate import estimate
from s2nn_hw.design import Design
from s2nn_hw.family import FAMILIES, GENERAL
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.report.sections.work import connections


def stage_overview(network, stage):
    """Return one stage's figures: shapes, weights, ranges, accumulator width, engine, windows.

    A join has no weights; a fused max pooling is the ``pool`` of the layer before it.
    """
    layer, engine = stage.layer, stage.engine
    sources = stage.layers[0].sources
    shapes = [network.shapes[source] for source in sources]
    row = {
        "name": stage.name,
        "sources": list(sources),
        "source": sources[0],
        "synapse": "+".join(s.kind for s in layer.synapses),
        "neuron": layer.neuron.kind if layer.accumulates else None,
        "engine": "or" if engine is None else engine.kind,
        "shape": list(network.shapes[layer.name]),
        "pool": [round(stage.repeats**0.5)] * 2 if stage.repeats > 1 else None,
        "output": stage.output,
        "inputs": sum(prod(shape) for shape in shapes),
        "neurons": stage.neurons,
        "connections": sum(
            connections(network, one, wired=engine is not None and engine.constant) for one in stage.layers
        ),
        "fused": [one.name for one in stage.fused],
        "synapses": 0,
        "memory_bits": 0,
        "windows": [window_overview(reader) for reader in stage.readers if reader.window],
    }
    if engine is None:
        return row
    synapses = [s for one in stage.layers for s in one.synapses]
    weights, table, widths = [s.weights for s in synapses], layer.neuron.table, engine.accumulator_widths()
    count, zeros = sum(w.size for w in weights), sum(int((w == 0).sum()) for w in weights)
    return row | {
        "synapses": count,
        "bits": max(s.bits for s in synapses),
        "weight_range": [min(int(w.min()) for w in weights), max(int(w.max()) for w in weights)],
        "sparsity": round(zeros / count, 5),
        "table": layer.neuron.table_name,
        "table_range": [int(table.min()), int(table.max())],
        "accumulator_bits": [int(widths.min()), int(widths.max())],
        "memory_bits": 0 if engine.constant else sum(s.weights.size * s.bits for s in synapses),
        "lanes": engine.lanes,
        "groups": engine.groups,
        "banks": engine.ways,
        "words": engine.words,
        "bit_planes": engine.planes,
    }


def window_overview(reader):
    """Return what the window in front of a stage keeps: words, bits of one, and how many are read at once."""
    window = reader.window
    return {
        "source": reader.source,
        "kernel": list(window.kernel),
        "stride": window.stride,
        "padding": window.padding,
        "words": window.depth,
        "least_words": window.least_depth,
        "word_bits": window.width * window.planes,
        "taps": window.taps,
        "groups": window.groups,
    }


def overview(network, plan=None):
    """Return the JSON-able description of ``network``: input, layers, classes, provenance, plan, estimates."""
    design = Design(network, plan or default_plan(network, GENERAL))
    rows = [stage_overview(network, stage) for stage in design.stages]
    return {
        "format": "s2nn-overview",
        "version": 1,
        "name": network.name,
        "digest": network.digest,
        "input": {"shape": list(network.input.shape), "bits": network.input.bits, "pixels": network.input.size},
        "layers": rows,
        "synapses": sum(row["synapses"] for row in rows),
        "connections": sum(row["connections"] for row in rows),
        "memory_bits": sum(row["memory_bits"] for row in rows),
        "classes": list(network.classes),
        "provenance": network.provenance,
        "plan": [asdict(choice) | {"buffers": list(choice.buffers)} for choice in design.plan.layers],
        "estimates": {family: estimate(design, family) for family in FAMILIES},
    }
