"""The sequences that a command works on: files of frames, and recordings of sound; and who takes which."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from s2nn_hw.errors import UserError, counted
from s2nn_hw.files import npz_names, read_npy
from s2nn_hw.network.labels import checked_labels
from s2nn_hw.network.network import Network
from s2nn_hw.network.sequences import Sequences, read_sequences
from s2nn_hw.quantize.audio.recordings import read_recording
from s2nn_hw.quantize.audio.tables import HOP, LENGTH, RATE
from s2nn_hw.quantize.data.labels import numbered

Classes = npt.NDArray[np.int64]
SOUND = ".wav"
WANTED = f".npz with `frames` and `offsets`, or a {SOUND}"


def holds_sequences(path: Path) -> bool:
    """Return whether the file ``path`` is one of sequences by its names: a recording, or frames and offsets."""
    if path.suffix.lower() == SOUND:
        return True
    return path.suffix.lower() == ".npz" and path.is_file() and {"frames", "offsets"} <= set(npz_names(path))


def refuse_sequences(path: Path, network: Network) -> None:
    """Raise :class:`UserError` if ``path`` holds sequences, as ``network`` reads single frames."""
    if not network.input.sequences and path.suffix.lower() != SOUND and holds_sequences(path):
        raise UserError(f"sequences {path} are none of network {network.name}, which reads single frames")


def sequences_of(path: Path, network: Network | None) -> Sequences:
    """Return the sequences in the file ``path``, for ``network`` where it is known."""
    if path.suffix.lower() == SOUND:
        return _sound(path, network)
    if path.is_dir() or path.suffix.lower() != ".npz" or (path.is_file() and "images" in npz_names(path)):
        reader = "the board" if network is None else f"network {network.name}"
        raise UserError(f"images {path} are no sequences, which {reader} reads: wanted is a {WANTED}")
    return read_sequences(path)


def _sound(path: Path, network: Network | None) -> Sequences:
    """Return the recording ``path`` as a sequence of log-mel energies."""
    frames, name = read_recording(path), f"recording {path}"
    if network is not None:
        entering, size = network.input, frames.shape[1]
        if entering.size != size or not entering.of_bytes:
            raise UserError(
                f"{name}: sound becomes frames of {size} bytes, and network {network.name} takes "
                f"{counted(entering.size, 'value')} that are none"
            )
        if len(frames) > entering.frames:
            raise UserError(
                f"{name} has {_lasting(len(frames))}; network {network.name} takes {_lasting(entering.frames)}"
            )
    return Sequences.of([frames], name=name)


def _lasting(frames: int) -> str:
    return f"{counted(frames, 'frame')} ({((frames - 1) * HOP + LENGTH) / RATE:.2f} s)"


def wanted_of(given: Sequences, network: Network, labels: Path | None) -> Classes | None:
    """Return the classes that the sequences ``given`` should have, by file ``labels`` or their own; None: not known."""
    count, known, wanted = len(given), len(network.classes), given.labels
    if labels is not None:
        return checked_labels(read_npy(labels, what="labels"), count, known, f"labels {labels}")
    if wanted is None:
        return None
    where = f"{given.name}: labels"
    if given.classes is not None:
        return numbered([given.classes[label] for label in wanted], network.classes, where)
    return checked_labels(wanted, count, known, where)
