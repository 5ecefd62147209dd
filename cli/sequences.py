"""What ``simulate`` and ``verify`` do with networks of sequences, and the sequences that commands work on."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from s2nn_hw.cli.recordings import sequences_of, wanted_of
from s2nn_hw.errors import UserError, counted
from s2nn_hw.files import write_npz
from s2nn_hw.network.network import Network
from s2nn_hw.network.over_time import checked_offsets
from s2nn_hw.network.sequences import Sequences
from s2nn_hw.quantize.data import sequence_sets
from s2nn_hw.quantize.data.reading import reading_of
from s2nn_hw.sim.verilog.runner import Manner
from s2nn_hw.sim.verilog.sequence_summary import SentSequences, SequenceSummary
from s2nn_hw.sim.verilog.sequences import SequenceSimulation, run_checked
from s2nn_hw.sim.verilog.verify import Progressed
from s2nn_hw.terminal import terminal

Bar = Callable[[str, int], AbstractContextManager[Progressed]]


def sequences_for(
    network: Network, images: Path | None, labels: Path | None = None, *, download: bool = False
) -> SentSequences:
    """Return the sequences in file ``images``, else the test set of the network's data, else its shipped sample.

    Frames are as the network takes them; of sequences longer than it takes the first frames. ``download``: fetch the
    test set where it is not here.
    """
    given, source = _given(network, images, download=download)
    if labels is not None and images is None:
        raise UserError("--labels wants --images beside it")
    right = wanted_of(given, network, labels)
    if images is None:
        given = given.shortened(network.input.frames)
    frames, offsets = given.as_bytes if network.input.of_bytes else given.frames, given.offsets
    try:
        network.encode(frames)
        offsets = checked_offsets(offsets, len(frames), network.input.frames)
    except UserError as error:
        raise UserError(f"{given.name}: {error}") from None
    return SentSequences(frames, offsets, right, source)


def _given(network: Network, images: Path | None, *, download: bool) -> tuple[Sequences, str]:
    if images is not None:
        return sequences_of(images, network), str(images)
    name = sequence_sets.data_set_of(network)
    if name is None:
        own = reading_of(network)
        said = f"was trained on {own.name}" if own else "names no data set of sequences"
        advice = ", such as the .test.npz that `s2nn-hw train` wrote" if own else ""
        raise UserError(f"network {network.name} {said}: give --images RECORDINGS.npz{advice}")
    left_out = sequence_sets.left_out_of(network)
    title = sequence_sets.title(name, left_out)
    if download or sequence_sets.present(name, "test"):
        return sequence_sets.load(name, "test", left_out), f"test set of {title}"
    return sequence_sets.samples(name), f"shipped sample of {title}"


def simulate(
    simulation: SequenceSimulation, sent: SentSequences, output: Path, manner: Manner, bar: Bar, waves: Path | None
) -> None:
    """Send ``sent`` through the circuit, compare with the golden model, write class, scores, cycles."""
    with bar("simulating", len(sent)) as progress:
        came = run_checked(simulation, sent.frames, sent.offsets, manner, progress=progress, waves=waves)
    write_npz(output, **{"class": came.classes, "scores": came.scores, "cycles": came.cycles})
    terminal().print(
        f"{counted(len(sent), 'sequence')} through the Verilog: class, scores, every layer's values in every tick and "
        f"every cycle count equal the golden model; cycles {came.cycles.min()} to {came.cycles.max()}, mean "
        f"{came.cycles.mean():.1f}. Results are in {output}" + (f", waves in {waves}" if waves else "")
    )


def say(summary: SequenceSummary, target: Path) -> None:
    """Print ``summary``, which is in file ``target``."""
    latency = summary.latency_cycles
    terminal().print(
        f"{counted(summary.sequences, 'sequence')} ({summary.source}) went through the Verilog of {summary.network} "
        f"twice, back to back and one by one:\n  every tick's values of {counted(len(summary.spikes), 'layer')} "
        f"({sum(summary.spikes.values()):,} spikes in {summary.ticks:,} ticks), scores, classes and all "
        f"{2 * summary.sequences:,} cycle counts equal the golden model"
        + (f"\n  accuracy of the circuit {100 * summary.accuracy:.2f} %" if summary.accuracy is not None else "")
        + f"\n  latency {latency.min} to {latency.max} cycles, mean {latency.mean:.1f}, {summary.cycles_per_tick:.1f} "
        f"a tick\n  build {summary.build_seconds:.0f} s, simulation {summary.run_seconds:.0f} s; figures in {target}"
    )
