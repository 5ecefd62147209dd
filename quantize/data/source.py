"""What a recipe's ``[data]`` stands for: a known set or data of the user's, by one set of functions.

raw values     as the files have them; those of known sets, and pictures, are bytes
codes          what training sees: uint8 with the pixel in the top bits, or, of pixels that are wider or signed, the
               pixels themselves, int32
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import Input
from s2nn_hw.network.scaling import Scaling
from s2nn_hw.network.sequences import Sequences
from s2nn_hw.quantize.data import own, own_sequences, sequence_sets, sets
from s2nn_hw.quantize.settings import Data

BYTE = 8  # bits
Pictures = tuple[npt.NDArray[Any], npt.NDArray[np.integer]]


def _known(name: str) -> sets.DataSet:
    return sequence_sets.SEQUENCES[name] if name in sequence_sets.SEQUENCES else sets.data_set(name)


def shape(data: Data) -> tuple[int, ...]:
    """Return the shape of an image, or (features,), or of a frame of sequences (channels,)."""
    return (data.found.shape or ()) if data.set is None else _known(data.set).shape


def classes(data: Data) -> tuple[str, ...]:
    """Return the names of the classes."""
    return (data.found.classes or ()) if data.set is None else _known(data.set).classes


def title(data: Data) -> str:
    """Return what results on it are called."""
    if data.set in sequence_sets.SEQUENCES:
        return sequence_sets.title(data.set, data.left_out)
    left_out = f" ({data.left_out} left out)" if data.left_out else ""
    return own.title(data) + left_out if data.set is None else sets.title(data.set)


def scaling(data: Data) -> Scaling | None:
    """Return how raw values become pixels, None where they are bytes."""
    return None if data.set is not None else own.scaling(data)


def entering(data: Data) -> Input:
    """Return what enters a network that is fed with codes."""
    return Input(shape(data), data.pixel_bits, signed=data.signed)


def recorded(data: Data) -> Input:
    """Return what enters the network as it is written: raw values."""
    return Input(shape(data), data.pixel_bits, signed=data.signed, scaling=scaling(data))


def codes(data: Data, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the codes of raw ``values`` ``(count, *shape)``."""
    found = scaling(data)
    if found is None:
        return values
    entered = entering(data)
    pixels = found.quantise(values, entered.low, entered.peak)
    if entered.low < 0 or entered.bits > BYTE:
        return pixels.astype(np.int32)
    return (pixels << (BYTE - entered.bits)).astype(np.uint8)


def raw(data: Data, part: str) -> Pictures:
    """Return raw values and classes of ``part``, "train" or "test"."""
    if data.set in sequence_sets.SEQUENCES:
        raise UserError(f"data set {data.set} is of sequences, and images are wanted here")
    return own.split(data, part) if data.set is None else sets.load(data.set, part)


def load(data: Data, part: str) -> Pictures:
    """Return codes and classes of ``part``, "train" or "test"."""
    values, labels = raw(data, part)
    return codes(data, values), labels


def sequences(data: Data) -> tuple[Sequences, Sequences | None]:
    """Return what is trained on, and what is held out for validation, of ``data`` of sequences; values are bytes."""
    return sequence_sets.held_out(sequences_of(data, "train"), data.validation, data.seed)


def sequences_of(data: Data, part: str) -> Sequences:
    """Return the sequences of ``part``, "train" or "test"; values are bytes."""
    return own_sequences.split(data, part) if data.set is None else sequence_sets.load(data.set, part, data.left_out)


def sequences_present(data: Data, part: str) -> bool:
    """Whether the sequences of ``part`` are there, so that nothing is downloaded."""
    return Path(str(data.path)).exists() if data.set is None else sequence_sets.present(data.set, part)
