"""A NIR graph over sequences, loops in it or not, as an integer network of one tick a frame, compared with its owner's
equations step by step."""

from dataclasses import replace

import numpy as np

from s2nn_hw import __version__
from s2nn_hw.errors import UserError
from s2nn_hw.network.labels import checked_labels
from s2nn_hw.network.layer import INPUT, Input
from s2nn_hw.network.network import Network
from s2nn_hw.network.over_time import SequenceOutput, forward_sequences
from s2nn_hw.network.sequences import MAX_BITS, Sequences
from s2nn_hw.quantize.importers.imported import Agreement, Wanted
from s2nn_hw.quantize.importers.nir_file import NirGraph
from s2nn_hw.quantize.importers.nir_neurons import NirOptions
from s2nn_hw.quantize.importers.nir_run import run_sequences
from s2nn_hw.quantize.importers.nir_sequences import LATE, SequenceRead, entering_shape, read_sequences
from s2nn_hw.quantize.importers.operations import Entering
from s2nn_hw.quantize.importers.sequence_layers import CALIBRATION_TICKS, Rounding, made_network
from s2nn_hw.quantize.importers.translated import Translated

DRAWN_TICKS = 4000  # of the sequences of the comparison where none are given
LONGEST_DRAWN = 100


def from_graph(
    graph: NirGraph,
    recordings: Sequences | None,
    options: NirOptions,
    *,
    labels: np.ndarray | None = None,
    name: str = "network",
    wanted: Wanted,
) -> Translated:
    """Return ``graph`` as an integer network over sequences of up to ``options.frames`` frames, by default the longest
    of ``recordings``, with what it agrees in on these, or on random ones.

    Frames are integers of ``options.bits`` bits, by default those of ``recordings``; the least and the largest stand
    for the numbers ``options.between``, of events 0 and 1. ``labels``: ``(count,)``, else those of ``recordings``.
    :class:`UserError` names what has no form here, and what is not said.
    """
    options = _resolved(graph, recordings, options)
    assert options.frames is not None
    if wanted.ttfs:
        raise UserError("--ttfs is of numbers in single frames, not of sequences")
    channels = entering_shape(graph)
    if recordings is not None:
        recordings.check_channels(channels)
    entering, bits = _entering(channels, recordings, options)
    read = read_sequences(graph, options, entering)
    given = _drawn(channels, bits, options.frames) if recordings is None else recordings
    numbers = (given.as_bytes >> (MAX_BITS - bits)).astype(np.float64)
    scores, spikes = run_sequences(
        graph, options, numbers * entering.step + entering.offset, given.offsets, read.sizes, summed=read.summed
    )
    names = wanted.classes or (None if recordings is None else recordings.classes)
    seen = None if recordings is None else _seen(numbers, spikes, read, given.offsets)
    network, notes = made_network(
        name,
        Input((channels,), bits, ticks=1, frames=options.frames),
        read.layers,
        names,
        Rounding(wanted.bits, options.fraction, seen),
    )
    notes = [*_assumed(options, entering, bits, drawn=recordings is None), *read.notes, *notes]
    said = {"frames": options.frames, "reset": options.reset, "dt": options.dt, "between": options.between}
    provenance = {"tool": f"s2nn-hw {__version__}", "source": {"nir": said}, "notes": notes}
    network = replace(network, provenance=provenance)
    truth = labels if labels is not None or recordings is None else recordings.labels
    return Translated(network, _compared(network, given, scores, spikes, read, truth), tuple(notes))


def _resolved(graph: NirGraph, recordings: Sequences | None, options: NirOptions) -> NirOptions:
    """Return ``options`` with how long sequences are."""
    loops = ", ".join(f"{source} to {target}" for source, target in sorted(graph.late)[:3])
    why = f"the graph has loops ({loops}), so that it wants sequences, a step a frame: " if graph.late else ""
    if options.steps is not None:
        raise UserError(f"{why}say --frames, the most of a sequence, in place of --steps")
    if options.frames is None and recordings is None:
        raise UserError(f"{why}say --frames, the most of a sequence, or give recordings with --inputs")
    if options.signed:
        raise UserError("frames of sequences are integers without a sign")
    if recordings is not None:
        longest = int(recordings.lengths.max())
        if options.frames is not None and longest > options.frames:
            raise UserError(
                f"{recordings.name} has sequences of up to {longest:,} frames, more than {options.frames:,}"
            )
        return replace(options, frames=options.frames or longest)
    return options


def _entering(channels: int, recordings: Sequences | None, options: NirOptions) -> tuple[Entering, int]:
    """Return what a frame's integers stand for, and their bits."""
    own = MAX_BITS if recordings is None else recordings.bits
    bits = (1 if options.events else own) if options.bits is None else options.bits
    low, high = (0.0, 1.0) if options.events and options.between is None else options.between or (None, None)
    if not 1 <= bits <= MAX_BITS:
        raise UserError(f"input bits of sequences must be 1 to {MAX_BITS}, not {bits}")
    if options.events and bits != 1:
        raise UserError(f"events are of 1 bit, not of {bits}")
    if low is None or high is None:
        raise UserError(
            f"frames are integers of {bits} bits: say with --input-range LO,HI which numbers the least and the largest "
            "stand for, or --events"
        )
    if not low < high or not np.isfinite([low, high]).all():
        raise UserError(f"inputs must lie between two different numbers, not {low:g} and {high:g}")
    step = np.array([(high - low) / (2**bits - 1)])
    return Entering((channels,), bits, step, np.array([low])), bits


def _drawn(channels: int, bits: int, frames: int) -> Sequences:
    """Return random sequences of 1 to ``frames`` frames, at most :data:`LONGEST_DRAWN`."""
    draw = np.random.default_rng(0)
    most = min(frames, LONGEST_DRAWN)
    lengths = draw.integers(1, most + 1, max(8, 2 * DRAWN_TICKS // (most + 1)))
    lengths[0] = most
    parts = [draw.integers(0, 1 << bits, (length, channels)).astype(np.uint8) for length in lengths]
    return Sequences.of(parts, bits=bits)


def _seen(
    numbers: np.ndarray, spikes: dict[str, np.ndarray], read: SequenceRead, offsets: np.ndarray
) -> dict[str, np.ndarray]:
    """Return what each source gave in the first ticks, by its name, also a tick late."""
    found = {INPUT: numbers[:CALIBRATION_TICKS]}
    begins = offsets[:-1][offsets[:-1] < min(len(numbers), CALIBRATION_TICKS)]
    for node, values in spikes.items():
        now = values[:CALIBRATION_TICKS]
        late = np.concatenate([np.zeros_like(now[:1]), now[:-1]])
        late[begins] = 0
        found |= {read.spiking[node]: now, read.spiking[node] + LATE: late}
    return found


def _compared(
    network: Network,
    given: Sequences,
    scores: np.ndarray,
    spikes: dict[str, np.ndarray],
    read: SequenceRead,
    labels: np.ndarray | None,
) -> Agreement:
    truth = None if labels is None else checked_labels(labels, len(given), len(network.classes))
    out: SequenceOutput = forward_sequences(network, given.as_bytes, given.offsets, trace=True)
    different = {
        read.spiking[node]: (int((out.spikes[read.spiking[node]] != values).sum()), values.size)
        for node, values in spikes.items()
        if read.spiking[node] in out.spikes
    }
    theirs, places = scores.argmax(axis=1), np.arange(len(given))
    ties = (out.classes != theirs) & (out.scores[places, out.classes] == out.scores[places, theirs])
    owner, own = (None if truth is None else float((x == truth).mean()) for x in (theirs, out.classes))
    return Agreement(len(given), int((out.classes == theirs).sum()), different, owner, own, int(ties.sum()))


def _assumed(options: NirOptions, entering: Entering, bits: int, *, drawn: bool) -> list[str]:
    """Return what was taken for granted, a line each."""
    low, high = float(entering.offset[0]), float(entering.offset[0] + entering.step[0] * (2**bits - 1))
    rule = "at v_threshold and above" if options.at else "above v_threshold, as NIR's text says"
    reset = {"soft": "; soft reset", "hard": "; hard reset", None: ""}[options.reset]
    lines = [
        f"sequences of up to {options.frames:,} frames, a step each, of {bits}-bit integers that stand for {low:g} to "
        f"{high:g}; spikes {rule}{reset}; membranes begin at 0"
    ]
    return [*lines, "compared on random sequences"] if drawn else lines
