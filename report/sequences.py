"""The report of a network of sequences: ticks, cycles, how many channels one circuit serves, energy.

    cycles a second   of the circuit fed without a gap: cycles of all sequences / their duration
    channels          floor(clock / cycles a second): streams of sound that one circuit is fast enough for, a recording
                      behind the other, as states are those of one stream
    energy            E = sum over layers of S e_add(a) + S b e_bit(m) + U (p + 2) e_add(a) + R e_bit(r)

    S   synaptic operations: ones read x neurons      a   bits of the widest register      b, m   bits of a weight, of
    all      U   updates of a neuron, one a tick      p   actions      R   bits of states read and written, where groups
    of neurons share lanes      r   bits of them

The costs are those of :mod:`s2nn_hw.report.energy.arithmetic`, for 45 nm: an estimate of arithmetic and its memory.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from s2nn_hw import __version__
from s2nn_hw.circuit.recurrent.params import RecurrentParams
from s2nn_hw.network.network import Network
from s2nn_hw.network.over_time import forward_sequences
from s2nn_hw.quantize.audio.tables import HOP, RATE
from s2nn_hw.quantize.data import sequence_sets
from s2nn_hw.quantize.data.reading import reading_of
from s2nn_hw.quantize.settings import RECORDINGS
from s2nn_hw.report.energy.arithmetic import LEFT_OUT, PJ, SOURCE, WORD, access_band, add_pj
from s2nn_hw.report.quantities import Json, column, quantity, significant, table, widest
from s2nn_hw.sequence_design import SequenceDesign

FORMAT, VERSION = "s2nn-sequence-report", 1


@dataclass(frozen=True)
class KnownOfSequences:
    """What is known beside the network: where sequences are ``source`` from, what their data is called, how many
    ``frames_per_second`` a stream has (None: they are no moments of time), whose ``clock_mhz``, the ``board``, and
    ``used`` and ``there`` of its resources by kind, an estimate."""

    source: str
    data_set: str | None = None
    frames_per_second: float | None = None
    board: str | None = None
    clock_mhz: float | None = None
    verified: Json | None = None
    created: str = ""

    @classmethod
    def of(cls, network: Network, source: str, board: str | None, clock_mhz: float | None, created: str = "") -> Self:
        """Return it with what ``network`` says of its data."""
        title, frames_per_second = _data_of(network)
        return cls(
            source=source,
            data_set=title,
            frames_per_second=frames_per_second,
            board=board,
            clock_mhz=clock_mhz,
            created=created,
        )


def _data_of(network: Network) -> tuple[str | None, float | None]:
    """Return what ``network`` was trained on, and the frames of a second of it where they are moments of sound."""
    key, own = sequence_sets.data_set_of(network), reading_of(network)
    if key is not None:
        return sequence_sets.title(key, sequence_sets.left_out_of(network)), sequence_sets.FRAMES_PER_SECOND.get(key)
    if own is not None:
        return own.name, RATE / HOP if own.kind == RECORDINGS else None
    return None, None


@dataclass(frozen=True)
class _Busy:
    """One layer: its ``stage``; of a sequence on average ``ones`` read and ``spikes`` given, of the circuit fed without
    a gap the share of cycles in which it is ``busy``; ``ticks`` of a sequence on average."""

    stage: RecurrentParams
    ones: float
    spikes: float | None
    busy: float
    ticks: float

    @property
    def operations(self) -> float:
        """Additions of weights."""
        return self.ones * self.stage.neuron.size

    def nanojoules(self, whole: float) -> tuple[float, float, float]:
        """Return the ends and the value of a sequence's energy, low first; ``whole``: bits of all weights."""
        p = self.stage
        width = max(register.width for register in p.registers.values())
        updates = self.ticks * p.neuron.size * (p.neuron.actions + 2)
        stored, states = p.rows.size * p.bits, p.state_bits * p.lanes * p.groups
        moved = [(self.operations * p.bits, stored)]
        moved += [(2 * self.ticks * states, states)] if p.groups > 1 else []
        adds = (PJ.int8_add, add_pj(width), PJ.int32_add)
        low, value, high = (
            (self.operations + updates) * add + sum(bits / WORD * access_band(size, whole)[k] for bits, size in moved)
            for k, add in enumerate(adds)
        )
        return low / 1000, value / 1000, high / 1000


def build_sequence_report(
    design: SequenceDesign, frames: np.ndarray, offsets: np.ndarray, labels: np.ndarray | None, known: KnownOfSequences
) -> Json:
    """Return the JSON-able report of ``design`` on the sequences ``frames``, ``offsets``, and their ``labels``."""
    network, count = design.network, len(offsets) - 1
    pixels = network.encode(frames)
    output = forward_sequences(network, frames, offsets, trace=True)
    ones = design.ones(pixels, output)
    schedule = design.timing.schedule(ones, output.ticks)
    alone = design.timing.alone(ones, output.ticks)
    ticks, cycles = int(output.ticks[-1]), int(schedule.offered[-1])
    spikes = {name: int(np.bitwise_count(values).sum()) for name, values in output.spikes.items()}
    layers = [
        _Busy(
            stage,
            float(one.sum()) / count,
            spikes[stage.name] / count if stage.name in spikes else None,
            float(busy) / cycles,
            ticks / count,
        )
        for stage, one, busy in zip(design.stages, ones, schedule.busy, strict=True)
    ]
    right = None if labels is None else float((output.classes == labels).mean())
    return {
        "format": FORMAT,
        "version": VERSION,
        "tool": f"s2nn-hw {__version__}",
        "created": known.created,
        "network": {
            "name": network.name,
            "digest": network.digest,
            "classes": list(network.classes),
            "data_set": known.data_set,
            "memory_bits": quantity(
                sum(s.weights.size * s.bits for x in network.layers for s in x.synapses), "bits", "setting"
            ),
        },
        "sequences": {
            "count": count,
            "source": known.source,
            "frames": quantity(significant(len(pixels) / count), "frames", "golden model", "mean of a sequence"),
            "ticks": quantity(significant(ticks / count), "ticks", "golden model", "mean of a sequence"),
            "ticks_per_frame": quantity(network.input.ticks, "ticks", "setting"),
        },
        "accuracy": None
        if right is None
        else quantity(
            significant(right), "share", "golden model", f"{count} sequences; the circuit's classes are the same"
        ),
        "board": known.board,
        "clock": None if known.clock_mhz is None else quantity(known.clock_mhz, "MHz", "setting"),
        "plan": design.plan.to_json(),
        "latency": {
            name: quantity(
                significant(value), "cycles", "formula", "a sequence alone, from its first beat to its result"
            )
            for name, value in (("min", int(alone.min())), ("mean", float(alone.mean())), ("max", int(alone.max())))
        },
        "cycles_per_tick": {
            "alone": quantity(significant(float(alone.sum()) / ticks), "cycles", "formula"),
            "back_to_back": quantity(significant(cycles / ticks), "cycles", "formula", "sequences without a gap"),
        },
        "events": quantity(
            significant(sum(spikes.values()) / count), "spikes", "golden model", "of a sequence, all layers"
        ),
        "real_time": _real_time(known, cycles, len(pixels)),
        "layers": _table(layers),
        "energy": _energy(layers, known, len(pixels) / count),
        "verified": known.verified,
    }


def _real_time(known: KnownOfSequences, cycles: int, frames: int) -> Json | None:
    """Return what a stream asks for, and how many of them the clock is enough for; None of frames that are no time."""
    if known.frames_per_second is None:
        return None
    second = cycles * known.frames_per_second / frames
    clock = known.clock_mhz
    return {
        "frames_per_second": quantity(known.frames_per_second, "frames/s", "setting"),
        "cycles_per_second": quantity(
            significant(second), "cycles/s", "formula", "of a stream, sequences without a gap"
        ),
        "least_clock": quantity(significant(second / 1e6), "MHz", "formula"),
        "channels": None
        if clock is None
        else quantity(int(clock * 1e6 / second), "streams", "formula", f"at {clock:g} MHz"),
    }


def _table(layers: list[_Busy]) -> Json:
    columns = {
        "kind": column("", "setting"),
        "neurons": column("neurons", "setting"),
        "lanes": column("neurons at once", "setting"),
        "groups": column("groups", "setting"),
        "state_bits": column("bits of a neuron", "formula"),
        "weight_bits": column("bits", "setting"),
        "spikes": column("spikes of a sequence", "golden model"),
        "rate": column("spikes a neuron and tick", "golden model"),
        "operations": column("additions of a sequence", "golden model"),
        "busy": column("share of cycles", "formula", "sequences without a gap"),
    }
    rows = []
    for one in layers:
        stage, size = one.stage, one.stage.neuron.size
        rows.append(
            {
                "name": stage.name,
                "kind": stage.neuron.kind,
                "neurons": size,
                "lanes": stage.lanes,
                "groups": stage.groups,
                "state_bits": stage.state_bits,
                "weight_bits": stage.bits,
                "spikes": significant(one.spikes),
                "rate": None if one.spikes is None else significant(one.spikes / (size * one.ticks), 4),
                "operations": significant(one.operations),
                "busy": significant(one.busy, 4),
            }
        )
    return table(columns, rows)


def _energy(layers: list[_Busy], known: KnownOfSequences, frames: float) -> Json:
    whole = sum(one.stage.rows.size * one.stage.bits for one in layers)
    rows: list[dict[str, Any]] = []
    for one in layers:
        low, value, high = one.nanojoules(whole)
        rows.append({"name": one.stage.name, "nj": value, "low_nj": low, "high_nj": high})
    low, value, high = (sum(row[key] for row in rows) for key in ("low_nj", "nj", "high_nj"))
    made = column("nJ", "estimate", SOURCE, widest(rows))
    rows = [{key: significant(cell) if key != "name" else cell for key, cell in row.items()} for row in rows]
    rate = None if known.frames_per_second is None else known.frames_per_second / frames
    band = (significant(low), significant(high))
    return {
        "sequence": quantity(significant(value), "nJ", "estimate", SOURCE, band),
        "second": None
        if rate is None
        else quantity(
            significant(value * rate),
            "nJ/s",
            "estimate",
            f"of sound; {SOURCE}",
            tuple(significant(x * rate) for x in band),
        ),
        "layers": table(dict.fromkeys(("nj", "low_nj", "high_nj"), made), rows),
        "left_out": LEFT_OUT,
    }
