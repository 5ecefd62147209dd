"""How many images each class has: what ``s2nn-hw train`` says of data of the user's before it begins."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from s2nn_hw.errors import listed
from s2nn_hw.files import write_npz
from s2nn_hw.network.sequences import write_sequences
from s2nn_hw.quantize.data import own, source
from s2nn_hw.quantize.settings import Data

TEST_SUFFIX = ".test.npz"
UNEVEN = 3  # times as many images of one class as of another are worth a word
SHOWN = 40  # classes


@dataclass(frozen=True)
class Balance:
    """Images, or sequences, of each of the ``classes`` for training (those held out for validation among them) and for
    the test; ``constant``: features that have one value in all of training."""

    classes: tuple[str, ...]
    train: tuple[int, ...]
    test: tuple[int, ...]
    constant: tuple[str, ...]

    @property
    def ratio(self) -> float:
        """How many times the images of the rarest class the most frequent has for training."""
        return max(self.train) / min(self.train)

    @property
    def guess(self) -> float:
        """The accuracy on the test images of always guessing the class that is most frequent in training."""
        return self.test[int(np.argmax(self.train))] / sum(self.test)

    def to_json(self) -> dict[str, Any]:
        """Return the entry of the log."""
        return asdict(self) | {"ratio": round(self.ratio, 3), "guess": round(self.guess, 6)}

    def warnings(self) -> list[str]:
        """Return what is to be said aloud."""
        said = []
        if self.ratio > UNEVEN:
            most, least = self.classes[int(np.argmax(self.train))], self.classes[int(np.argmin(self.train))]
            said.append(
                f"class {most} has {self.ratio:.1f} times the training examples of class {least}; who always guesses "
                f"it is right for {100 * self.guess:.2f} % of the test"
            )
        if self.constant:
            said.append(f"one value in all of training, so nothing to learn from: {listed(self.constant)}")
        return said


def balance(data: Data) -> Balance:
    """Return the :class:`Balance` of the user's ``data``."""
    names = source.classes(data)
    train, test = (np.bincount(_labels(data, part), minlength=len(names)) for part in ("train", "test"))
    return Balance(tuple(names), tuple(train.tolist()), tuple(test.tolist()), tuple(own.constant(data)))


def _labels(data: Data, part: str) -> npt.NDArray[Any]:
    labels = source.sequences_of(data, part).labels if data.over_time else source.raw(data, part)[1]
    assert labels is not None  # data for training has such
    return labels


def introduce(data: Data, stem: Path, console: Console, *, frames: int | None = None) -> None:
    """Print what there is of each class of the user's ``data``, and write the test part, raw values (of sequences
    bytes, of longer ones the first ``frames``), labels and names, to ``stem`` and :data:`TEST_SUFFIX` for commands that
    take ``--images``; of a known set nothing."""
    if data.path is None:
        return
    show(balance(data), console)
    path = stem.with_name(stem.name + TEST_SUFFIX)
    if data.over_time:
        test = source.sequences_of(data, "test")
        write_sequences(path, test if frames is None else test.shortened(frames))
        return
    values, labels = source.raw(data, "test")
    write_npz(path, images=values, labels=labels, classes=np.array(source.classes(data)))


def show(found: Balance, console: Console) -> None:
    """Print ``found`` as a table, the most frequent classes first, and its warnings."""
    table = Table(box=SIMPLE_HEAD, padding=0, show_edge=False)
    for name in ("class", "train", "share", "test", "share"):
        table.add_column(name, justify="left" if name == "class" else "right", no_wrap=True)
    order: Sequence[int] = np.argsort(-np.array(found.train), kind="stable").tolist()
    for place in order[:SHOWN]:
        cells = [f"{row[place]:,}" for row in (found.train, found.test)]
        shares = [f"{100 * row[place] / sum(row):.1f} %" for row in (found.train, found.test)]
        table.add_row(found.classes[place], cells[0], shares[0], cells[1], shares[1])
    console.print(table)
    if len(order) > SHOWN:
        console.print(f"and {len(order) - SHOWN} more classes, in the log")
    for text in found.warnings():
        console.print(f"WARNING: {text}", style="bold red")
