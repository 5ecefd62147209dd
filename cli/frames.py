"""The images or events that a command works on: files given, else the test set, else random ones."""

from pathlib import Path

import numpy as np

from s2nn_hw.circuit.lower import check_edges
from s2nn_hw.emit import random_frames
from s2nn_hw.files import read_images
from s2nn_hw.network.address_events import SUFFIX, Events
from s2nn_hw.network.store import load
from s2nn_hw.quantize.data.images import images_for

RANDOM_FRAMES = 100


def frames_for(
    source: Path, images: Path | None, labels: Path | None = None, *, download: bool = False
) -> tuple[np.ndarray, np.ndarray | None, str]:
    """Return ``(images, labels or None, where they are from)`` as
    :func:`~s2nn_hw.quantize.data.images.images_for` does for the network or recipe in file ``source``.

    A network that names no data set and reads other than 8-bit images, such as events or signed pixels, gets
    :data:`RANDOM_FRAMES` random frames, the same each time.
    """
    network = None if source.suffix == ".toml" else load(source)
    if network is not None:
        check_edges(network)
        unknown = images is None and labels is None
        if unknown and not (network.input.of_bytes or network.input.scaling) and "data_set" not in network.provenance:
            what = "events" if network.input.events else "pixels"
            return random_frames(network, RANDOM_FRAMES), None, f"random {what}, as no data set is named"
    return images_for(source, images, labels, download=download)


def values_for(images: Path) -> np.ndarray:
    """Return the raw values ``(count, *shape)`` in file ``images``, of arrays or events, where no network is known."""
    return Events.read(images).images() if images.suffix == SUFFIX else read_images(images)[0]
