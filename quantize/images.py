"""The images on which a network is judged: files given, else the test set of its data set."""

import numpy as np

from s2nn_hw.errors import UserError
from s2nn_hw.files import read_npy
from s2nn_hw.store import load

from . import data


def images_for(network, images, labels, *, download=True):
    """Return ``(images, labels or None, where they are from)``: the given files, else the data set's test set.

    Without ``download`` and without the data set's files here, the shipped sample stands in.
    """
    if images is not None:
        pictures = np.array(read_npy(images))
        classes = None if labels is None else np.array(read_npy(labels, what="labels"))
        if classes is not None and classes.shape != (len(pictures),):
            raise UserError(f"labels {labels} must have shape ({len(pictures)},), not {classes.shape}")
        if not len(pictures):
            raise UserError(f"images {images}: at least one image is needed")
        return pictures, classes, str(images)
    if labels is not None:
        raise UserError(f"labels {labels} need --images X.npy beside them")
    name = load(network).provenance.get("data_set")
    if not isinstance(name, str):
        raise UserError(f"network {network} does not say which data set it is for; give --images X.npy")
    if not download and not data.present(name, "test"):
        return *data.samples(name), f"shipped sample of the {data.title(name)} test set, which is not on this machine"
    return *data.load(name, "test"), f"{data.title(name)} test set"
