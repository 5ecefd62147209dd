"""A NIR graph over sequences, a step a frame, as layers of real numbers: weights, their neurons, and the scores.

Values are features. What spikes is a layer; what weights read late is a source with a delay of one step. The output
is scores: the membrane of I or LI in the last step, or what weights or neurons give, summed over the sequence.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from s2nn_hw.errors import UserError, listed
from s2nn_hw.network.layer import INPUT
from s2nn_hw.quantize.importers import nir_neurons
from s2nn_hw.quantize.importers.assemble import READOUT, layer_name, unsupported
from s2nn_hw.quantize.importers.nir_file import NirGraph
from s2nn_hw.quantize.importers.nir_loops import PASSING, SPIKING
from s2nn_hw.quantize.importers.nir_neurons import Membrane, NirOptions, per_channel
from s2nn_hw.quantize.importers.nir_read import READERS
from s2nn_hw.quantize.importers.operations import Affine, Entering, Shape, Weighted
from s2nn_hw.quantize.importers.values import Given, Total, as_total, plus, product

LATE = "'"  # behind a layer's name: what it gave a step before
RELAY = "relay"
MEMBRANES = ("I", "LI")
NAMED = ("Input", "Output", "Linear", "Affine", "Flatten", "Scale")
SUPPORTED = (
    "over sequences Input, Output, Linear, Affine, Scale, Flatten, Threshold, IF, LIF, CubaLIF with tau_syn equal to "
    "dt, and I or LI in front of the output"
)


@dataclass(frozen=True, eq=False)
class RealLayer:
    """Neurons of node ``where``, or the scores: ``total`` enters ``membrane`` in each step. Sources of the total are
    names of layers, :data:`LATE` behind those that are a step late."""

    name: str
    where: str
    total: Total
    membrane: Membrane


@dataclass(frozen=True, eq=False)
class SequenceRead:
    """``layers`` in order, the last gives scores, which are ``summed`` over the steps or the last step's; ``spiking``:
    the layer's name of each node that spikes, ``sizes``: its neurons; ``notes``: what was assumed or changed."""

    layers: tuple[RealLayer, ...]
    summed: bool
    spiking: dict[str, str]
    sizes: dict[str, int]
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Scores:
    """Membranes without spikes."""

    where: str
    total: Total
    membrane: Membrane

    @property
    def shape(self) -> Shape:
        return self.total.shape


Value = Given | Total | _Scores


@dataclass
class _Work:
    graph: NirGraph
    options: NirOptions
    kinds: dict[str, str]
    spiking: dict[str, str]
    values: dict[str, Value] = field(default_factory=dict)
    layers: list[RealLayer] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def entering_shape(graph: NirGraph) -> int:
    """Return how many features enter ``graph``."""
    first = [name for name, node in graph.nodes.items() if type(node).__name__ == "Input" and not graph.before(name)]
    if len(first) != 1:
        raise UserError(f"the graph must have one Input node, not {len(first)} ({listed(first)})")
    given = graph.nodes[first[0]].input_type.get("input")
    shape = tuple(int(n) for n in np.atleast_1d(given)) if given is not None else ()
    if len(shape) != 1 or shape[0] < 1:
        raise UserError(f"{first[0]} (Input): a frame of a sequence is (features,), not {shape}")
    return shape[0]


def read_sequences(graph: NirGraph, options: NirOptions, entering: Entering) -> SequenceRead:
    """Return what ``graph`` computes over sequences of ``entering`` frames; :class:`UserError` names the node that has
    no form here."""
    kinds = {name: type(node).__name__ for name, node in graph.nodes.items()}
    strange = [f"{name} ({kind})" for name, kind in kinds.items() if kind not in (*NAMED, *SPIKING, *MEMBRANES)]
    if strange:
        raise unsupported([f"{name}: no form here" for name in strange], SUPPORTED)
    spiking: dict[str, str] = {}
    for name in (n for n, kind in kinds.items() if kind in SPIKING):
        spiking[name] = layer_name(name, {*spiking.values(), RELAY})
    work = _Work(graph, options, kinds, spiking)
    for name, node in graph.nodes.items():
        try:
            work.values[name] = _value(work, name, node, entering)
        except UserError as error:
            raise UserError(f"{name} ({kinds[name]}): {error}") from None
    _check_late(work)
    ends = [n for n, kind in kinds.items() if kind == "Output" and all(source != n for source, _ in graph.edges)]
    if len(ends) != 1:
        raise UserError(f"the graph must have one Output node, not {len(ends)} ({listed(ends)})")
    summed = _finish(work, ends[0])
    notes = [_late_note(work, name) for name in kinds if any((s, name) in graph.late for s in graph.before(name))]
    sizes = {node: work.values[node].shape[0] for node in spiking}
    return SequenceRead(_wanted(work.layers), summed, spiking, sizes, (*notes, *dict.fromkeys(work.notes)))


def _value(work: _Work, name: str, node: Any, entering: Entering) -> Value:
    kind, before = work.kinds[name], work.graph.before(name)
    if not before:
        if kind != "Input":
            raise UserError("no edge leads to it")
        return Given(INPUT, entering.shape, entering.step, entering.offset)
    value = _entering(work, name, before)
    if kind in PASSING:
        return value
    if isinstance(value, _Scores):
        raise UserError(f"it reads {value.where}, membranes without spikes, which only the output can")
    if kind in ("Linear", "Affine"):
        ((table,), _) = READERS[kind](node, value.shape)
        assert isinstance(table, Weighted)
        if isinstance(value, Total):
            raise UserError("it reads a sum that no neurons stand behind: give each source weights of its own")
        return product(value, table)
    if kind == "Scale":
        ((factor,), _) = READERS[kind](node, value.shape)
        assert isinstance(factor, Affine)
        return value.scaled(np.atleast_1d(factor.factor), np.atleast_1d(factor.shift))
    total = as_total(value) if isinstance(value, Given) else value
    if kind in MEMBRANES:
        made = nir_neurons.integral(node, value.shape, work.options, work.notes)
        return _Scores(f"{name} ({kind})", total.scaled(made.driven, made.shift), made)
    if kind == "Threshold":
        none = np.zeros(1)
        made = Membrane(None, np.ones(1), none, per_channel("threshold", node.threshold, value.shape), none, True, True)
    else:
        made = nir_neurons.membrane(node, value.shape, work.options, work.notes)
    if all(term.source.endswith(LATE) for term in total.terms):
        raise UserError("nothing enters its loop")
    own = work.spiking[name]
    work.layers.append(RealLayer(own, f"{name} ({kind})", total.scaled(made.driven, made.shift), made))
    return Given(own, value.shape, np.ones(1), np.zeros(1))


def _entering(work: _Work, name: str, before: list[str]) -> Value:
    """Return what the edges bring to node ``name``."""
    sources = [_late(work, s, name) if (s, name) in work.graph.late else work.values[s] for s in before]
    shapes = {value.shape for value in sources}
    if len(shapes) > 1:
        raise UserError(f"what is added must have one shape, not {listed(sorted(shapes))}")
    if len(sources) == 1:
        return sources[0]
    totals = [as_total(value) if isinstance(value, Given) else value for value in sources]
    scores = next((value for value in totals if isinstance(value, _Scores)), None)
    if scores is not None:
        raise UserError(f"it adds {scores.where}, membranes without spikes, to something else, which has no form here")
    return plus([value for value in totals if isinstance(value, Total)])


def _late(work: _Work, source: str, target: str) -> Given:
    """Return what ``source`` gave a step before, of as many neurons as the weights ``target`` want."""
    neurons = work.graph.spikes_of(source)
    node, own = work.graph.nodes[target], work.graph.nodes[neurons]
    given = own.threshold if work.kinds[neurons] == "Threshold" else own.v_threshold
    many = np.atleast_1d(node.weight).shape[-1] if hasattr(node, "weight") else np.size(given)
    return Given(work.spiking[neurons] + LATE, (int(many),), np.ones(1), np.zeros(1))


def _check_late(work: _Work) -> None:
    """Raise :class:`UserError` unless what is read late has as many neurons as its reader took it to have."""
    for source, target in work.graph.late:
        came, wanted = work.values[source].shape, _late(work, source, target).shape
        if came != wanted:
            raise UserError(
                f"{target} ({work.kinds[target]}): it reads {wanted[0]} values a step late, and {source} has {came[0]}"
            )


def _finish(work: _Work, output: str) -> bool:
    """Add the layer with the scores; return whether they are summed over the steps."""
    value, none = work.values[output], np.zeros(1)
    if isinstance(value, Given) and value.name.removesuffix(LATE) == INPUT:
        raise UserError("the output must be scores, not what enters")
    if value.shape == (1,):
        raise UserError("one score has no class to choose: give two, of a yes or no 0 and this one")
    if isinstance(value, _Scores):
        what = "in the last step"
        work.notes.append(f"scores are the membranes of {value.where} {what}")
        work.layers.append(RealLayer(READOUT, value.where, value.total, value.membrane))
        return False
    spikes = isinstance(value, Given)
    work.notes.append(f"scores are {'the spikes counted' if spikes else 'the output summed'} over the sequence")
    total = as_total(value) if isinstance(value, Given) else value
    work.layers.append(RealLayer(READOUT, output, total, Membrane(0, np.ones(1), none, none, none, True, True)))
    return True


def _late_note(work: _Work, name: str) -> str:
    late = [source for source in work.graph.before(name) if (source, name) in work.graph.late]
    return f"{name} ({work.kinds[name]}) reads {', '.join(late)} a step late"


def _wanted(layers: list[RealLayer]) -> tuple[RealLayer, ...]:
    """Return the ``layers`` that the last one needs, in order."""
    sources = {layer.name: {t.source.removesuffix(LATE) for t in layer.total.terms} for layer in layers}
    seen, waiting = {layers[-1].name}, [layers[-1].name]
    while waiting:
        new = [n for n in sources[waiting.pop()] if n not in seen and n != INPUT]
        seen.update(new)
        waiting.extend(new)
    return tuple(layer for layer in layers if layer.name in seen)
