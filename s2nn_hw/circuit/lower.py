"""From network and plan to the stages of the circuit: what each one reads, in which order, and with which tables.

A stage is one layer (and the max pooling fused behind it): its windows, one per source where words must be kept,
repeated or reordered; its engine; its neurons. Streams between stages carry a tensor pixel by pixel, each pixel's
channels cut into words of the width that its readers want; a tensor without image axes is one pixel.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from s2nn_hw.circuit.choices import LayerPlan, Plan
from s2nn_hw.circuit.engines import ENGINES
from s2nn_hw.circuit.geometry import WindowParams
from s2nn_hw.circuit.job import Job
from s2nn_hw.circuit.readers import buffers_of
from s2nn_hw.circuit.stage import Reader, Stage, Tensor
from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import INPUT, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.synapse import image_shape


def fusible(network: Network, pool: Layer) -> Layer | None:
    """Return the layer before max pooling layer ``pool`` if its neurons can do the pooling, else None."""
    synapse, (source,) = pool.synapses[0], pool.sources
    if source == INPUT or synapse.kernel != synapse.strides or any(synapse.paddings):
        return None
    before = network.layer(source)
    convolves = before.accumulates and before.synapses[0].slides and network.planes[source].count == 1
    return before if convolves and len(network.readers(source)) == 1 else None


def check_edges(network: Network) -> None:
    """Raise :class:`UserError` where a source is delayed or frames are sequences: those have circuits of their own."""
    if network.input.sequences:
        raise UserError(
            f"network {network.name} reads sequences, and this is for networks of single frames; golden, inspect, "
            "plan, verilog, simulate, verify, bitstream, report and run take both"
        )
    for layer in network.layers:
        if any(layer.delays):
            raise UserError(f"layer {layer.name}: circuits have delayed sources only in networks of sequences")


def lower(network: Network, plan: Plan) -> tuple[Stage, ...]:
    """Return the :class:`Stage` tuple of ``network`` under ``plan``; :class:`UserError` names a layer that can't be."""
    check_edges(network)
    choices = {choice.name: choice for choice in plan.layers}
    pools = _pools(network, choices)
    swallowed = {pool.name for pool in pools.values()}
    inner = _inner(network, choices)
    tensors = _tensors(network, choices, swallowed, inner.values())
    stages, paces = list[Stage](), {INPUT: tensors[INPUT].words}
    for layer in network.layers:
        if layer.name in swallowed or layer in inner.values():
            continue
        front = layer
        while front.name in inner:
            front = inner[front.name]
        pace = max(paces[source] for source in front.sources)
        job = Job(network, layer, choices, pools.get(layer.name), tensors, inner, pace)
        try:
            stages.append(ENGINES[job.choice.engine].stage(job) if layer.accumulates else _join_stage(job))
        except UserError as error:
            text = str(error)
            raise UserError(text if text.startswith("layer ") else f"layer {layer.name}: {text}") from None
        paces[stages[-1].output] = max(pace, stages[-1].pace)
    return tuple(stages)


def _pools(network: Network, choices: Mapping[str, LayerPlan]) -> dict[str, Layer]:
    """Return the max pooling layers that neurons before them do, by the name of those neurons' layer."""
    fused = {}
    for layer in network.layers:
        if not layer.accumulates and choices[layer.name].fused:
            before = fusible(network, layer) if layer.synapses[0].slides else None
            if before is None:
                raise UserError(
                    f"layer {layer.name}: only max pooling without overlap and padding that alone reads a "
                    "convolution can be fused; take engine 'or'"
                )
            fused[before.name] = layer
    return fused


def _inner(network: Network, choices: Mapping[str, LayerPlan]) -> dict[str, Layer]:
    """Return the layers that are fused into the unrolled one behind them, by the name of that one."""
    inner = {}
    for layer in network.layers:
        if not layer.accumulates or not choices[layer.name].fused:
            continue
        behind = network.readers(layer.name)
        dense = all(s.flattens for one in (layer, *behind) for s in one.synapses)
        logic = [choices[b.name].fused or (b.accumulates and ENGINES[choices[b.name].engine].constant) for b in behind]
        if logic != [True] or not dense or len(behind[0].sources) > 1:
            raise UserError(
                f"layer {layer.name}: only a dense layer that a dense unrolled one alone reads can be "
                "fused into that one, which reads nothing else; take engine 'unrolled'"
            )
        inner[behind[0].name] = layer
    return inner


def _tensors(
    network: Network, choices: Mapping[str, LayerPlan], swallowed: set[str], inner: Collection[Layer]
) -> dict[str, Tensor]:
    """Return the :class:`Tensor` of every name that is streamed; its readers must agree on the width."""
    tensors = {}
    for name in network.shapes:
        if any(layer.name == name for layer in inner):
            continue
        readers = [layer for layer in network.readers(name) if layer.name not in swallowed]
        if not readers:
            continue
        widths = {choices[layer.name].width for layer in readers}
        if len(widths) > 1:
            raise UserError(
                f"layer {readers[0].name}: all readers of {name} need one width, not "
                f"{' and '.join(f'{choices[r.name].width} ({r.name})' for r in readers)}"
            )
        literal = name != INPUT and _literal(choices, network.layer(name), readers)
        tensors[name] = streamed(network, name, widths.pop(), literal=literal)
    for layer in network.layers:  # an OR hands its words on as they are
        if not layer.accumulates and layer.name not in swallowed:
            wanted, came = tensors[layer.name].width, choices[layer.name].width
            if wanted != came:
                raise UserError(f"layer {layer.name}: width must be that of its readers, {wanted}, not {came}")
    return tensors


def _literal(choices: Mapping[str, LayerPlan], layer: Layer, readers: Sequence[Layer]) -> bool:
    """Return whether spikes of ``layer`` leave in their slots: its engine gives, and all ``readers`` take them so."""

    def literal(one: Layer) -> bool:
        return one.accumulates and not choices[one.name].fused and ENGINES[choices[one.name].engine].literal

    return literal(layer) and all(literal(reader) and len(reader.sources) == 1 for reader in readers)


def streamed(network: Network, name: str, width: int, *, literal: bool = False) -> Tensor:
    """Return the :class:`Tensor` ``name`` of ``network`` in words of ``width``; ``literal``: as spikes in their
    slots."""
    shape = network.shapes[name]
    image = len(shape) > 1 and (name != INPUT or any(not r.synapses[0].flattens for r in network.readers(name)))
    rows, columns, channels = image_shape(shape) if image else (1, 1, prod(shape))
    planes = network.planes[name]
    return Tensor(rows, columns, channels, width, planes, planes.peak if literal else 0)


def lower_alone(
    network: Network,
    choice: LayerPlan,
    *,
    output_width: int = 1,
    pool: Layer | None = None,
    in_slots: Collection[str] = (),
) -> Stage:
    """Return the :class:`Stage` of one layer of ``network`` under ``choice``, whatever the others' plans are.

    ``output_width``: of the words that leave; ``pool``: the max pooling that is fused behind it; ``in_slots``: the
    tensors whose spikes come, or leave, in their slots. :class:`UserError` if it can't be.
    """
    layer = network.layer(choice.name)
    tensors = {s: streamed(network, s, choice.width, literal=s in in_slots) for s in layer.sources}
    if not layer.is_readout:
        output = pool.name if pool else layer.name
        tensors[output] = streamed(network, output, output_width, literal=output in in_slots)
    pace = max(tensors[source].words for source in layer.sources)
    job = Job(network, layer, {layer.name: choice}, pool, tensors, {}, pace)
    return ENGINES[choice.engine].stage(job) if layer.accumulates else _join_stage(job)


def _join_stage(job: Job) -> Stage:
    """Return the stage of a layer without weights: its sources ORed, or the cells of a max pooling."""
    layer, choice, tensors = job.layer, job.choice, job.tensors
    synapse, tensor = layer.synapses[0], tensors[layer.sources[0]]
    buffers = buffers_of(choice, layer)
    size: dict[str, Any] = {
        "rows": tensor.rows,
        "columns": tensor.columns,
        "words": tensor.pixel_words,
        "width": tensor.width * tensor.planes.count,  # all planes at once
        "groups": tensor.pixel_words,
        "splits": tensor.pixel_words,
    }
    if synapse.slides:
        size |= {
            "kernel": synapse.kernel,
            "stride": synapse.strides,
            "padding": synapse.paddings,
            "taps": min(choice.taps, prod(synapse.kernel)),
        }
    readers = tuple(
        Reader(source, tensor, WindowParams(**size, depth=depth))
        for source, depth in zip(layer.sources, buffers, strict=True)
    )
    taps = min(choice.taps, prod(synapse.kernel)) if synapse.slides else 1
    return Stage(layer, layer.name, readers, None, tensor.channels, or_taps=taps)


def with_buffers(plan: Plan, buffers: Mapping[str, Sequence[int]]) -> Plan:
    """Return ``plan`` with the ring depths ``buffers`` ``{layer name: (words per source, ...)}``."""
    return replace(
        plan, layers=tuple(replace(c, buffers=tuple(buffers[c.name])) if c.name in buffers else c for c in plan.layers)
    )


def all_logic(plan: Plan) -> bool:
    """Return whether all weights of ``plan`` become logic."""
    constant = {name for name, engine in ENGINES.items() if engine.constant}
    return all(choice.fused or choice.joins or choice.engine in constant for choice in plan.layers)
