"""How an engine and the neurons behind it stand in the circuit."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module

from s2nn_hw.circuit.names import engine_of, neurons_of
from s2nn_hw.circuit.stage import Stage
from s2nn_hw.network.neurons.neuron import UnitShape


@dataclass(frozen=True)
class Around:
    """What a stage must know of the circuit: ``width``: spikes a word of what leaves it, 0 of a readout;
    ``score_width``: bits of a signed score; ``free``: frames never wait on the way."""

    width: int
    score_width: int
    free: bool


def joined(m: Module, source: Any, sink: Any) -> None:
    """Let the words of stream ``source`` enter ``sink``."""
    m.d.comb += [sink.payload.eq(source.payload), sink.valid.eq(source.valid), source.ready.eq(sink.ready)]


def unit_shape(stage: Stage, *, width: int, score_width: int) -> UnitShape:
    """Return the shape of the neurons of ``stage``, which give words of ``width`` or scores of ``score_width``."""
    engine, positions, planes = stage.engine, len(stage.positions), stage.neuron.planes.count
    return UnitShape(
        stage.neurons, engine.lanes, engine.groups, stage.repeats, engine.slots, width, score_width, positions, planes
    )


def add_accumulating(m: Module, stage: Stage, source: Any, around: Around) -> Any:
    """Add the engine of ``stage`` and its neurons, joined by the strobe ``capture``; return the stream that leaves."""
    params, neuron = stage.engine, stage.neuron
    engine = params.circuit()
    m.submodules[engine_of(stage.name)] = engine
    joined(m, source, engine.i)
    sums = [engine.accumulators[f"n{n}"] for n in range(params.lanes)]
    unit = neuron.unit(unit_shape(stage, width=around.width, score_width=0 if neuron.fires else around.score_width))
    neuron.connect(m, unit, sums)
    m.submodules[neurons_of(stage.name)] = unit
    m.d.comb += [unit.capture.eq(engine.capture), engine.release.eq(unit.release)]
    return unit.o
