"""Energy of the arithmetic and of its memory, an estimate: counted operations and bits times their cost in 45 nm.

    this network   E = sum over layers of (S + N (1 + g)) * e_add(a) + (S * b + X) * e_bit(m) + N * p * e_bit(x)
    float, int8    E = sum over layers of C * (e_multiply + e_add) + N * e_add + (C + X) * w * e_bit + N * w * e_bit
    binary         E = sum over layers of C * k * (e_xnor + e_count) + N * e_add + (C + X) * e_bit + N * e_bit
    T steps        T times the mean plane of this network, and 2 * T * N * (a + log2 T / P) * e_bit for the membranes

S: synaptic operations of real spikes, of all planes, C: connections, N: neurons at all positions (one bias or threshold
each), g: their actions in a frame (reset, leak, bias of a step, bits of a number: an addition each), p: planes that
leave, P: planes of spikes that come (1 of pixels: each step sees them whole), b: bits of a weight, a: of an
accumulator, k: bits or steps of a pixel (1 behind the first layer), w: of a number, X: bits of what
the windows read (every tap, spike or not, once for all output channels), m and x: size of the layer's weights and of
its input. A weight is read from memory for every operation, an accumulator stays in a register; both hold for all, but
where this network's weights are logic nothing is read.

This network keeps no membrane in memory, however many steps it has: time is innermost, and a membrane stays in its
accumulator. The rows "SNN, T steps" are what others do, layer after layer in each of T steps. A step has as many spikes
as a plane of this network has on average, so a network of 4 steps stands beside its own arithmetic in "SNN, 4 steps",
with membranes in memory as the only difference, but for its actions, of which a step there has one.

Constants: M. Horowitz, "Computing's energy problem (and what we can do about it)", ISSCC 2014, 45 nm.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import pairwise
from math import ceil, log2, prod, sqrt

from s2nn_hw.circuit.engines import ENGINES
from s2nn_hw.network.layer import INPUT
from s2nn_hw.report.quantities import Json, column, significant, table, widest
from s2nn_hw.report.sections.layers import LayerRow

Ends = tuple[float, float, float]  # low, value, high

SOURCE = "M. Horowitz, ISSCC 2014, 45 nm"


@dataclass(frozen=True)
class Picojoules:
    """Energy of one operation, pJ."""

    fp32_multiply: float = 3.7
    fp32_add: float = 0.9
    int32_multiply: float = 3.1
    int32_add: float = 0.1
    int8_multiply: float = 0.2
    int8_add: float = 0.03


PJ = Picojoules()
SRAM = ((8 * 8192, 10.0), (32 * 8192, 20.0), (1024 * 8192, 100.0))  # (bits, pJ of a 64-bit access)
WORD = 64
STEPS = (2, 4, 8)
COUNTS = ("additions", "multiplications", "bit_operations", "memory_reads", "memory_writes")
LEFT_OUT = (
    "clock, leakage, wires between layers, control, tables of thresholds, argmax, links; "
    "on an FPGA these are most of the power"
)
COUNT = PJ.int8_add / 8  # one full adder of the 8-bit addition
# (low, value, high) pJ per bit of an XNOR and its place in a popcount of n bits, which takes fewer than n full adders
BINARY = (PJ.int32_add / 32, 1.5 * COUNT, 3 * COUNT)


def add_pj(bits: float) -> float:
    """Return pJ of an integer addition of so many bits: on the line through the published 8 and 32 bits."""
    share = min(1, max(0, (bits - 8) / 24))
    return PJ.int8_add + share * (PJ.int32_add - PJ.int8_add)


def access_pj(bits: float) -> float:
    """Return pJ to read or write 64 bits in a memory of ``bits``: linear in log2 of the size between the published
    sizes, the smallest one's for smaller memories, the last slope for larger ones."""
    if bits <= SRAM[0][0]:
        return SRAM[0][1]
    pairs = list(pairwise(SRAM))
    (small, low), (large, high) = next((pair for pair in pairs if bits <= pair[1][0]), pairs[-1])
    return low + (high - low) * log2(bits / small) / log2(large / small)


def access_band(bits: float, whole: float) -> Ends:
    """Return ``(low, value, high)`` pJ of 64 bits in a memory of ``bits``: cut into the smallest published memories
    (a smaller one still by the square root of its size, to an eighth at least), as it is, and as part of a single
    memory of ``whole`` bits."""
    small, pj = SRAM[0]
    return pj * max(1 / 8, sqrt(min(1, bits / small))), access_pj(bits), access_pj(max(bits, whole))


@dataclass(frozen=True)
class Part:
    """What of a layer takes energy in a frame.

    name               of the layer
    connections        weights, each at every position at which it is used; 0 where nothing is added
    operations         synaptic operations of real spikes
    active_taps        ones read, each for every window that covers it
    neurons, channels  of the output: at all positions, and at one
    inputs, planes     values read, and planes of each
    slots              in which they are read, a spike in one of them; 0: as numbers
    waiting            read slot by slot from memory, where they wait as numbers
    entering           the network's input is read
    pixels             they are pixels, whose planes are bits
    planes_out         of a value that leaves, or its slots
    actions            of a neuron in a frame, additions
    bits, weights      of a weight, and how many there are
    accumulator        bits of the widest
    wired              weights are logic
    """

    name: str
    connections: int
    operations: float
    active_taps: float
    neurons: int
    channels: int
    inputs: int
    planes: int = 1
    slots: int = 0
    waiting: bool = False
    entering: bool = True
    pixels: bool = True
    planes_out: int = 1
    actions: int = 0
    bits: int = 0
    weights: int = 0
    accumulator: int = 0
    wired: bool = False

    @classmethod
    def of(cls, row: LayerRow) -> "Part":
        """Return that of a layer of the report."""
        stage, weights, entering = row.stage, row.stage.weights, row.stage.sources == (INPUT,)
        pixels = entering and stage.time.reads.radix
        part = cls(
            name=row.name,
            connections=stage.connections,
            operations=row.work.synaptic_operations,
            active_taps=row.work.active_taps,
            neurons=prod(stage.shape),
            channels=stage.shape[-1],
            inputs=stage.inputs,
            planes=stage.time.reads.count,
            slots=stage.time.slots_read,
            waiting=bool(stage.windows),
            entering=entering,
            pixels=pixels,
            planes_out=stage.time.planes_out or 1,
            actions=stage.time.actions,
            wired=stage.engine in ENGINES and ENGINES[stage.engine].constant,
        )
        if weights is None:
            return part
        return replace(
            part,
            # bits of pixels are wires where weights are logic, and passes may be slots
            planes=min(weights.bit_planes, part.planes) if pixels else part.planes,
            bits=weights.bits,
            weights=weights.synapses,
            accumulator=weights.accumulator_bits[1],
        )

    @property
    def repeats(self) -> int:
        """Planes of spikes, or slots, of which each is like a step: all but those of pixels."""
        return 1 if self.pixels else self.slots or self.planes

    @property
    def held(self) -> int:
        """Bits of an input where it is read: one where spikes come in their slots."""
        return 1 if self.slots and not self.waiting else self.planes

    @property
    def looked_at(self) -> int:
        """Bits of an input that are read in a frame: what is held, once a slot."""
        return self.held * (self.slots or 1)

    @property
    def entering_bits(self) -> int:
        """Bits of an input of a network whose activations are a bit: those of the input, 1 behind the first layer."""
        return self.planes if self.entering else 1

    @property
    def taps(self) -> float:
        """Taps that the windows read, spike or not: each is read once for all output channels."""
        fan_out = self.operations / self.active_taps if self.active_taps else self.channels
        return self.connections / fan_out

    @property
    def fan_in(self) -> float:
        """Connections of a neuron."""
        return max(1, self.connections / self.neurons)


@dataclass(frozen=True)
class _Cost:
    """Counts of a layer; ``stored`` bits of weights; ``moved``: bits and size of their memory; pJ of ``arithmetic``."""

    additions: float
    multiplications: float
    bit_operations: float
    memory_reads: float
    memory_writes: float
    stored: float
    moved: tuple[tuple[float, float], ...]
    arithmetic: Ends


Charge = Callable[[Part], _Cost]


def arithmetic(parts: Sequence[Part]) -> Json:
    """Return the JSON-able estimate for the layers ``parts``, in order.

    The result: ``constants``, ``left_out``, ``models`` and ``layers``, tables of :mod:`..quantities`. A row's
    ``low_nj`` and ``high_nj`` are the ends of its total.
    """
    rows = _models([part for part in parts if part.connections])
    counted = "real spikes (this network, SNN), connections (the others)"
    columns = (
        {"operations": column("", "formula")}
        | {key: column("bits" if key.startswith("memory") else "operations", "formula", counted) for key in COUNTS}
        | _columns(rows)
        | {
            key: column("", "estimate", by="over this network", band=widest(rows, "total_nj"))
            for key in ("to_network", "arithmetic_to_network")
        }
    )
    return {
        "constants": {
            "source": SOURCE,
            "picojoules": asdict(PJ),
            "binary_bit_pj": list(BINARY),
            "sram": [{"bits": bits, "access_bits": WORD, "pj": pj} for bits, pj in SRAM],
        },
        "left_out": LEFT_OUT,
        "models": table(columns, [{key: row[key] for key in ("name", *columns)} for row in rows]),
        "layers": _layers(parts),
    }


def _models(parts: Sequence[Part]) -> list[Json]:
    """Return a row per way to compute the same topology, this network's first."""
    models: list[tuple[str, str, Charge]] = [
        ("this network", "additions, one per synapse and spike", _spikes),
        ("float32 ANN", "multiplications and additions, every synapse", _float),
        ("int8 ANN", "8-bit multiplications, additions, every synapse", _integer),
        ("binary network", "XNOR and popcount, a bit per synapse and bit or step of the input", _binary),
        *(
            (f"SNN, {steps} steps", "additions, membranes kept from step to step", partial(_steps, steps=steps))
            for steps in STEPS
        ),
    ]
    rows = []
    for name, operations, charge in models:
        costs = [charge(part) for part in parts]
        counts = {key: significant(sum(getattr(cost, key) for cost in costs)) for key in COUNTS}
        rows.append({"name": name, "operations": operations} | counts | _nj(costs, costs))
    for row in rows:
        for key, part in (("to_network", "total_nj"), ("arithmetic_to_network", "arithmetic_nj")):
            row[key] = significant(row[part] / rows[0][part], 4) if rows[0][part] else None
    return rows


def _spikes(part: Part) -> _Cost:
    """Return the cost of this network: real spikes of all planes are added, and its neurons act."""
    weights, read, outputs = part.weights * part.bits, part.taps * part.looked_at, part.neurons * part.planes_out
    return _cost(
        part.operations + part.neurons * (1 + part.actions),
        (PJ.int8_add, add_pj(part.accumulator), PJ.int32_add),
        reads=() if part.wired else ((part.operations * part.bits, weights), (read, part.inputs * part.held)),
        writes=((outputs, outputs),),
        stored=weights,
    )


def _steps(part: Part, steps: int) -> _Cost:
    """Return the cost of so many steps, each with the spikes of a mean plane of this network."""
    # the sums of more steps than there are planes are larger, and a neuron's state waits in memory
    width = part.accumulator + max(0, ceil(log2(steps / part.repeats)))
    state = (steps * part.neurons * width, part.neurons * width)
    share, weights = steps / part.repeats, part.weights * part.bits
    planes = part.planes if part.pixels else part.repeats
    reads = (share * part.operations * part.bits, weights), (share * part.taps * planes, part.inputs * planes)
    return _cost(
        share * part.operations + steps * part.neurons,
        (PJ.int8_add, add_pj(width), PJ.int32_add),
        reads=(*(() if part.wired else reads), state),
        writes=((steps * part.neurons, part.neurons), state),
        stored=weights,
    )


def _float(part: Part) -> _Cost:
    """Return the cost in 32-bit floating point."""
    return _numbers(part, 32, PJ.fp32_multiply, (PJ.fp32_add, PJ.fp32_add, PJ.fp32_add))


def _integer(part: Part) -> _Cost:
    """Return the cost in 8-bit integers."""
    # the sum of products of 16 bits is as wide as the fan-in asks for
    return _numbers(part, 8, PJ.int8_multiply, (PJ.int8_add, add_pj(16 + log2(part.fan_in)), PJ.int32_add))


def _numbers(part: Part, width: int, multiply: float, each: Ends) -> _Cost:
    """Return the cost where every synapse multiplies numbers of ``width`` bits; pJ of that, and of an addition."""
    weights, outputs = part.weights * width, part.neurons * width
    return _cost(
        part.connections + part.neurons,
        each,
        multiplications=part.connections,
        multiply=multiply,
        reads=((part.connections * width, weights), (part.taps * width, part.inputs * width)),
        writes=((outputs, outputs),),
        stored=weights,
    )


def _binary(part: Part) -> _Cost:
    """Return the cost where synapses and activations are a bit."""
    return _cost(
        part.neurons,
        (PJ.int8_add, add_pj(1 + log2(part.fan_in)), PJ.int32_add),
        pairs=part.connections * part.entering_bits,
        reads=((part.connections, part.weights), (part.taps * part.entering_bits, part.inputs * part.entering_bits)),
        writes=((part.neurons, part.neurons),),
        stored=part.weights,
    )


def _cost(
    additions: float,
    each: Ends,
    *,
    reads: Sequence[tuple[float, float]],
    writes: Sequence[tuple[float, float]],
    stored: float,
    multiplications: float = 0,
    multiply: float = 0.0,
    pairs: float = 0,
) -> _Cost:
    """Return the cost of ``additions`` (pJ of ``each``), ``multiplications`` and ``pairs`` of bits.

    ``reads``, ``writes``: pairs of bits and size of their memory; ``stored``: bits of the weights.
    """
    fixed = multiplications * multiply
    low, value, high = (fixed + additions * a + pairs * b for a, b in zip(each, BINARY, strict=True))
    return _Cost(
        additions=additions,
        multiplications=multiplications,
        bit_operations=pairs,
        memory_reads=sum(bits for bits, _ in reads),
        memory_writes=sum(bits for bits, _ in writes),
        stored=stored,
        moved=(*reads, *writes),
        arithmetic=(low, value, high),
    )


def _nj(costs: Sequence[_Cost], everything: Sequence[_Cost]) -> Json:
    """Return nJ of ``costs``; a single memory would hold the weights of ``everything``."""
    whole = sum(cost.stored for cost in everything)
    added = [sum(cost.arithmetic[k] for cost in costs) / 1000 for k in range(3)]
    moved = [
        sum(bits / WORD * access_band(size, whole)[k] for cost in costs for bits, size in cost.moved) / 1000
        for k in range(3)
    ]
    low, total, high = (significant(a + m) for a, m in zip(added, moved, strict=True))
    return {
        "arithmetic_nj": significant(added[1]),
        "memory_nj": significant(moved[1]),
        "total_nj": total,
        "low_nj": low,
        "high_nj": high,
    }


def _columns(rows: Sequence[Json]) -> Json:
    """Return the columns of :func:`_nj`, with the band that holds every row's ends."""
    made = column(
        "nJ", "estimate", by=f"{SOURCE}; low and high are the ends of a row's own total", band=widest(rows, "total_nj")
    )
    return dict.fromkeys(("arithmetic_nj", "memory_nj", "total_nj", "low_nj", "high_nj"), made)


def _layers(parts: Sequence[Part]) -> Json:
    """Return the table of this network's layers."""
    costs = [[_spikes(part)] if part.connections else [] for part in parts]
    everything = [cost for several in costs for cost in several]
    rows = [
        {"name": part.name, "synaptic_operations": part.operations} | _nj(several, everything)
        for part, several in zip(parts, costs, strict=True)
    ]
    return table({"synaptic_operations": column("operations", "golden model")} | _columns(rows), rows)
