"""The data sets of sequences: recordings as frames over time, parts for training, validation and test."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from s2nn_hw.errors import UserError, listed, quoted
from s2nn_hw.network.network import Network
from s2nn_hw.network.sequences import Sequences, read_sequences
from s2nn_hw.quantize.audio.tables import HOP, MELS, RATE
from s2nn_hw.quantize.data import fsdd, sets, vowels
from s2nn_hw.quantize.data.sets import DataSet, file_of, root

ROWS = 28  # of an image, and pixels of each

SEQUENCES = {
    "fsdd": DataSet(
        fsdd.FOLDER,
        ("https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/",),
        {fsdd.ARCHIVE: None},  # the archive's content is checked as it is read
        fsdd.CLASSES,
        "Free Spoken Digits",
        (MELS,),
    ),
    "japanese-vowels": DataSet(
        vowels.FOLDER,
        (),
        {},  # the numbers are checked as they are read
        vowels.CLASSES,
        "JapaneseVowels",
        (vowels.CHANNELS,),
    ),
    "mnist-rows": DataSet(
        sets.SETS["mnist"].folder,
        sets.SETS["mnist"].mirrors,
        sets.SETS["mnist"].checksums,
        sets.SETS["mnist"].classes,
        "MNIST by rows",
        (ROWS,),
    ),
}
FRAMES_PER_SECOND = {"fsdd": RATE / HOP}  # of those whose frames are moments of sound
SPEAKERS = {"fsdd": fsdd.SPEAKERS}  # who may be left out


def sequence_set(name: str) -> DataSet:
    """Return the :class:`DataSet` called ``name``; its shape is that of a frame."""
    if name not in SEQUENCES:
        raise UserError(f"data set {quoted(name)} of sequences is unknown; known: {', '.join(SEQUENCES)}")
    return SEQUENCES[name]


def title(name: str, left_out: str | None = None) -> str:
    """Return what results on the set ``name`` are called."""
    return sequence_set(name).title + (f" ({left_out} left out)" if left_out else "")


def data_set_of(network: Network) -> str | None:
    """Return the key of the set of sequences that ``network`` says it was trained on, None if it says none."""
    key = network.provenance.get("data_set")
    return key if isinstance(key, str) and key in SEQUENCES else None


def left_out_of(network: Network) -> str | None:
    """Return who was left out of the training of ``network``, by its recipe, if anybody; a file may say anything."""
    said: object = network.provenance
    for key in ("recipe", "data", "left_out"):
        said = said.get(key) if isinstance(said, dict) else None
    return said if isinstance(said, str) else None


def load(name: str, part: str, left_out: str | None = None) -> Sequences:
    """Return the recordings of ``part`` ("train" or "test"), values of 8 bits, labels, and where there are, groups.

    ``left_out``: the speaker who is the test, in place of the set's own test part. Files are looked for under
    :func:`.sets.root` and downloaded there, checked, if absent.
    """
    info = sequence_set(name)
    check_left_out(name, left_out)
    if name == "fsdd":
        return fsdd.load(fsdd.source(root()) or file_of(info, fsdd.ARCHIVE), part, left_out)
    if name == "japanese-vowels":
        return vowels.load(vowels.source(root()) or vowels.missing(root()), part)
    return rows(*sets.load("mnist", part))


def present(name: str, part: str) -> bool:
    """Whether the files of ``part`` are there, so that :func:`load` downloads nothing."""
    sequence_set(name)
    if name == "fsdd":
        return fsdd.source(root()) is not None
    if name == "japanese-vowels":
        return vowels.source(root()) is not None
    return sets.present("mnist", part)


def samples(name: str) -> Sequences:
    """Return the shipped sample of the test part; no download.

    Free Spoken Digits: one recording of each speaker and digit, 60; JapaneseVowels: 90; rows of 300 MNIST images.
    """
    sequence_set(name)
    if name == "mnist-rows":
        return rows(*sets.samples("mnist"))
    return read_sequences(Path(__file__).parents[1] / "samples" / f"{name}.npz")


def rows(images: npt.NDArray[np.uint8], labels: npt.NDArray[np.integer]) -> Sequences:
    """Return ``images``, uint8 ``(count, 28, 28)``, as sequences of 28 frames, a row each, from above to below."""
    count, frames, pixels = images.shape
    return Sequences(
        images.reshape(count * frames, pixels),
        np.arange(count + 1, dtype=np.int64) * frames,
        labels=labels.astype(np.int64),
        classes=sets.SETS["mnist"].classes,
        name="MNIST by rows",
    )


def check_left_out(name: str | None, left_out: str | None) -> None:
    """Raise :class:`UserError` unless ``left_out`` is None or one of the speakers of the set ``name``."""
    if left_out is None:
        return
    if name not in SPEAKERS:
        raise UserError(f"key 'data.left_out' is for data sets with speakers: {listed(SPEAKERS)}")
    if left_out not in SPEAKERS[name]:
        raise UserError(f"key 'data.left_out' must be one of {listed(SPEAKERS[name])}, not {quoted(left_out)}")


def held_out(
    sequences: Sequences, count: int, seed: int, *, key: str = "data.validation"
) -> tuple[Sequences, Sequences | None]:
    """Return ``sequences`` without ``count`` of them, and those, as the ``key`` of a recipe wants; None where ``count``
    is 0.

    They are drawn with ``seed`` from every pair of group and class by its size: of n recordings of a pair the k-th that
    would be drawn has rank (k + 1/2) / n, and those of the lowest ranks are taken, equal ranks in a drawn order.
    """
    if not count:
        return sequences, None
    if sequences.labels is None:
        raise UserError(f"{sequences.name}: a part for validation is drawn by label, and there are none")
    if not 0 < count <= len(sequences) // 2:
        raise UserError(
            f"key '{key}' must hold out at most half of the {len(sequences):,} recordings for training, not {count:,}"
        )
    groups = np.zeros(len(sequences), str) if sequences.groups is None else sequences.groups
    pairs = np.unique(np.stack([groups, sequences.labels.astype(str)]), axis=1, return_inverse=True)[1].reshape(-1)
    order = np.random.default_rng(seed).permutation(len(sequences))
    ranks = np.empty(len(sequences))
    for pair in range(int(pairs.max()) + 1):
        drawn = order[pairs[order] == pair]
        ranks[drawn] = (np.arange(len(drawn)) + 0.5) / len(drawn)
    taken = np.zeros(len(sequences), bool)
    taken[order[np.argsort(ranks[order], kind="stable")[:count]]] = True
    lost = np.setdiff1d(sequences.labels, sequences.labels[~taken])
    if len(lost):
        raise UserError(
            f"{sequences.name}: with {count:,} held out (key '{key}') class {int(lost[0])} has nothing to train on"
        )
    return sequences.chosen(~taken), sequences.chosen(taken)
