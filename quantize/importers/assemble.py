"""Operations of a foreign network put together into the float graph of our layers.

Sums of tables are one layer with the neurons behind them; factors and shifts between are its norm; a mean is the table
behind it, of cells; a maximum before neurons is one behind them, as they never fall. What can't be said so, an error
names with the place in the owner's network.
"""

import re
from dataclasses import dataclass, field, replace

import numpy as np

from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import INPUT, Input
from s2nn_hw.network.neurons.tables import MAX_FRACTION
from s2nn_hw.network.planes import MAX_RADIX, MAX_STEPS, RADIX, STEPS, Planes
from s2nn_hw.network.synapses import MaxPool, OrPool, weight_limit
from s2nn_hw.quantize.float_graph import FloatGraph, FloatLayer, FloatSynapse
from s2nn_hw.quantize.float_neurons import (
    Firing,
    FloatFire,
    FloatIntegrate,
    FloatQuantized,
    FloatReadout,
    FloatRelu,
    Norm,
)
from s2nn_hw.quantize.importers.operations import (
    ENTERING,
    Affine,
    Flatten,
    Foreign,
    IntegrateFire,
    Levels,
    Operation,
    Pool,
    Relu,
    Same,
    Shape,
    Spike,
    Sum,
    Weighted,
)
from s2nn_hw.quantize.importers.values import Given, Term, Total, as_total, plus, product, united

READOUT = "readout"
CLOSE = 1e-9  # of two numbers that are one
Value = Given | Total


@dataclass(frozen=True)
class Assembled:
    """The float graph; ``given``: what each value of the owner's is that a layer gives, ``totals``: what each is that
    waits for its neurons; ``notes``: what was changed."""

    graph: FloatGraph
    given: dict[str, Given]
    totals: dict[str, Total]
    notes: tuple[str, ...]


@dataclass
class _Work:
    bits: int
    layers: list[FloatLayer] = field(default_factory=list)
    planes: dict[str, Planes] = field(default_factory=dict)
    values: dict[str, Value] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def assemble(foreign: Foreign, classes: tuple[str, ...] | None = None, *, bits: int = 4) -> Assembled:
    """Return ``foreign`` as a float graph in float64; ``bits``: of weights that are floats; ``classes``: names.

    A :class:`UserError` names the operation that has no form here.
    """
    entering, work = foreign.entering, _Work(bits)
    image = entering.shape
    step, offset = (np.atleast_1d(np.asarray(n, np.float64)) for n in (entering.step, entering.offset))
    given_in = Input(ours(image), entering.bits, STEPS if entering.events else RADIX, signed=entering.signed)
    work.values[ENTERING], work.planes[INPUT] = Given(INPUT, image, step, offset), given_in.planes
    for operation in foreign.operations:
        try:
            work.values[operation.name] = _value(work, operation)
        except UserError as error:
            raise UserError(f"{operation.where}: {error}") from None
    _finish(work, foreign.output)
    scores = work.layers[-1].tables[0].neurons
    if classes and len(classes) != scores:
        raise UserError(f"{scores} class names wanted, {len(classes)} came: one a score")
    names = classes or tuple(map(str, range(scores)))
    graph = FloatGraph(foreign.name, given_in, _read(work.layers), names, {"source": dict(foreign.source)})
    kept = {layer.name for layer in graph.layers} | {INPUT}
    given = {n: v for n, v in work.values.items() if isinstance(v, Given) and v.name in kept}
    totals = {n: v for n, v in work.values.items() if isinstance(v, Total)}
    return Assembled(graph, given, totals, tuple(work.notes))


def ours(shape: Shape) -> Shape:
    """Return ``shape``, ``(features,)`` or ``(channels, rows, columns)``, in our order; one channel is left out."""
    return shape if len(shape) == 1 else tuple(shape[1:]) + (shape[:1] if shape[0] > 1 else ())


def _read(layers: list[FloatLayer]) -> tuple[FloatLayer, ...]:
    """Return the ``layers`` that the last one needs, in order."""
    wanted = {layers[-1].name}
    for layer in reversed(layers):
        if layer.name in wanted:
            wanted.update(layer.sources)
    return tuple(layer for layer in layers if layer.name in wanted)


def _value(work: _Work, operation: Operation) -> Value:
    what = operation.what
    sources = [work.values[name] for name in operation.sources]
    first = sources[0]
    if isinstance(what, Sum):
        return plus([as_total(value) if isinstance(value, Given) else value for value in sources])
    if isinstance(what, Weighted):
        if isinstance(first, Total):
            raise UserError(
                "it reads a sum that no neurons stand behind: put an activation or spiking neurons between the two"
            )
        return replace(product(first, what), label=operation.name)
    if isinstance(what, Affine):
        return first.scaled(*(np.atleast_1d(np.asarray(n, np.float64)) for n in (what.factor, what.shift)))
    if isinstance(what, Pool):
        return _pooled(work, operation, what, first)
    if isinstance(what, Flatten):
        return _flattened(first)
    if isinstance(what, Same) or (isinstance(what, Relu) and _never_negative(work, what, first)):
        return first
    return _fired(work, operation, what, as_total(first) if isinstance(first, Given) else first)


def _never_negative(work: _Work, what: Relu, value: Value) -> bool:
    """Return whether ReLU changes nothing of what a layer gives."""
    return (
        isinstance(value, Given)
        and value.name != INPUT
        and what.peak is None
        and bool((value.offset >= 0).all() and (value.unit > 0).all())
    )


def _flattened(value: Value) -> Value:
    if isinstance(value, Given):
        return replace(value, flat=True)
    if len(value.shape) > 1:
        raise UserError("only what neurons give can be flattened: flatten behind the activation")
    return value


def _pooled(work: _Work, operation: Operation, what: Pool, value: Value) -> Value:
    shape = value.shape
    if len(shape) != 3:
        raise UserError(f"pooling reads an image, not {shape}")
    kernel = what.kernel or (shape[1], shape[2])
    stride = what.stride or kernel
    if what.kind == "max":
        if isinstance(value, Total):
            whole = Pool("max", kernel, stride, what.padding)
            return replace(value, shape=(shape[0], *swept(whole, shape)), pools=(*value.pools, whole))
        if value.cell != (1, 1) or (value.unit <= 0).any():
            raise UserError("the maximum of means, or of what a negative factor changed, has no form here")
        return _max_pool(work, operation.name, value, Pool("max", kernel, stride, what.padding))
    if isinstance(value, Total):
        raise UserError("a mean of sums before their neurons has no form here: average behind the activation")
    if kernel != stride or any(what.padding) or shape[1] % kernel[0] or shape[2] % kernel[1]:
        raise UserError(
            f"means must be of cells side by side that divide the image {shape[1:]}, not of {kernel} {stride} apart"
        )
    found = replace(value, cell=(value.cell[0] * kernel[0], value.cell[1] * kernel[1]))
    return found.scaled(np.array([float(np.prod(kernel))]), np.zeros(1)) if what.kind == "sum" else found


def swept(window: Pool, shape: Shape) -> tuple[int, ...]:
    """Return rows and columns of what ``window`` gives of an image ``(channels, rows, columns)``."""
    assert window.kernel is not None
    assert window.stride is not None
    sizes = zip(shape[1:], window.padding, window.kernel, window.stride, strict=True)
    return tuple((n + 2 * p - k) // s + 1 for n, p, k, s in sizes)


def _max_pool(work: _Work, name: str, value: Given, pool: Pool) -> Given:
    if value.name == INPUT:
        raise UserError("max pooling of the input has no form here: pool behind the first layer, or before the images")
    kernel, stride, padding = pool.kernel, pool.stride, pool.padding
    assert kernel is not None
    assert stride is not None
    kind = MaxPool if work.planes[value.name].radix else OrPool
    layer = FloatLayer(_name(work, name), (value.name,), (kind(kernel, stride, padding),))
    work.layers.append(layer)
    work.planes[layer.name] = work.planes[value.name]
    shape = layer.output_shape([(*value.image[1:], value.image[0])])
    return replace(value, name=layer.name, image=(shape[2], *shape[:2]))


def _fired(work: _Work, operation: Operation, what: object, total: Total) -> Given:
    """Return what the neurons ``what`` give behind ``total``, as a layer."""
    neuron, unit, offset = _neuron(what, total)
    if total.pools and not getattr(neuron, "two_phase", True):
        raise UserError("max pooling before neurons with a state has no form here: pool behind them")
    terms, scale, given_up = united(total.terms)
    if isinstance(neuron, FloatQuantized | FloatIntegrate) and scale is not None:
        neuron = replace(neuron, finest=_finest(neuron.planes.peak))
    if isinstance(neuron, FloatIntegrate) and neuron.fraction is None and scale is not None:
        neuron = replace(neuron, fraction=exact_fraction(neuron, scale))
    name = _name(work, total.label or operation.name)
    if given_up:
        work.notes.append(f"{operation.where}: integer weights of different scales are added, so they are rounded anew")
    tables = tuple(replace(t, bits=work.bits) if scale is None else t for t in terms)
    work.layers.append(FloatLayer(name, tuple(term.source for term in total.terms), tables, neuron, scale))
    work.planes[name] = Planes() if isinstance(neuron, FloatRelu) else neuron.planes
    shape = work.layers[-1].output_shape([_shape_of(work, term) for term in total.terms])
    found = Given(name, shape if len(shape) == 1 else (shape[2], *shape[:2]), unit, offset)
    for number, pool in enumerate(total.pools):
        found = _max_pool(work, f"{name}_pool{number + 1 if number else ''}", found, pool)
    return found


def _finest(peak: int) -> int:
    """Return the fraction with which ``peak`` roundings of a threshold are an eighth of a weight at most."""
    return min(MAX_FRACTION, (4 * peak - 1).bit_length())


def _shape_of(work: _Work, term: Term) -> Shape:
    image = next(v.image for v in work.values.values() if isinstance(v, Given) and v.name == term.source)
    return image if len(image) == 1 else (*image[1:], image[0])


def _neuron(what: object, total: Total) -> tuple[Firing | FloatRelu, np.ndarray, np.ndarray]:
    """Return the neurons ``what`` behind ``total``, and unit and offset of what they give."""
    gain, shift, zero = total.gain, total.shift, np.zeros(1)
    if isinstance(what, Relu):
        return FloatRelu(Norm.affine(gain, shift), what.peak), np.ones(1), zero
    if isinstance(what, Spike):
        if not what.low < what.high:
            raise UserError(f"a spike must be more than none, not {what.high} and {what.low}")
        norm = Norm.affine(gain, shift - what.threshold)
        return FloatFire(norm, 0.0, what.strict), np.array([what.high - what.low]), np.array([what.low])
    if isinstance(what, Levels):
        return _levels(what, gain, shift)
    assert isinstance(what, IntegrateFire)
    return _integrate(what, gain, shift), np.ones(1), zero


def _levels(what: Levels, gain: np.ndarray, shift: np.ndarray) -> tuple[Firing, np.ndarray, np.ndarray]:
    step = np.atleast_1d(np.asarray(what.step, np.float64))
    if (step <= 0).any() or what.high <= what.low:
        raise UserError("levels must be two or more, a positive step apart")
    peak = what.high - what.low
    start = {"nearest": 0.5, "half up": 0.5, "floor": 0.0, "ceil": 1.0}[what.rounding]
    norm = Norm.affine(gain / step, shift / step + what.shift - what.low)
    unit, offset = step, step * what.low + what.offset
    if peak == 1:
        return FloatFire(norm, 1.0 - start, what.rounding == "ceil"), unit, offset
    bits = peak.bit_length()
    if peak == 2**bits - 1 and bits <= MAX_RADIX:
        planes = Planes(bits)
    elif peak <= MAX_STEPS:
        planes = Planes(peak, STEPS)
    else:
        raise UserError(f"{peak + 1} levels must be at most {MAX_STEPS + 1}, or a power of two up to {2**MAX_RADIX}")
    return FloatQuantized(norm, 1.0, planes, start, None), unit, offset


def _integrate(what: IntegrateFire, gain: np.ndarray, shift: np.ndarray) -> Firing:
    norm = Norm.affine(gain * what.gain, shift * what.gain)
    kept = 1 - 2.0**-what.leak if what.leak else 1.0
    if what.steps == 1:  # nothing is left of state but what the membrane starts from
        return FloatFire(norm, what.threshold * (1 - kept * what.start), what.strict)
    taken = what.threshold if what.taken is None else what.taken
    return FloatIntegrate(
        norm,
        taken,
        Planes(what.steps, STEPS),
        what.leak,
        what.reset,
        what.start * what.threshold / taken,
        what.threshold / taken,
        what.fraction,
        strict=what.strict,
    )


def exact_fraction(neuron: FloatIntegrate, scale: np.ndarray) -> int | None:
    """Return the least bits below a weight with which the integer tables of ``neuron`` are exact, and, as far as there
    are so many, what leaks from its membrane in all steps; None where no bits make the tables exact."""
    slope = np.abs(neuron.norm.gamma) * scale
    slope = np.where(slope > 0, slope, 1.0)
    unit = neuron.threshold / slope
    whole = np.concatenate([unit, unit * neuron.level, unit * neuron.start, neuron.norm.beta / slope])
    leaks = neuron.planes.count - (1 if neuron.start == 0 else 0)
    for fraction in range(MAX_FRACTION + 1):
        units = whole * 2**fraction
        if (np.abs(units - np.rint(units)) <= CLOSE * np.maximum(np.abs(units), 1e-3)).all():
            return min(MAX_FRACTION, fraction + neuron.leak * leaks)
    return None


def _finish(work: _Work, output: str) -> None:
    """Add the readout: the sum ``output``, or a count of the spikes that a layer gives."""
    value = work.values[output]
    if isinstance(value, Given):
        if value.name == INPUT or len(value.shape) != 1:
            raise UserError(f"the output must be scores, a number a class, not {value.shape}")
        value = as_total(value)
        work.notes.append("the output is what neurons give: the readout counts it, class by class")
    if value.pools or len(value.shape) != 1:
        raise UserError(f"the output must be scores, a number a class, not {value.shape}")
    if value.shape == (1,):
        raise UserError("one score has no class to choose: give two, of a yes or no 0 and this one")
    terms, scale = _readout_tables(work, value)
    times = work.planes[terms[0].source].count if _over_steps(work, terms[0].source) else 1
    tables, bias = tuple(term.synapse for term in terms), value.shift * times
    if scale is not None:
        tables, scale, bias = finer(tables, scale, bias)
    sources = tuple(term.source for term in terms)
    work.layers.append(FloatLayer(READOUT, sources, tables, FloatReadout(bias), scale))


def finer(
    tables: tuple[FloatSynapse, ...], scale: np.ndarray, bias: np.ndarray
) -> tuple[tuple[FloatSynapse, ...], np.ndarray, np.ndarray]:
    """Return integer tables of scores, their scale ``(1,)`` and a bias, of which the classes are those of real numbers.

    Sums of integers are integers, so a fraction of a bias only decides between equal ones: weights are multiplied by a
    power of two, and each fraction becomes its rank below that. Where weights have no bits left for all ranks, the bias
    is rounded to what there is.
    """
    real = bias / scale
    if (np.abs(real - np.rint(real)) < CLOSE).all():
        return tables, scale, scale * np.rint(real)
    whole = np.floor(real + CLOSE)
    ranks = np.unique(np.round(real - whole, 9), return_inverse=True)[1]
    most = max(float(np.abs(table.weights).max()) for table in tables)
    room = int(np.log2(weight_limit(8) / max(most, 1)))
    times = 2 ** min(room, int(ranks.max()).bit_length())
    fine = whole * times + ranks if times > ranks.max() else np.rint(real * times)
    wider = tuple(replace(t, weights=t.weights * times, bits=_bits(t.weights * times)) for t in tables)
    return wider, scale / times, scale / times * fine


def _bits(weights: np.ndarray) -> int:
    return next(bits for bits in range(2, 9) if np.abs(weights).max() <= weight_limit(bits))


def _over_steps(work: _Work, source: str) -> bool:
    by_name = {layer.name: layer for layer in work.layers}
    while source in by_name and by_name[source].neuron is None:
        source = by_name[source].sources[0]
    if source == INPUT:
        return not work.planes[INPUT].radix
    return isinstance(by_name[source].neuron, FloatIntegrate)


def _readout_tables(work: _Work, value: Total) -> tuple[tuple[Term, ...], np.ndarray | None]:
    """Return the terms with the gain in them, and their one scale, or None of floats."""
    synapses, scale, given_up = united(value.terms)
    positive = scale is not None and np.unique(np.broadcast_to(scale, value.gain.shape) * value.gain).size == 1
    if scale is not None and positive and value.gain[0] > 0:
        terms = tuple(replace(t, synapse=s) for t, s in zip(value.terms, synapses, strict=True))
        return terms, np.atleast_1d(scale[0] * value.gain[0])
    factor = value.gain if scale is None else value.gain * scale
    if given_up or scale is not None:
        work.notes.append("readout: its integer weights have a scale each, so they are rounded anew with one for all")
    terms = tuple(
        replace(t, scale=None, synapse=replace(s, bits=work.bits, weights=s.weights * _lined(factor, s.weights.ndim)))
        for t, s in zip(value.terms, synapses, strict=True)
    )
    return terms, None


def _lined(factor: np.ndarray, axes: int) -> np.ndarray:
    return factor.reshape(-1, *[1] * (axes - 1))


def _name(work: _Work, wanted: str) -> str:
    """Return a name for a layer that says ``wanted``, new and as networks want names."""
    return layer_name(wanted, {layer.name for layer in work.layers})


def layer_name(wanted: str, names: set[str]) -> str:
    """Return a name that says ``wanted``, as networks want names, and is none of ``names``."""
    plain = re.sub(r"[^a-z0-9_]+", "_", wanted.lower()).strip("_") or "layer"
    plain = (plain if plain[0].isalpha() else f"layer_{plain}")[:32].rstrip("_")
    taken = names | {INPUT, READOUT}
    found, number = plain, 2
    while found in taken:
        found, number = f"{plain[: 31 - len(str(number))]}_{number}", number + 1
    return found


def unsupported(problems: list[str], known: str) -> UserError:
    """Return the error that lists the first of what a reader can't take; ``known``: what it takes."""
    more = f"; and {len(problems) - 4} more" if len(problems) > 4 else ""
    return UserError(f"{'; '.join(problems[:4])}{more} (supported: {known})")
