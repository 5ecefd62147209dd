"""Small recipes of ReLU networks to be converted, and images for them."""

import torch

from s2nn_hw.quantize.data import sets
from s2nn_hw.quantize.recipe import from_dict

DENSE = [{"neurons": 24, "bits": 8}, {"neurons": 16, "bits": 8}]
CONV = [
    {"name": "a", "kind": "conv", "channels": 6, "kernel": 3, "bits": 8, "stride": 2},
    {"name": "b", "kind": "conv", "channels": 6, "kernel": 3, "bits": 8, "shortcut": "a"},
    {"name": "c", "kind": "conv", "channels": 8, "kernel": 3, "bits": 6},
]
POOLED = [CONV[0], CONV[1] | {"pool": 2}, CONV[2]]
LEVELS, SPIKES = "levels", "spikes"


def recipe(layers=DENSE, readout=None, **more):
    return from_dict(
        {
            "name": "tiny",
            "data": {"set": "mnist", "pixel_bits": 4},
            "layers": layers,
            "readout": {"bits": 8} | (readout or {}),
            "training": {"epochs": 12, "batch": 25, "learning_rate": 5e-3, "seed": 3},
        }
        | more
    )


def images(count=120):
    return torch.tensor(sets.samples("mnist")[0][:count])
