"""The shapes of a network's tensors, followed from the input on."""

import math
from collections.abc import Mapping, Sequence

from s2nn_hw.errors import UserError, listed, quoted
from s2nn_hw.network.layer import INPUT, Layer
from s2nn_hw.network.planes import Planes

MAX_VALUES = 1 << 22  # values of one layer in one frame
MAX_SOURCES = 64


def checked_shape(layer: Layer, shapes: Mapping[str, tuple[int, ...]], names: Sequence[str]) -> tuple[int, ...]:
    """Return the output shape of ``layer`` behind tensors of ``shapes`` (by name); errors name the layer."""
    if len(layer.sources) > MAX_SOURCES:
        raise UserError(f"layer {layer.name}: at most {MAX_SOURCES} sources, not {len(layer.sources):,}")
    if any(layer.delays) and not layer.accumulates:
        raise UserError(f"layer {layer.name}: only what weights read can be delayed")
    if all(layer.lags):
        raise UserError(f"layer {layer.name}: one of its sources must not be delayed")
    for source, delay in zip(layer.sources, layer.lags, strict=True):
        if delay and source in names[:-1]:
            continue  # looked at when all shapes are known
        if source not in shapes:
            where = "comes later, and a network has no cycles without a delay" if source in names else "does not exist"
            raise UserError(f"layer {layer.name}: source {quoted(source)} {where}; known here: {listed(shapes)}")
    if INPUT in layer.sources and (len(layer.sources) > 1 or not layer.accumulates):
        raise UserError(
            f"layer {layer.name}: the image is read by weights, without another source, "
            f"not by sources {listed(layer.sources)}"
        )
    now = [k for k, delay in enumerate(layer.lags) if not delay]
    try:
        if not layer.accumulates:
            return _within_limit(layer.synapses[0].output_shape(*(shapes[source] for source in layer.sources)))
        if len(layer.sources) != len(layer.synapses):
            raise UserError(f"{len(layer.synapses)} weight tables, but {len(layer.sources)} sources")
        results = [_output_shape(layer, k, shapes) for k in now]
        if len(set(results)) > 1:
            came = " and ".join(
                f"{list(r)} from {s}" for r, s in zip(results, (layer.sources[k] for k in now), strict=True)
            )
            raise UserError(f"all sources must give one shape to add up, not {came[:200]}")
        return _within_limit(results[0])
    except UserError as error:
        raise UserError(f"layer {layer.name}: {error}") from None


def _within_limit(shape: tuple[int, ...]) -> tuple[int, ...]:
    if math.prod(shape) > MAX_VALUES:
        raise UserError(f"an output of shape {list(shape)} has more than {MAX_VALUES:,} values")
    return shape


def check_delayed(layer: Layer, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise :class:`UserError` unless what the delayed sources of ``layer`` add has the shape of the others."""
    for k, (source, delay) in enumerate(zip(layer.sources, layer.lags, strict=True)):
        if not delay:
            continue
        try:
            came = _output_shape(layer, k, shapes)
        except UserError as error:
            raise UserError(f"layer {layer.name}: {error}") from None
        if came != shapes[layer.name]:
            raise UserError(
                f"layer {layer.name}: all sources must give one shape to add up, not {list(came)} from {source}"
            )


def _output_shape(layer: Layer, k: int, shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    """Return the shape that source ``k`` of ``layer`` gives behind its synapse."""
    source = layer.sources[k]
    try:
        return layer.synapses[k].output_shape(shapes[source])
    except UserError as error:
        raise UserError(str(error).replace("{source}", source)) from None


def checked_planes(layer: Layer, planes: Mapping[str, Planes]) -> dict[str, Planes]:
    """Return ``{name: planes}`` of what leaves ``layer`` (none of scores), behind tensors of ``planes`` (by name);
    :class:`UserError` names the layer where it can't read them."""
    came = {source: planes[source] for source in layer.sources}
    first = came[layer.sources[0]]
    if len(set(came.values())) > 1:
        listing = " and ".join(f"{p} from {s}" for s, p in came.items())
        raise UserError(f"layer {layer.name}: all sources must have the same planes, not {listing[:200]}")
    try:
        if layer.neuron:
            layer.neuron.check_source(first)
        else:
            layer.synapses[0].check_planes(first)
    except UserError as error:
        raise UserError(f"layer {layer.name}: {error} (from {layer.sources[0]})") from None
    if layer.neuron:
        return {layer.name: layer.neuron.planes} if layer.neuron.fires else {}
    return {layer.name: first}
