"""Images through the generated Verilog, everything compared with the golden model: spikes, scores, class, cycles."""

import tempfile
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from s2nn_hw.emit import layer_inputs
from s2nn_hw.errors import ProofError, UserError

from .runner import Outcome

SEQUENCE = 100


class Mismatch(ProofError):
    """The circuit and the golden model differ: this names the first place."""


@dataclass(frozen=True)
class Expected:
    """The golden answer: ``classes``, ``scores``, ``cycles``, ``spikes`` by layer; ``pixels`` is what to send."""

    pixels: np.ndarray
    classes: np.ndarray
    scores: np.ndarray
    cycles: np.ndarray
    spikes: dict


def expect(accelerator, images, *, length=1):
    """Run golden model and cycle model on uint8 ``images``; ``length`` frames follow each other without a gap."""
    output, inputs = layer_inputs(accelerator.network, images)
    timing = accelerator.timing
    cycles = timing.schedule(timing.ones(inputs), length=length).cycles.reshape(-1)
    spikes = {name: table.numpy() for name, table in output.spikes.items()}
    return Expected(inputs[0], output.classes.numpy(), output.scores.numpy(), cycles, spikes)


def compare(outcome, expected, *, first_frame=0, cycles=True):
    """Raise :class:`Mismatch` naming the first layer, neuron and frame in which ``outcome`` is not ``expected``."""
    for name, wanted in expected.spikes.items():
        if name in outcome.spikes:
            _same(outcome.spikes[name], wanted, f"layer {name}: spike", "neuron", first_frame)
    _same(outcome.scores, expected.scores, "readout: score", "class", first_frame)
    _same(outcome.classes, expected.classes, "class", None, first_frame)
    if cycles:
        _same(outcome.cycles, expected.cycles, "cycle count", None, first_frame)


def _same(came, wanted, what, column, first_frame):
    if len(came) != len(wanted):
        raise Mismatch(f"{what}: {len(wanted)} frames were sent, {len(came)} came back")
    differ = np.argwhere(came != wanted)
    if len(differ):
        place = tuple(differ[0])
        where = f" of {column} {place[1]}" if column else ""
        raise Mismatch(
            f"{what}{where} in frame {first_frame + place[0]}: golden model {wanted[place]}, circuit {came[place]} "
            f"({len(differ)} such differences in {len(np.unique(differ[:, 0]))} of {len(wanted)} frames)"
        )


def run_checked(simulation, images, *, length=1, stall=(0.0, 0.0), waves=None, jobs=1, progress=None,
                probe=True):
    """Send ``images`` through ``simulation`` and compare; return ``(outcome, expected)``.

    ``probe``: look into the layers too. ``jobs`` simulators share the frames; ``progress(done)`` is called now and
    then. Without stalls every cycle count is compared too.
    """
    count = len(images)
    padded = -count % length
    filled = np.concatenate([images, images[:padded]]) if padded else images
    if padded > count:
        raise UserError(f"{count} images can't fill a sequence of {length}")
    expected = expect(simulation.design, filled, length=length)
    sequences = len(filled) // length
    jobs = max(1, min(jobs, sequences))
    cuts = [length * (sequences * k // jobs) for k in range(jobs + 1)]
    with tempfile.TemporaryDirectory(prefix="s2nn-sim-") as folder, ThreadPoolExecutor(jobs) as pool:
        parts = []
        for k, (begin, end) in enumerate(pairwise(cuts)):
            work = Path(folder) / f"part{k}"
            work.mkdir()
            parts.append(pool.submit(
                simulation.run, expected.pixels[begin:end], work=work, length=length, stall=stall,
                waves=waves if k == 0 else None, probe=probe,
            ))
        pending = set(parts)
        while pending:
            pending = wait(pending, timeout=0.3).not_done
            if progress:
                progress(sum(_done(Path(folder) / f"part{k}") for k in range(jobs)))
        outcomes = [part.result() for part in parts]
    outcome = Outcome(
        np.concatenate([o.classes for o in outcomes]),
        np.concatenate([o.scores for o in outcomes]),
        np.concatenate([o.cycles for o in outcomes]),
        {name: np.concatenate([o.spikes[name] for o in outcomes]) for name in outcomes[0].spikes},
    )
    compare(outcome, expected, cycles=not any(stall))
    return outcome, expected


def _done(work):
    try:
        return int((work / "progress").read_text() or 0)
    except FileNotFoundError:
        return 0
