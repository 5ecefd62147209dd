"""The images on which a network is judged: files given, else the test set of its data set."""

from pathlib import Path

import numpy as np

from s2nn_hw.errors import UserError
from s2nn_hw.files import read_images, read_npy
from s2nn_hw.network.labels import checked_labels
from s2nn_hw.network.store import load
from s2nn_hw.quantize.data import sets
from s2nn_hw.quantize.recipe import load_recipe


def class_count(source: Path | str) -> int:
    """Return how many classes the network or recipe in file ``source`` has."""
    if Path(source).suffix == ".toml":
        return len(sets.data_set(load_recipe(source).data.set).classes)
    return len(load(source).classes)


def images_for(
    network: Path | str, images: Path | str | None, labels: Path | str | None, *, download: bool = True
) -> tuple[np.ndarray, np.ndarray | None, str]:
    """Return ``(images, labels or None, where they are from)``: the given files, else the data set's test set.

    ``images``: ``.npy``, or ``.npz`` with ``images`` and maybe ``labels`` (:func:`s2nn_hw.files.read_images`). Without
    ``download`` and without the data set's files here, the shipped sample stands in.
    """
    if images is not None:
        pictures, classes = read_images(images)
        if not pictures.ndim or not len(pictures):
            raise UserError(f"images {images}: at least one image is needed")
        where = images if labels is None else labels
        classes = classes if labels is None else read_npy(labels, what="labels")
        if classes is not None:
            classes = checked_labels(classes, len(pictures), class_count(network), f"labels {where}")
        return pictures, classes, str(images)
    if labels is not None:
        raise UserError(f"labels {labels} need --images X.npy beside them")
    loaded = load(network)
    name = loaded.provenance.get("data_set")
    if not isinstance(name, str):
        raise UserError(f"network {network} does not say which data set it is for; give --images X.npy")
    if not download and not sets.present(name, "test"):
        found = sets.samples(name)
        where = f"shipped sample of the {sets.title(name)} test set, which is not on this machine"
    else:
        found, where = sets.load(name, "test"), f"{sets.title(name)} test set"
    try:
        loaded.encode(found[0][:1])
    except UserError as error:
        raise UserError(
            f"network {network} says that it is for data set {name}, whose images do not fit it ({error}); "
            "give --images X.npy"
        ) from None
    return *found, where
