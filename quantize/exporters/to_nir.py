"""An integer network as a NIR graph, its integers as floats: what ``from_nir`` reads back as the same integers.

    fire        Threshold at ``T - 1/2``: sums are integers, so ``>`` and ``>=`` are the same
    integrate   IF, or with leak LIF with tau = r = 2^k steps of 1; v_threshold is theta, of a hard reset half a unit
                less, which both rules take
    readout     Affine; of T steps a T-th of its bias in each

What NIR has no node or field for is refused by the layer's name. A note in the metadata, ``s2nn``, says what the fields
leave open: steps, reset, whether neurons spike at their threshold, bits of the input and how raw values become it,
classes; those of weights and
fractions are in the metadata of their nodes.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from s2nn_hw.errors import UserError, listed
from s2nn_hw.files import atomic_path
from s2nn_hw.network.layer import INPUT, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.quantize.exporters.notes import KEY, noted, scaling_note
from s2nn_hw.quantize.importers.nir_file import library

AT, ABOVE = "at", "above"  # their threshold: where neurons spike
OUTPUT = "output"
Shape = tuple[int, ...]


@dataclass
class _Work:
    network: Network
    steps: int
    nodes: dict[str, Any] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    gives: dict[str, str] = field(default_factory=dict)  # the node that gives what a layer gives

    def add(self, name: str, node: Any, *before: str) -> str:
        """Add ``node`` behind the nodes ``before``; return its name."""
        self.nodes[name] = node
        self.edges += [(source, name) for source in before]
        return name


def to_nir(network: Network) -> Any:
    """Return ``network`` as a ``nir.NIRGraph``; :class:`UserError` names a layer that has no form there."""
    nir, work = library(), _Work(network, _steps(network))
    work.gives[INPUT] = work.add(INPUT, nir.Input(np.array(_channel_first(network.input.shape))))
    rules, resets = {AT, ABOVE}, set()
    for layer in network.layers:
        try:
            found, reset = _layer(work, layer)
        except UserError as error:
            raise UserError(f"layer {layer.name}: {error}") from None
        rules &= found
        resets |= {reset} - {None}
    if not rules or len(resets) > 1:
        what = "soft and hard resets" if rules else "layers that spike at their threshold and others above it"
        raise UserError(f"{what} in one network have no form in NIR, which has no field for that")
    entering: dict[str, Any] = {"events": True} if network.input.events else {"bits": network.input.bits}
    entering |= {"signed": True} if network.input.signed else {}
    note = {"name": network.name, "steps": work.steps, **entering, "dt": 1.0, "at": AT in rules, **noted(network)}
    note |= {"reset": resets.pop()} if resets else {}
    return nir.NIRGraph(work.nodes, work.edges, metadata={KEY: json.dumps(note)}, type_check=False)


def write_nir(network: Network, path: Path) -> list[str]:
    """Write ``network`` as NIR file ``path``, atomically; return what to know of it, a line each."""
    graph = to_nir(network)
    with atomic_path(path) as temporary:
        library().write(temporary, graph)
    notes = scaling_note(network)
    soft = [x.name for x in network.layers if x.neuron and getattr(x.neuron, "reset", None) == "soft"]
    if soft and json.loads(graph.metadata[KEY])["at"]:
        notes.append(
            f"layers {listed(soft)} spike at their threshold, too; NIR's text says above it: programs may differ"
        )
    leaky = [x.name for x in network.layers if bool(getattr(x.neuron, "leak", 0))]
    if leaky:
        notes.append(f"layers {listed(leaky)}: what leaks is rounded here, and is not in programs with real numbers")
    return notes


def _channel_first(shape: Shape) -> Shape:
    if len(shape) == 1:
        return shape
    rows, columns, channels = (*shape, 1)[:3]
    return channels, rows, columns


def _steps(network: Network) -> int:
    """Return the steps of a sample of ``network``, 1 if no neuron has more."""
    counts = {layer.neuron.step_count for layer in network.layers if layer.neuron and not layer.neuron.two_phase}
    counts |= {network.input.bits} if network.input.events else set()
    if len(counts - {1}) > 1:
        raise UserError(f"neurons of {sorted(counts)} steps in one network have no form in NIR")
    return max(counts, default=1)


def _layer(work: _Work, layer: Layer) -> tuple[set[str], str | None]:
    """Add what ``layer`` does; return where its neurons may be said to spike, and their reset."""
    neuron: Any = layer.neuron
    if neuron is None:
        raise UserError(f"{layer.synapses[0].kind} has no form in NIR; train with averages or strides")
    if any(layer.delays) or work.network.input.sequences:
        raise UserError("sequences and connections with a delay have no form in NIR here")
    if neuron.kind not in ("fire", "integrate", "readout"):
        raise UserError(f"{neuron.kind} neurons have no form in NIR")
    stepwise = not work.network.read(layer).radix
    if neuron.kind == "fire" and stepwise:
        raise UserError(
            "one threshold on a count of spikes over steps has no form in NIR; train all layers as integrate"
        )
    shape = _channel_first(work.network.shapes[layer.name])
    rules = _rules(neuron) if neuron.kind == "integrate" else {AT, ABOVE}
    bias = _bias(neuron, work.steps if stepwise else 1, rules)
    last = len(layer.sources) - 1
    ends = [
        _table(work, source, synapse, layer.name if n == last else f"{layer.name}-{n}", bias if n == last else None)
        for n, (source, synapse) in enumerate(zip(layer.sources, layer.synapses, strict=True))
    ]
    if neuron.kind == "readout":
        work.add(OUTPUT, library().Output(np.array([neuron.size])), *ends)
        return rules, None
    made = _integrate(neuron, shape, rules) if neuron.kind == "integrate" else _fire(neuron, shape)
    work.gives[layer.name] = work.add(f"{layer.name}-neurons", made, *ends)
    return rules, neuron.reset if neuron.kind == "integrate" else None


def _table(work: _Work, source: str, synapse: Any, name: str, bias: np.ndarray | None) -> str:
    """Add the weights of ``synapse`` as node ``name``, what must come before them in front; return ``name``."""
    nir, before = library(), work.gives[source]
    shape = _channel_first(work.network.shapes[source])
    weights, metadata = synapse.weights.astype(np.float32), {"s2nn_bits": int(synapse.bits)}
    if synapse.kind == "conv2d":
        zeros = np.zeros(len(weights)) if bias is None else bias
        how = (synapse.strides, synapse.paddings, (1, 1), synapse.groups)
        return work.add(
            name, nir.Conv2d(shape[1:], weights.transpose(0, 3, 1, 2), *how, zeros, metadata=metadata), before
        )
    if len(shape) == 3:
        if synapse.kind == "pooled_dense":
            cell = np.array(synapse.pool)
            before = work.add(f"{name}-cells", nir.SumPool2d(cell, cell, np.array([0, 0])), before)
            shape = (shape[0], shape[1] // synapse.pool[0], shape[2] // synapse.pool[1])
        before = work.add(f"{name}-flat", nir.Flatten({"input": np.array(shape)}, 0), before)
        channels, *image = shape
        weights = weights.reshape(-1, *image, channels).transpose(0, 3, 1, 2).reshape(len(weights), -1)
    made = nir.Linear(weights, metadata=metadata) if bias is None else nir.Affine(weights, bias, metadata=metadata)
    return work.add(name, made, before)


def _rules(neuron: Any) -> set[str]:
    """Return where neurons that integrate may be said to spike; :class:`UserError` for what NIR has no field for."""
    thresholds, resets, starts = neuron.thresholds, neuron.resets, neuron.starts
    lower = bool(neuron.leak and (starts == -1).all())  # one less than it is: above a threshold, with leak
    if starts.any() and not lower:
        raise UserError(
            "its membranes do not start from 0, and NIR has no field for that; train with start = 0, or, a NIR file, "
            "with v_reset = 0"
        )
    if (resets <= 0 if neuron.reset == "soft" else thresholds <= resets).any():
        raise UserError("a threshold that is not above the membrane behind a spike has no form in NIR")
    if neuron.reset == "hard":
        return {AT, ABOVE} if not neuron.leak else {ABOVE} if lower else {AT}
    if (thresholds == resets).all():
        return {ABOVE} if lower else {AT}
    if not neuron.leak and (thresholds == resets + 1).all():
        return {ABOVE}
    raise UserError(
        "what a spike takes is not the threshold, as NIR has it; train with level = 1, and snnTorch's Leaky, which "
        "subtracts behind the next leak, with reset_mechanism zero"
    )


def _bias(neuron: Any, steps: int, rules: set[str]) -> np.ndarray | None:
    """Return what is added in each step, in units of weights."""
    if neuron.kind == "readout":
        return np.asarray(neuron.bias / steps)
    if neuron.kind == "fire":
        return None
    biases = neuron.biases + (1 if neuron.leak and AT not in rules else 0)
    return np.asarray(biases / 2.0**neuron.fraction) if biases.any() else None


def _each(numbers: np.ndarray, shape: Shape) -> np.ndarray:
    """Return ``numbers`` ``(channels,)`` for all neurons of ``shape``."""
    return np.array(np.broadcast_to(numbers.reshape(-1, *[1] * (len(shape) - 1)), shape), np.float64)


def _fire(neuron: Any, shape: Shape) -> Any:
    return library().Threshold(_each(neuron.thresholds - 0.5, shape))


def _integrate(neuron: Any, shape: Shape, rules: set[str]) -> Any:
    """Return IF or LIF."""
    unit, soft = 2.0**-neuron.fraction, neuron.reset == "soft"
    lower = 1 if neuron.leak and AT not in rules else 0
    thresholds = _each((neuron.resets if soft else neuron.thresholds + lower - 0.5) * unit, shape)
    rest = _each((0 * neuron.resets if soft else neuron.resets + lower) * unit, shape)
    metadata = {"s2nn_fraction": int(neuron.fraction)}
    if not neuron.leak:
        return library().IF(np.ones(shape), thresholds, rest, metadata=metadata)
    tau = np.full(shape, 2.0**neuron.leak)
    return library().LIF(tau, tau, np.zeros(shape), thresholds, rest, metadata=metadata)
