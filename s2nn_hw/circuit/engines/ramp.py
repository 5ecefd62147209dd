"""The ramp engine: time to first spike as it is written, slot by slot, of a dense layer.

    in a slot, of each spike     ``A[m] <- A[m] + sum over banks r of W[row_r, m]``
    at its end                   ``P[m] <- P[m] + A[m]``

    A   slope of the potential P, 0 before the first slot      P   from ``v - T theta``, or a readout's bias, on

A spike in slot t of T is added at the end of T - t slots: the sum is that over the values T - t. A pass is a slot; its
spikes are found as the event engine finds them, and at the end of the last the neurons take P
(:mod:`s2nn_hw.network.neurons.ramp`), so a frame's window overlaps with that of the neurons behind the frame before.

From a ramp engine to the next a value is a bit in the words of its slot, and slots are added as they come. Numbers,
pixels among them, wait in a window, which is read once a slot and compares.
Interval: ``sum over slots of max over banks of ones, at least 1``, unless words or the neurons hold it up.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Any, ClassVar

import numpy as np
from amaranth.hdl import C, Module, Mux, Signal, signed

from s2nn_hw.circuit.delay import delayed
from s2nn_hw.circuit.engines.accumulate import adder_tree, tree_levels
from s2nn_hw.circuit.engines.event import ROW_CYCLES, EventEngine, EventParams
from s2nn_hw.circuit.engines.price import adder_bits
from s2nn_hw.circuit.engines.wiring import Around, joined
from s2nn_hw.circuit.job import Job
from s2nn_hw.circuit.names import engine_of, neurons_of
from s2nn_hw.circuit.readers import buffers_of, slot_reader
from s2nn_hw.circuit.stage import Stage
from s2nn_hw.circuit.tables import stream_table
from s2nn_hw.errors import UserError
from s2nn_hw.family.cost import Cost
from s2nn_hw.family.record import Family
from s2nn_hw.network.layer import Layer
from s2nn_hw.network.neurons.ramp import Ramp, RampUnit
from s2nn_hw.network.planes import Planes

MOST_BITS = 5  # of a value: 31 slots


@dataclass(frozen=True, eq=False, kw_only=True)
class RampParams(EventParams):
    """One dense layer, slot by slot; ``planes``: slots of a value that it reads.

    ``ramp``: the neurons behind, None of a readout; ``in_slots``: their spikes leave in their slots, else as numbers.
    """

    ramp: Ramp | None = None
    in_slots: bool = False

    kind: ClassVar[str] = "ramp"
    literal: ClassVar[bool] = True

    @classmethod
    def stage(cls, job: Job) -> Stage:
        """Return the stage of a layer; :class:`UserError` where it is not dense, or no value's time."""
        layer, choice, neuron = job.layer, job.choice, job.neuron
        planes = job.network.read(layer)
        check_layer(layer, planes)
        if choice.groups != 1:
            raise UserError(f"the ramp engine has one group, a lane a neuron, not {choice.groups}")
        (source,), (synapse,) = layer.sources, layer.synapses
        reader = slot_reader(source, job.tensors[source], *buffers_of(choice, layer))
        start = neuron.ramp.start if neuron.ramp else neuron.offsets(*job.network.bounds(layer))
        engine = cls(
            weights=stream_table(synapse, reader, 1).transpose(1, 0, 2, 3),
            bits=synapse.bits,
            offsets=start[None],
            planes=planes.peak,
            radix=False,
            shift=neuron.ramp.shift if neuron.ramp else 0,
            memory=choice.memory,
            banks=choice.banks,
            depth=choice.depth,
            ramp=neuron.ramp,
            in_slots=neuron.fires and job.tensors[job.output].slots > 0,
        )
        return Stage(layer, job.output, (reader,), engine, neuron.size)

    @classmethod
    def candidates(cls, shape: Any) -> Iterator[tuple[Any, float]]:
        """Yield 1, 2, ... banks: a slot takes as many cycles as the fullest bank has spikes, on the frames seen."""
        stage = shape.probed
        (reader,) = stage.readers if len(stage.readers) == 1 else (None,)
        if shape.taps > 1 or reader is None or not has_slots(shape.layer, reader.tensor.planes):
            return
        slots = reader.tensor.planes.peak
        if slots == 1:
            return  # the event engine does the same with an accumulator less
        values = stage.words([shape.values[reader.source]])
        spikes = np.stack([values == slots - slot for slot in range(slots)])
        yield from cls.banked(shape, spikes, slots * reader.pass_words)

    def planes_of(self, values: np.ndarray) -> np.ndarray:
        """Return the spikes of integer ``values`` in each slot, stacked as a new first axis, the first first."""
        return np.stack([values == self.planes - slot for slot in range(self.planes)]).astype(np.uint8)

    @property
    def slope_widths(self) -> np.ndarray:
        """Bits of each signed slope, int64 ``(lanes,)``: an input is added once at most."""
        (low,), (high,) = self.pass_reach
        return np.array([max(int(~a).bit_length(), int(b).bit_length()) + 1 for a, b in zip(low, high, strict=True)])

    @property
    def capture_cycles(self) -> int:
        """Cycles from a frame's last slot to the one in which the accumulators hold its sums."""
        return ROW_CYCLES + tree_levels(self.terms) + 2

    def behind(self, stage: Stage, classes: int) -> tuple[int, int]:
        """Return for how many cells there is room behind it, and the cycles from the capture to the first offer."""
        if self.ramp is None:
            return super().behind(stage, classes)
        return self.slots, self.ramp.first_word(self.in_slots)

    def describe(self) -> dict[str, int]:
        """Return banks and queues, and how many slots are read and given."""
        given = {"slots_given": self.ramp.slots if self.in_slots else 0} if self.ramp else {}
        return super().describe() | {"slots_read": self.planes} | given

    def circuit(self) -> "RampEngine":
        """Return the :class:`RampEngine`."""
        return RampEngine(self)

    def add(self, m: Module, stage: Stage, source: Any, around: Around) -> Any:
        """Add engine and neurons of ``stage`` behind the stream ``source``; return the stream that leaves."""
        if self.ramp is None:
            return super().add(m, stage, source, around)
        engine, widths = self.circuit(), self.accumulator_widths().tolist()
        unit = RampUnit(self.ramp, widths, width=around.width, literal=self.in_slots)
        m.submodules[engine_of(stage.name)] = engine
        m.submodules[neurons_of(stage.name)] = unit
        joined(m, source, engine.i)
        m.d.comb += [
            unit.sums.as_value().eq(engine.accumulators.as_value()),
            unit.capture.eq(engine.capture),
            engine.release.eq(unit.release),
        ]
        return unit.o

    def sums_cost(self, family: Family) -> Cost:
        """Return the cost of trees, and of a slope and a potential a lane."""
        widths, slopes = self.accumulator_widths().tolist(), self.slope_widths.tolist()
        adders, registers = adder_bits(self.terms, max(self.bits, 2))
        luts = self.lanes * adders + sum(family.carry * ceil(bits / family.carry) for bits in (*widths, *slopes))
        luts += family.reload * sum(widths) + sum(slopes)  # where a slope begins anew is a table of its own, as built
        return Cost(luts=luts, ffs=sum(widths) + sum(slopes) + self.lanes * registers)

    def neurons_cost(
        self, family: Family, stage: Stage, *, width: int = 0, score_width: int = 0, queued: bool = False
    ) -> Cost:
        """Return the cost of what stands behind it, see :meth:`EngineParams.neurons_cost`."""
        if self.ramp is None:
            return super().neurons_cost(family, stage, width=width, score_width=score_width, queued=queued)
        return self.ramp.cost(family, self.accumulator_widths().tolist(), width, literal=self.in_slots)


def check_layer(layer: Layer, planes: Planes) -> None:
    """Raise :class:`UserError` unless the ramp engine has such a ``layer``, which reads values of ``planes``."""
    synapse, neuron = layer.synapses[0], layer.neuron
    if neuron is None or len(layer.sources) > 1 or not synapse.flattens or synapse.pools:
        raise UserError("the ramp engine has dense layers of one source; take another engine")
    if neuron.ramp is None and not (neuron.plain and not neuron.fires):
        raise UserError(
            f"the ramp engine has ttfs neurons and readouts, not {neuron.kind} neurons; take another engine"
        )
    if planes.signed or not planes.radix or planes.count > MOST_BITS:
        raise UserError(
            f"the ramp engine reads numbers of 1 to {MOST_BITS} bits without sign, not {planes}; take another engine"
        )


def has_slots(layer: Layer, planes: Planes) -> bool:
    """Return whether the ramp engine has ``layer``, which reads values of ``planes``."""
    try:
        check_layer(layer, planes)
    except UserError:
        return False
    return True


class RampEngine(EventEngine):
    """Words of spikes in, potentials out; ports: :func:`engine_ports`. Cycles: see ``timing``."""

    def elaborate(self, platform: Any) -> Module:
        """Build the circuit."""
        m = Module()
        p = self.params
        scanners, slot, ends = self._scanned(m)
        terms, late = self._weights(m, scanners), slot.late + tree_levels(p.terms)
        begins = delayed(m, slot.first & (slot.plane == 0), late, "begins", init=1)
        adds = delayed(m, ends, late + 1, "adds")  # the slope is that of the slot that has ended
        anew = delayed(m, slot.plane == 0, late + 1, "anew") if p.planes > 1 else C(1, 1)
        sizes = zip(p.slope_widths.tolist(), p.accumulator_widths().tolist(), strict=True)
        for lane, (slope_bits, bits) in enumerate(sizes):
            added = adder_tree(m, terms[lane], lane, tree_levels(p.terms))
            slope = Signal(signed(slope_bits), name=f"slope{lane}", reset_less=True)
            potential = Signal(signed(bits), name=f"total{lane}", reset_less=True)
            # yosys takes one side of a sum apart, mostly that whose name comes later: a bit is one table then
            base = Signal(signed(slope_bits), name=f"with_nothing{lane}")
            from_start = Signal(signed(bits), name=f"with_start{lane}")
            m.d.comb += [
                base.eq(Mux(begins, 0, slope)),
                from_start.eq(Mux(anew, C(int(p.offsets[0, lane]), signed(bits)), potential)),
            ]
            m.d.sync += slope.eq(added + base)
            with m.If(adds):
                m.d.sync += potential.eq((slope << p.shift) + from_start)
            m.d.comb += self.accumulators[f"n{lane}"].eq(potential)
        m.d.comb += self.capture.eq(delayed(m, slot.close, late + 2, "close"))
        return m
