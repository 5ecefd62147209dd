"""The plans that are taken when none is given: weights in logic for sparse networks, else the event engine."""

from collections.abc import Sequence
from math import prod

from s2nn_hw.circuit.choices import FUSED, JOINED, MAX_WIDTH, LayerPlan, Plan
from s2nn_hw.circuit.lower import check_edges, fusible, with_buffers
from s2nn_hw.circuit.unroll.logic import TABLE_INPUTS
from s2nn_hw.cycles.buffers import safe_buffers
from s2nn_hw.errors import UserError
from s2nn_hw.family import FAMILIES
from s2nn_hw.network.layer import INPUT, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.synapse import image_shape
from s2nn_hw.plan.sequences import sequence_plan

UNROLLED_SYNAPSES = 1 << 15  # at most, in a network whose weights become logic unless a plan says otherwise


UNROLLED_SHARE = 1 / 4  # of its weights that are not zero, at most


UNROLLED_LEVELS = {6: 5, 4: 2}  # of logic between registers, by inputs of a look-up table


HIDDEN_SHARE = 2 / 3  # of the first layer's cycles at worst, that lanes shared by a hidden layer's neurons may take


WINDOW_DEPTH = 32  # words queued in front of a convolution: background is read while strokes are added


def power_of_two_at_most(n: int) -> int:
    """Return the largest power of two that is at most ``n``, 1 at least."""
    return 1 << max(0, n.bit_length() - 1)


def power_of_two_at_least(n: int) -> int:
    """Return the smallest power of two that is at least ``n``."""
    return 1 << max(0, n - 1).bit_length()


def word_widths(network: Network, *, most: int = 16, exact: bool = False) -> dict[str, int]:
    """Return a width for the words of each tensor, by name: the channels of a pixel, a power of two, at most ``most``
    (twice that for images of spikes); ``exact``: no power of two, whatever its size.

    All that read one tensor, and the sources that add up in one layer or are ORed, must agree, so such names share
    the smallest of their widths.
    """
    check_edges(network)
    widths: dict[str, int] = {}
    for name, shape in network.shapes.items():
        readers = network.readers(name)
        image = len(shape) > 1 and (name != INPUT or any(not r.synapses[0].flattens for r in readers))
        channels = image_shape(shape)[2] if image else network.size(name)
        most_here = 2 * most if image and name != INPUT else most
        widths[name] = channels if exact else min(most_here, power_of_two_at_least(channels))
    for _ in network.layers:
        for layer in network.layers:
            bound = [*layer.sources] + ([] if layer.accumulates else [layer.name])
            low = min(widths[name] for name in bound)
            widths |= dict.fromkeys(bound, low)
    return widths


def sparse(network: Network) -> bool:
    """Return whether ``network`` is made for logic: dense layers of few synapses, most of their weights zero."""
    if not all(synapse.flattens for layer in network.layers for synapse in layer.synapses):
        return False
    if not all(layer.neuron and layer.neuron.plain for layer in network.layers):
        return False
    live = sum(int((s.weights != 0).sum()) for layer in network.layers for s in layer.synapses)
    sizes = [network.size(source) for layer in network.layers for source in layer.sources]
    return live <= min(UNROLLED_SYNAPSES, UNROLLED_SHARE * network.synapse_count) and max(sizes) <= MAX_WIDTH


def collapsible(network: Network, layer: Layer) -> bool:
    """Return whether every neuron that reads ``layer`` is one table together with the neurons of ``layer`` it reads."""
    behind = network.readers(layer.name)
    if len(behind) != 1 or not all(b.synapses[0].flattens for b in (layer, *behind)) or len(layer.sources) > 1:
        return False
    if not layer.own_neuron.plain:
        return False
    live, read = layer.synapses[0].weights != 0, behind[0].synapses[0].weights != 0
    if len(behind[0].sources) > 1 or read.sum(axis=1).max() > TABLE_INPUTS:
        return False
    cones = [live[neurons].any(axis=0).sum() for neurons in read]
    return bool(max(cones) * network.read(layer).count <= TABLE_INPUTS)


def encodes(layer: Layer) -> bool:
    """Return whether ``layer`` only encodes pixels: each of its neurons compares one of them with a threshold."""
    if not layer.accumulates or layer.sources != (INPUT,) or not layer.synapses[0].flattens:
        return False
    return bool(((layer.synapses[0].weights != 0).sum(axis=1) <= 1).all())


def _table_neurons(network: Network, layer: Layer) -> bool:
    """Return whether each neuron of the dense ``layer`` reads so few bits that it is one table."""
    live = (layer.synapses[0].weights != 0).sum(axis=1).max()
    return len(layer.sources) == 1 and bool(live * network.read(layer).count <= TABLE_INPUTS)


def _joins_the_next(network: Network, layer: Layer, levels: int, before: Sequence[LayerPlan]) -> bool:
    """Return whether ``layer`` should be fused into the one behind: as one table, or as the first of two in a stage.

    ``before``: plans of the layers before it; three tables in a row have too long a way to go. A layer that encodes
    pixels stays apart, where reports count it.
    """
    if collapsible(network, layer):
        return True
    if encodes(layer) or not layer.own_neuron.plain:
        return False
    behind = network.readers(layer.name)
    if levels <= 4 or len(behind) != 1 or any(not b.synapses[0].flattens for b in (layer, *behind)):
        return False
    first = not any(choice.name in layer.sources and choice.fused for choice in before)
    return first and all(_table_neurons(network, one) for one in (layer, *behind))


def unrolled_plan(network: Network, *, lut: int, levels: int | None = None) -> Plan:
    """Return the plan with all weights in logic: a frame a cycle of a dense network, a pixel a cycle of an image.

    ``lut``: inputs of the device's look-up tables; ``levels``: of logic between registers, by default
    :data:`UNROLLED_LEVELS`. :class:`UserError` where a frame or a pixel is too wide for one word.
    """
    widths = word_widths(network, most=MAX_WIDTH, exact=True)
    levels = levels or UNROLLED_LEVELS[lut]
    layers: list[LayerPlan] = []
    for layer in network.layers:
        width = widths[layer.sources[0]]
        if width > MAX_WIDTH:
            raise UserError(f"layer {layer.name}: {width:,} inputs are too many for one word of {MAX_WIDTH:,}")
        joins = layer.accumulates and _joins_the_next(network, layer, levels, layers)
        engine = JOINED if not layer.accumulates else FUSED if joins else "unrolled"
        taps = 1 if layer.accumulates else prod(layer.synapses[0].kernel)
        layers.append(LayerPlan(layer.name, width=width, engine=engine, taps=taps, levels=levels, lut=lut))
    plan = Plan(tuple(layers))
    return with_buffers(plan, safe_buffers(network, plan))


def default_plan(network: Network, family: str) -> Plan:
    """Return the plan used on devices of ``family`` (xc7, ecp5, ...) when none is given.

    :func:`unrolled_plan` for their look-up tables if the network is :func:`sparse`, else :func:`event_plan`. Commands
    without a board take that of :data:`~s2nn_hw.family.GENERAL`. Networks of sequences have :func:`.sequence_plan`.
    """
    if network.input.sequences:
        return sequence_plan(network, family)
    return unrolled_plan(network, lut=FAMILIES[family].mapped_inputs) if sparse(network) else event_plan(network)


def event_plan(network: Network, *, input_banks: int = 2) -> Plan:
    """Return a plan with no more than one row of weights a cycle, but for a dense first layer.

    A dense first layer sees the most spikes, so it sets the frame rate; a second bank there halves its cycles for
    the same weight bits, and neurons of a hidden layer that would wait for it share their lanes (:func:`_sharing`).
    Words of 16 inputs a bank keep the priority encoder short. A convolution of pixels takes
    the parallel engine with all taps at once: pixels are dense. Max pooling is fused where it can be. Buffers before
    joins are the bound of :func:`~s2nn_hw.cycles.buffers.safe_buffers`.
    """
    widths = word_widths(network)
    layers: list[LayerPlan] = []
    for layer in network.layers:
        width = widths[layer.sources[0]]
        synapse = layer.synapses[0]
        neurons = layer.neuron.size if layer.neuron else 0
        if not layer.accumulates:
            fused = synapse.slides and fusible(network, layer)
            layers.append(LayerPlan(layer.name, width=width, engine=FUSED if fused else JOINED))
        elif layer.sources == (INPUT,) and synapse.slides:
            taps = synapse.kernel[0] * synapse.kernel[1]
            layers.append(LayerPlan(layer.name, width=width, engine="parallel", taps=taps))
        elif synapse.slides and synapse.groups == synapse.channels_in == neurons:
            groups = neurons // width if neurons % width == 0 and len(layer.sources) == 1 else 1
            taps = synapse.kernel[0] * synapse.kernel[1] if groups > 1 or neurons == width else 1
            engine = "parallel" if taps > 1 or synapse.kernel == (1, 1) else "event"
            layers.append(LayerPlan(layer.name, width=width, engine=engine, taps=taps, groups=groups))
        else:
            alone = layer.sources == (INPUT,) and len(network.readers(INPUT)) == 1 and synapse.flattens
            inputs = network.size(layer.sources[0])
            banks = input_banks if alone and inputs >= 16 * input_banks else 1
            depth = WINDOW_DEPTH if synapse.slides else 8
            groups = _sharing(network, layer, input_banks)
            layers.append(LayerPlan(layer.name, banks, width * banks if banks > 1 else width, depth, groups=groups))
    plan = Plan(tuple(layers))
    return with_buffers(plan, safe_buffers(network, plan))


def _sharing(network: Network, layer: Layer, input_banks: int) -> int:
    """Return how many neurons of the dense hidden ``layer`` share a lane, a power of two: as many as leave it at most
    :data:`HIDDEN_SHARE` of the cycles of a dense first layer, were all inputs of both active."""
    first = network.layers[0]
    dense = all(s.flattens for one in (first, layer) if one.accumulates for s in one.synapses)
    if not dense or not first.accumulates or layer is first or layer.is_readout or not layer.own_neuron.plain:
        return 1
    room = HIDDEN_SHARE * network.size(INPUT) * network.read(first).count / input_banks
    mine = sum(network.size(source) for source in layer.sources) * network.read(layer).count
    groups = power_of_two_at_most(int(room / mine))
    while layer.own_neuron.size % groups:
        groups //= 2
    return groups
