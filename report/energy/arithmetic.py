"""Energy of the arithmetic and of its memory, an estimate: counted operations and bits times their cost in 45 nm.

    this network   E = sum over layers of (S + N) * e_add(a) + (S * b + X) * e_bit(m) + N * e_bit(x)
    float, int8    E = sum over layers of C * (e_multiply + e_add) + N * e_add + (C + X) * w * e_bit + N * w * e_bit
    binary         E = sum over layers of C * k * (e_xnor + e_count) + N * e_add + (C + X) * e_bit + N * e_bit
    T steps        T times this network, and 2 * T * N * (a + log2 T) * e_bit for the membranes

S: synaptic operations of real spikes, C: connections, N: neurons at all positions (one bias or threshold each), b:
bits of a weight, a: of an accumulator, k: of a pixel (1 behind the first layer), w: of a number, X: bits of what
the windows read (every tap, spike or not, once for all output channels), m and x: size of the layer's weights and of
its input. A weight is read from memory for every operation, an accumulator stays in a register; both hold for all, but
where this network's weights are logic nothing is read.

Constants: M. Horowitz, "Computing's energy problem (and what we can do about it)", ISSCC 2014, 45 nm.
"""

from functools import partial
from itertools import pairwise
from math import ceil, log2, prod, sqrt

from s2nn_hw.report.quantities import column, significant, table, widest

SOURCE = "M. Horowitz, ISSCC 2014, 45 nm"
PJ = {
    "fp32_multiply": 3.7,
    "fp32_add": 0.9,
    "int32_multiply": 3.1,
    "int32_add": 0.1,
    "int8_multiply": 0.2,
    "int8_add": 0.03,
}
SRAM = ((8 * 8192, 10.0), (32 * 8192, 20.0), (1024 * 8192, 100.0))  # (bits, pJ of a 64-bit access)
WORD = 64
STEPS = (2, 4, 8)
COUNTS = ("additions", "multiplications", "bit_operations", "memory_reads", "memory_writes")
LEFT_OUT = (
    "clock, leakage, wires between layers, control, tables of thresholds, argmax, links; "
    "on an FPGA these are most of the power"
)
COUNT = PJ["int8_add"] / 8  # one full adder of the 8-bit addition
# (low, value, high) pJ per bit of an XNOR and its place in a popcount of n bits, which takes fewer than n full adders
BINARY = (PJ["int32_add"] / 32, 1.5 * COUNT, 3 * COUNT)


def add_pj(bits):
    """Return pJ of an integer addition of so many bits: on the line through the published 8 and 32 bits."""
    share = min(1, max(0, (bits - 8) / 24))
    return PJ["int8_add"] + share * (PJ["int32_add"] - PJ["int8_add"])


def access_pj(bits):
    """Return pJ to read or write 64 bits in a memory of ``bits``: linear in log2 of the size between the published
    sizes, the smallest one's for smaller memories, the last slope for larger ones."""
    if bits <= SRAM[0][0]:
        return SRAM[0][1]
    pairs = list(pairwise(SRAM))
    (small, low), (large, high) = next((pair for pair in pairs if bits <= pair[1][0]), pairs[-1])
    return low + (high - low) * log2(bits / small) / log2(large / small)


def access_band(bits, whole):
    """Return ``(low, value, high)`` pJ of 64 bits in a memory of ``bits``: cut into the smallest published memories
    (a smaller one still by the square root of its size, to an eighth at least), as it is, and as part of a single
    memory of ``whole`` bits."""
    small, pj = SRAM[0]
    return pj * max(1 / 8, sqrt(min(1, bits / small))), access_pj(bits), access_pj(max(bits, whole))


def arithmetic(layers):
    """Return the JSON-able estimate for ``layers``.

    ``layers``: rows in order with ``name``, ``connections``, ``synaptic_operations`` and ``active_taps`` (per image),
    ``shape`` (of the output), ``inputs``, and where something is added ``bits``, ``synapses``,
    ``accumulator_bits`` (narrowest, widest), ``bit_planes``. The result: ``constants``, ``left_out``, ``models``
    and ``layers``, tables of :mod:`..quantities`. A row's ``low_nj`` and ``high_nj`` are the ends of its total.
    """
    parts = [_Part(row) for row in layers if row["connections"]]
    models = [
        ("this network", "additions, one per synapse and spike", _spikes),
        ("float32 ANN", "multiplications and additions, every synapse", _float),
        ("int8 ANN", "8-bit multiplications, additions, every synapse", _integer),
        ("binary network", "XNOR and popcount, a bit per synapse and pixel bit", _binary),
        *(
            (f"SNN, {steps} steps", "additions, membranes kept from step to step", partial(_spikes, steps=steps))
            for steps in STEPS
        ),
    ]
    rows = []
    for name, operations, charge in models:
        costs = [charge(part) for part in parts]
        counts = {key: significant(sum(cost[key] for cost in costs)) for key in COUNTS}
        rows.append({"name": name, "operations": operations} | counts | _nj(costs, costs))
    for row in rows:
        for key, part in (("to_network", "total_nj"), ("arithmetic_to_network", "arithmetic_nj")):
            row[key] = significant(row[part] / rows[0][part], 4) if rows[0][part] else None
    counted = {"source": "formula", "by": "real spikes (this network, SNN), connections (the others)"}
    columns = (
        {"operations": column("", "formula")}
        | {key: column("bits" if key.startswith("memory") else "operations", **counted) for key in COUNTS}
        | _columns(rows)
        | {
            key: column("", "estimate", by="over this network", band=widest(rows, "total_nj"))
            for key in ("to_network", "arithmetic_to_network")
        }
    )
    return {
        "constants": {
            "source": SOURCE,
            "picojoules": PJ,
            "binary_bit_pj": list(BINARY),
            "sram": [{"bits": bits, "access_bits": WORD, "pj": pj} for bits, pj in SRAM],
        },
        "left_out": LEFT_OUT,
        "models": table(columns, [{key: row[key] for key in ("name", *columns)} for row in rows]),
        "layers": _layers(layers),
    }


class _Part:
    """What of a layer's row counts: connections, spikes, neurons, taps, widths and sizes."""

    def __init__(self, row):
        self.connections, self.operations = row["connections"], row["synaptic_operations"]
        self.neurons, self.inputs, self.planes = prod(row["shape"]), row["inputs"], row["bit_planes"]
        self.bits, self.accumulator = row["bits"], row["accumulator_bits"][1]
        self.weights, self.wired = row["synapses"], row.get("engine") == "unrolled"
        fan_out = row["synaptic_operations"] / row["active_taps"] if row["active_taps"] else row["shape"][-1]
        self.taps = row["connections"] / fan_out  # each is read once for all output channels
        self.fan_in = max(1, row["connections"] / self.neurons)


def _spikes(part, steps=1):
    # over several steps the sums add up, and a neuron's state waits in memory
    width = part.accumulator + ceil(log2(steps))
    state = (steps * part.neurons * width, part.neurons * width) if steps > 1 else (0, 0)
    weights, inputs = part.weights * part.bits, part.inputs * part.planes
    return _cost(
        steps * (part.operations + part.neurons),
        (PJ["int8_add"], add_pj(width), PJ["int32_add"]),
        reads=(
            *(
                ()
                if part.wired
                else ((steps * part.operations * part.bits, weights), (steps * part.taps * part.planes, inputs))
            ),
            state,
        ),
        writes=((steps * part.neurons, part.neurons), state),
        stored=weights,
    )


def _float(part):
    return _numbers(part, 32, PJ["fp32_multiply"], (PJ["fp32_add"],) * 3)


def _integer(part):
    # the sum of products of 16 bits is as wide as the fan-in asks for
    return _numbers(part, 8, PJ["int8_multiply"], (PJ["int8_add"], add_pj(16 + log2(part.fan_in)), PJ["int32_add"]))


def _numbers(part, width, multiply, each):
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


def _binary(part):
    return _cost(
        part.neurons,
        (PJ["int8_add"], add_pj(1 + log2(part.fan_in)), PJ["int32_add"]),
        pairs=part.connections * part.planes,
        reads=((part.connections, part.weights), (part.taps * part.planes, part.inputs * part.planes)),
        writes=((part.neurons, part.neurons),),
        stored=part.weights,
    )


def _cost(additions, each, *, reads, writes, stored, multiplications=0, multiply=0.0, pairs=0):
    """Return counts, ``(low, value, high)`` pJ of arithmetic, and ``moved``: pairs of bits and size of their memory."""
    fixed = multiplications * multiply
    return {
        "additions": additions,
        "multiplications": multiplications,
        "bit_operations": pairs,
        "memory_reads": sum(bits for bits, _ in reads),
        "memory_writes": sum(bits for bits, _ in writes),
        "stored": stored,
        "moved": (*reads, *writes),
        "arithmetic": tuple(fixed + additions * a + pairs * b for a, b in zip(each, BINARY, strict=True)),
    }


def _nj(costs, everything):
    """Return nJ of ``costs``; a single memory would hold the weights of ``everything``."""
    whole = sum(cost["stored"] for cost in everything)
    added = [sum(cost["arithmetic"][k] for cost in costs) / 1000 for k in range(3)]
    moved = [
        sum(bits / WORD * access_band(size, whole)[k] for cost in costs for bits, size in cost["moved"]) / 1000
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


def _columns(rows):
    made = column(
        "nJ", "estimate", by=f"{SOURCE}; low and high are the ends of a row's own total", band=widest(rows, "total_nj")
    )
    return dict.fromkeys(("arithmetic_nj", "memory_nj", "total_nj", "low_nj", "high_nj"), made)


def _layers(layers):
    costs = [[_spikes(_Part(row))] if row["connections"] else [] for row in layers]
    everything = [cost for several in costs for cost in several]
    rows = [
        {"name": row["name"], "synaptic_operations": row["synaptic_operations"]} | _nj(several, everything)
        for row, several in zip(layers, costs, strict=True)
    ]
    return table({"synaptic_operations": column("operations", "golden model")} | _columns(rows), rows)
