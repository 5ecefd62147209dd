"""The stage of a layer whose sums are collected in accumulators, whatever engine adds them."""

from dataclasses import dataclass, replace
from math import gcd, prod
from typing import Any

import numpy as np

from s2nn_hw.circuit.job import Job
from s2nn_hw.circuit.readers import Order, buffers_of, ordered_reader, splits_of
from s2nn_hw.circuit.stage import Reader, Stage
from s2nn_hw.circuit.tables import cells_of, stream_table
from s2nn_hw.errors import UserError
from s2nn_hw.network.neurons.program import Action, Program, idle
from s2nn_hw.network.planes import Planes

MAX_SLOTS = 16


@dataclass(frozen=True)
class Accumulation:
    """The work of one engine, before it is one: ``bits`` of a weight as stored, by source; ``common``: the fields of
    :class:`~s2nn_hw.circuit.engines.params.EngineParams` but ``bits`` and ``slots``."""

    job: Job
    readers: tuple[Reader, ...]
    bits: tuple[int, ...]
    splits: int
    common: dict[str, Any]

    @property
    def most_bits(self) -> int:
        """Bits of a weight where one memory serves all sources."""
        return max(max(2, b) if self.job.several else b for b in self.bits)


def accumulating_stage(engine: Any, job: Job) -> Stage:
    """Return the stage of ``job`` on ``engine``, a class of engines that accumulate.

    Its ``further_taps(taps)`` says how many taps further sources have, its ``of(work)`` makes the engine.
    """
    work = accumulation(job, (job.choice.taps, engine.further_taps(job.choice.taps)))
    made = engine.of(work)
    if job.neuron.fires:
        alone = len(work.readers[0].positions) == made.repeats  # a cell a frame, and frames come no faster than before
        made = replace(made, slots=slots_for(made, job.tensors[job.output].pixel_words, pace=alone * job.pace))
    return Stage(job.layer, job.output, work.readers, made, job.neuron.size, made.repeats)


def accumulation(job: Job, taps: tuple[int, int]) -> Accumulation:
    """Return the :class:`Accumulation` of ``job``; ``taps``: at once, of its first and of its further sources."""
    layer, neurons, groups = job.layer, job.neuron.size, job.choice.groups
    if not 1 <= groups <= neurons:
        raise UserError(f"groups must be an integer from 1 to {neurons}, the neurons, not {groups!r}")
    lanes = -(-neurons // groups)
    if lanes * (groups - 1) >= neurons:
        raise UserError(f"{groups} groups of {lanes} lanes leave a group without any of the {neurons} neurons")
    pool = job.pool.synapses[0].kernel if job.pool else (1, 1)
    # a group must find what it needs of every source
    sources = list(zip(layer.synapses, layer.sources, strict=True))
    splits = gcd(*(splits_of(synapse, job.tensors[source], groups, neurons) for synapse, source in sources))
    readers = tuple(
        ordered_reader(
            layer, synapse, source, job.tensors[source], Order(taps[min(number, 1)], pool, groups, splits, depth)
        )
        for number, ((synapse, source), depth) in enumerate(zip(sources, buffers_of(job.choice, layer), strict=True))
    )
    spare = lanes * groups - neurons
    # one stored bit is a sign; where zeros fill up a table, it takes two
    zeros = spare or any(synapse.groups > 1 for synapse in layer.synapses)
    low, high = job.network.bounds(layer)
    planes = job.network.read(layer)
    program = job.neuron.program(planes, low, high)
    between, after = _actions(program, planes, neurons)
    acts = {action: action.shared_out(groups, lanes) for action in (*between, *after)}
    return Accumulation(
        job,
        readers,
        tuple(max(2, synapse.bits) if zeros else synapse.bits for synapse in layer.synapses),
        splits,
        {
            # a single plane of signs stands for -1 or 0
            "weights": _weights(job, readers, splits, lanes) * np.int8(-1 if planes.weights == (-1,) else 1),
            "offsets": np.pad(program.start, (0, spare)).reshape(groups, lanes),
            "planes": planes.count,
            "radix": planes.radix,
            "signed": planes.signed and planes.count > 1,
            "between": tuple(acts[action] for action in between),
            "after": tuple(acts[action] for action in after),
            "shift": program.shift,
            "repeats": prod(pool),
            "cells": tuple(cells_of(job.network, s, r) for s, r in zip(layer.synapses, readers, strict=True)),
            "memory": job.choice.memory,
        },
    )


def _actions(program: Program, planes: Planes, size: int) -> tuple[tuple[Action, ...], tuple[Action, ...]]:
    """Return the actions between planes and after the last of accumulators, none where neurons only look at them."""
    if not (program.between or program.after):
        return (), ()
    doubles = (idle(size, doubles=True),) if planes.radix and planes.count > 1 else ()
    return (*program.between, *doubles), (*program.after, idle(size, ends=True, emits=True))


def _weights(job: Job, readers: tuple[Reader, ...], splits: int, lanes: int) -> np.ndarray:
    """Return the weights of all sources in stream order, int8 ``(groups, lanes, words, width)``."""
    groups = job.choice.groups
    tables = [stream_table(s, r, splits) for s, r in zip(job.layer.synapses, readers, strict=True)]
    width = max(t.shape[3] for t in tables)
    tables = [
        np.pad(np.repeat(t, splits // t.shape[1], axis=1), [(0, 0)] * 3 + [(0, width - t.shape[3])]) for t in tables
    ]
    whole = np.concatenate(tables, axis=2)  # (neurons, splits, words, width)
    spare = lanes * groups - len(whole)
    whole = np.pad(whole, ((0, spare), (0, 0), (0, 0), (0, 0))).reshape(groups, lanes, *whole.shape[1:])
    which = np.arange(groups) * splits // groups
    return whole[np.arange(groups), :, which]


def slots_for(engine: Any, words: int, *, pace: int = 0, capture_cycles: int | None = None) -> int:
    """Return for how many cells the neurons need room, so that an engine at full speed never waits for them.

    From a cell's last slot until its last of ``words`` words has left and that is known: ``capture_cycles + words +
    1`` cycles. Meanwhile others may end, one in so many cycles as it has words, or in ``pace`` cycles.
    ``capture_cycles``: the engine's unless they are given.
    """
    captured = engine.capture_cycles if capture_cycles is None else capture_cycles
    return min(MAX_SLOTS, -(-(captured + words + 1) // max(engine.cell_cycles, pace)))
