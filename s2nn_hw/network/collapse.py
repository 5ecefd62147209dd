"""Counts carried as numbers, or numbers as counts: the same scores from fewer planes, or from literal spikes.

    literal     ``quantized`` of code steps, T = 2^K - 1: the count ``clip(floor(m / theta), 0, T)``, a spike a step
    collapsed   ``quantized`` of code radix, K planes: the same number, ``clip(floor(m / theta), 0, 2^K - 1)``

Who reads such a layer must take the sum over all planes (``two_phase``), or the largest count: spikes of ``quantized``
come first in their frame, so the OR of each step over a cell (``orpool``) has the spikes of its largest count, as
``maxpool`` has the largest number. Then every sum behind is the same integer, and so is every score.
"""

from collections.abc import Callable
from dataclasses import replace

from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.quantized import Quantized
from s2nn_hw.network.planes import MAX_RADIX, MAX_STEPS, RADIX, STEPS, Planes
from s2nn_hw.network.synapses import MaxPool, OrPool

NAME = 64  # characters of a network's name
FORMS = ("collapsed", "literal")


def collapse(network: Network) -> Network:
    """Return ``network`` with all counts of hidden layers, T = 2^K - 1 steps each, as K planes of a number.

    :class:`UserError` names the first layer where that would be another network, and where no layer has several steps.
    """
    return _changed(network, STEPS, _bits, "collapsed")


def expand(network: Network) -> Network:
    """Return ``network`` with all numbers of hidden layers, K planes each, as counts of T = 2^K - 1 steps.

    :class:`UserError` names the first layer where that would be another network, and where no layer has several planes.
    """
    return _changed(network, RADIX, _steps, "literal")


def counterpart(network: Network) -> Network | None:
    """Return the collapsed form of ``network``, or the literal one, whichever there is; None: neither."""
    for change in (collapse, expand):
        try:
            return change(network)
        except UserError:
            continue
    return None


def is_literal(network: Network) -> bool:
    """Return whether a hidden layer has several steps."""
    return any(not network.planes[layer.name].radix for layer in network.layers if not layer.is_readout)


def _bits(steps: int) -> Planes:
    """Return the planes that hold counts of ``steps``."""
    bits = (steps + 1).bit_length() - 1
    if steps + 1 != 1 << bits or bits > MAX_RADIX:
        near = [(1 << k) - 1 for k in range(2, 6)]
        raise UserError(
            f"has {steps} steps, and only counts of {', '.join(map(str, near))} steps fill the bits of a number"
        )
    return Planes(bits, RADIX)


def _steps(bits: int) -> Planes:
    """Return the steps that count as far as ``bits`` do."""
    if (1 << bits) - 1 > MAX_STEPS:
        raise UserError(f"has numbers of {bits} bits, and {(1 << bits) - 1} steps are more than {MAX_STEPS}")
    return Planes((1 << bits) - 1, STEPS)


def _changed(network: Network, code: str, planes_of: Callable[[int], Planes], word: str) -> Network:
    """Return ``network`` with ``planes_of`` the planes of code ``code`` of each hidden tensor, called what ``word``
    says."""
    found = {x.name for x in network.layers if not x.is_readout and network.planes[x.name].count > 1}
    found = {name for name in found if network.planes[name].code == code}
    if not found:
        what = "steps" if code == STEPS else "bits"
        raise UserError(f"network {network.name} can't be {word}: no layer behind the input gives several {what}")
    layers = []
    for layer in network.layers:
        try:
            layers.append(_layer(network, layer, found, planes_of))
        except UserError as error:
            raise UserError(f"network {network.name} can't be {word}: layer {layer.name} {error}") from None
    origin = {"name": network.name, "digest": network.digest}
    return Network(
        _named(network.name, word),
        network.input,
        tuple(layers),
        network.classes,
        network.provenance | {f"{word}_from": origin},
    )


def _named(name: str, word: str) -> str:
    """Return ``name`` with the form ``word`` behind it, so that both forms' builds and reports can be told apart.

    The way back takes the other form's word off again: there and back is the network itself, digest and all.
    """
    (other,) = (f"-{form}" for form in FORMS if form != word)
    return (
        name.removesuffix(other) if name.endswith(other) and name != other else f"{name[: NAME - len(word) - 1]}-{word}"
    )


def _layer(network: Network, layer: Layer, found: set[str], planes_of: Callable[[int], Planes]) -> Layer:
    """Return ``layer`` with other planes where its tensor is ``found``; the error continues "layer NAME "."""
    behind = any(source in found for source in layer.sources)
    synapses, neuron = layer.synapses, layer.neuron
    if neuron is None and behind:
        (join,) = synapses
        if not isinstance(join, MaxPool):
            raise UserError(f"joins spikes by {join.kind!r}, which the numbers have no counterpart of")
        kind = MaxPool if isinstance(join, OrPool) else OrPool
        synapses = (kind(join.size, join.stride, join.padding),)
    if neuron is not None and behind and not neuron.two_phase:
        many = network.read(layer)
        how = "the sum of each step" if not many.radix else "the same number in every step"
        raise UserError(f"({neuron.kind}) sees {how}, not counts alone")
    if neuron is not None and layer.name in found:
        if neuron.first_spike_slots:
            raise UserError(f"({neuron.kind}) gives the slot of one spike, not counts")
        if not isinstance(neuron, Quantized):
            raise UserError(f"({neuron.kind}) gives spikes in steps of their own, not counts alone")
        planes = planes_of(neuron.steps)
        try:
            neuron = replace(neuron, steps=planes.count, code=planes.code)
        except UserError as error:
            raise UserError(f"can't have {planes}: {error}") from None
    return Layer(layer.name, synapses, neuron, layer.sources, layer.delays)
