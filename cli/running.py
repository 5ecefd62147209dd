"""What ``s2nn-hw run`` does and says: images or sequences through a board, and what came back."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from s2nn_hw.cli.frames import values_for
from s2nn_hw.cli.recordings import holds_sequences, refuse_sequences, sequences_of, wanted_of
from s2nn_hw.errors import UserError
from s2nn_hw.files import checked_apart, write_npz
from s2nn_hw.hw.link.host import Answers, Device, open_device
from s2nn_hw.network.address_events import checked_events
from s2nn_hw.network.network import Network
from s2nn_hw.network.over_time import checked_offsets
from s2nn_hw.network.sequences import Sequences
from s2nn_hw.network.store import load
from s2nn_hw.quantize.data.images import images_for
from s2nn_hw.terminal import Terminal, next_step

FEW = 10  # results that are told one by one


@dataclass(frozen=True)
class Options:
    """What `run` may be asked for.

    network   the ``.s2nn`` file that the board must hold; None takes what is there
    labels    the right classes
    output    file for class, scores, cycles
    spikes    file for the events that come with the results, of a board that gives them
    limit     seconds for all, None as of :meth:`.Device.classify`
    as_json   print JSON in place of tables
    """

    baud: int
    network: Path | None = None
    labels: Path | None = None
    output: Path | None = None
    spikes: Path | None = None
    limit: float | None = None
    as_json: bool = False

    def check(self) -> None:
        """Raise :class:`UserError` for files that can't be written."""
        if self.output is not None and (self.output.suffix != ".npz" or not self.output.parent.is_dir()):
            raise UserError(f"output {self.output} must end in .npz and lie in a folder that exists")
        if self.spikes is not None:
            checked_events(self.spikes)
        if self.labels is not None and self.network is None:
            raise UserError(f"labels {self.labels} need --network NAME.s2nn beside them")


@dataclass(frozen=True)
class Given:
    """What goes to the board: ``values`` ``(count, ...)`` of images or a file's sequences, and the classes ``wanted``,
    None where they are not known."""

    values: npt.NDArray[Any] | Sequences
    wanted: npt.NDArray[np.int64] | None

    @classmethod
    def of(cls, images: Path, network: Network | None, options: Options) -> "Given":
        """Return what is in file ``images`` for ``network``; shape and type are judged before the board is asked."""
        if holds_sequences(images) if network is None else network.input.sequences:
            return cls._sequences(images, network, options)
        if network is None or options.network is None:
            return cls(values_for(images), None)
        refuse_sequences(images, network)
        values, wanted, _ = images_for(options.network, images, options.labels)
        network.encode(values)
        return cls(values, wanted)

    @classmethod
    def _sequences(cls, images: Path, network: Network | None, options: Options) -> "Given":
        if options.spikes is not None:
            raise UserError(f"images {images} are sequences: there are first spikes of single frames alone")
        found = sequences_of(images, network)
        if network is None:
            return cls(found, None)
        try:
            network.encode(found.frames)
            checked_offsets(found.offsets, len(found.frames), network.input.frames)
        except UserError as error:
            raise UserError(f"{found.name}: {error}") from None
        return cls(found, wanted_of(found, network, options.labels))

    @property
    def noun(self) -> str:
        """What one of them is called."""
        return "sequence" if isinstance(self.values, Sequences) else "image"

    def check(self, device: Device) -> None:
        """Raise :class:`UserError` unless ``device`` takes them."""
        if isinstance(self.values, Sequences):
            device.encode_sequences(self.values)
        else:
            device.encode(self.values)

    def classify(self, device: Device, progress: Callable[[int, int], None], limit: float | None) -> Answers:
        """Return what ``device`` answers."""
        if isinstance(self.values, Sequences):
            return device.classify_sequences(self.values, progress=progress, limit=limit)
        return device.classify(self.values, progress=progress, limit=limit)


def run(images: Path, port: str, options: Options) -> None:
    """Classify the images or sequences in file ``images`` on the board at ``port``; say and write what came back."""
    options.check()
    for made in (options.output, options.spikes):
        checked_apart(made, options.network, images, options.labels)
    network = None if options.network is None else load(options.network)
    given = Given.of(images, network, options)
    with open_device(port, options.baud, network) as device:
        given.check(device)
        if options.spikes is not None and device.leaving is None:
            raise UserError(f"{device.name} gives no events; build one that does with `s2nn-hw bitstream --events`")
        answers = _with_progress(device, given, options)
        classes, identity = device.classes, device.identity
    if options.output is not None:
        arrays = {"class": answers.classes, "scores": answers.scores, "cycles": answers.cycles}
        write_npz(options.output, **arrays)
    if options.spikes is not None and answers.spikes is not None:
        answers.spikes.write(options.spikes)
    accuracy = None if given.wanted is None else float((answers.classes == given.wanted).mean())
    if options.as_json:
        print(json.dumps(_said(classes, answers, identity.clock_hz, accuracy, given.noun), ensure_ascii=False))
        return
    console = Terminal()
    for table in tables(classes, answers, identity.clock_hz, given.noun):
        console.print(table)
    if accuracy is not None:
        console.print(f"accuracy {100 * accuracy:.2f} %")
    if network is None:
        digest = identity.digest.hex()
        console.print(f"the board's network has digest {digest}; --network NAME.s2nn checks it", soft_wrap=True)
    if options.output is not None:
        console.print(f"class, scores and cycles are in {options.output}", soft_wrap=True)
    if options.spikes is not None:
        console.print(f"the first spikes of what the readout reads are in {options.spikes}", soft_wrap=True)
    if network is not None and not network.input.sequences:
        next_step("report", options.network, "--html")


def _with_progress(device: Device, given: Given, options: Options) -> Answers:
    """Return what ``device`` answers; on the way a bar is on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    what = f"{given.noun}s"
    with Progress(*columns, console=Terminal(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=len(given.values))

        def progress(done: int, repeats: int) -> None:
            again = f" ({repeats:,} sent again)" if repeats else ""
            bar.update(task, completed=done, description=f"{what}{again}")

        return given.classify(device, progress, options.limit)


def _said(
    classes: tuple[str, ...], answers: Answers, clock_hz: int, accuracy: float | None, noun: str
) -> dict[str, object]:
    """Return what `run --json` prints."""
    counts = np.bincount(answers.classes, minlength=len(classes)).tolist()
    return {
        f"{noun}s": len(answers.classes),
        "classes": dict(zip(classes, counts, strict=True)),
        "accuracy": accuracy,
        "clock_hz": clock_hz,
        "seconds": answers.seconds,
        "sent_again": answers.repeats,
        "class": answers.classes.tolist(),
        "scores": answers.scores.tolist(),
        "cycles": answers.cycles.tolist(),
    }


def tables(classes: tuple[str, ...], answers: Answers, clock_hz: int, noun: str) -> tuple[Table, ...]:
    """Return what `run` prints: a few results one by one, else how many of each class; cycles, time and rate."""
    results = (
        _each(classes, answers)
        if noun == "sequence" and len(answers.classes) <= FEW
        else _counts(classes, answers, noun)
    )
    figures = Table(title=f"On the board, {clock_hz / 1e6:g} MHz")
    for column in ("", "min", "mean", "max"):
        figures.add_column(column, justify="right" if column else "left")
    if len(answers.cycles):
        cycles = (answers.cycles.min(), answers.cycles.mean(), answers.cycles.max())
        what = "frames" if noun == "image" else f"{noun}s"
        figures.add_row("cycles", *(f"{c:,.6g}" for c in cycles))
        figures.add_row("microseconds", *(f"{c * 1e6 / clock_hz:,.1f}" for c in cycles))
        figures.add_row(f"{what}/s over the link", "", f"{len(answers.cycles) / max(answers.seconds, 1e-9):,.1f}", "")
        figures.add_row(f"{what} sent again", "", str(answers.repeats), "")
    return results, figures


def _counts(classes: tuple[str, ...], answers: Answers, noun: str) -> Table:
    table = Table(title=f"{noun.capitalize()}s by class")
    table.add_column("class")
    table.add_column(f"{noun}s", justify="right")
    for index, name in enumerate(classes):
        table.add_row(name, str(int((answers.classes == index).sum())))
    return table


def _each(classes: tuple[str, ...], answers: Answers) -> Table:
    table = Table(title="Sequences")
    table.add_column("class")
    for heading in ("score", "the next", "cycles"):
        table.add_column(heading, justify="right")
    for number, scores, cycles in zip(answers.classes, answers.scores, answers.cycles, strict=True):
        others = np.delete(scores, number)
        following = f"{others.max():,}" if len(others) else "-"
        table.add_row(classes[number], f"{scores[number]:,}", following, f"{cycles:,}")
    return table
