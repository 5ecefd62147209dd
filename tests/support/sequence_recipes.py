"""Recipes and data for networks over sequences, small ones."""

import numpy as np

from s2nn_hw.network.sequences import Sequences
from s2nn_hw.quantize.recipe import from_dict
from s2nn_hw.quantize.sequences.model import build

ENCODED = ({"neurons": 7, "bits": 5, "neuron": "sigma_delta_encoder"},)
LAYERS = {
    "sigma_delta": (
        *ENCODED,
        {"neurons": 6, "bits": 5, "neuron": "sigma_delta", "recurrent": True},
        {"neurons": 5, "bits": 4, "neuron": "sigma_delta", "leak": 3, "fraction": 4},
    ),
    "adaptive": (*ENCODED, {"neurons": 6, "bits": 5, "neuron": "adaptive", "leak": 3, "recurrent": True}),
    "lif": (
        {"neurons": 7, "bits": 4, "neuron": "lif", "leak": 0},
        {"neurons": 6, "bits": 5, "neuron": "lif", "leak": 3, "reset": "hard", "recurrent": True},
        {"neurons": 6, "bits": 5, "neuron": "lif", "leak": 2, "recurrent": True},
    ),
    "low_pass": (
        {"neurons": 7, "bits": 5, "neuron": "low_pass", "planes": 4},
        {"neurons": 6, "bits": 5, "neuron": "low_pass", "planes": 4, "leak": 1, "recurrent": True},
    ),
}


def sequence_table(kind="sigma_delta", **changes):
    """Return the table of a recipe for vowels with neurons of ``kind``; ``changes`` replace whole tables."""
    sequence = {"ticks": 1 if kind == "low_pass" else 3, "frames": 29}
    return {
        "name": "tiny",
        "data": {"set": "japanese-vowels", "pixel_bits": 4, "validation": 18},
        "sequence": sequence | ({"exact_from": 0.0} if kind == "lif" else {}),
        "layers": [dict(layer) for layer in LAYERS[kind]],
        "readout": {"bits": 5},
        "training": {"epochs": 2, "batch": 16, "learning_rate": 0.01},
    } | changes


def sequence_recipe(kind="sigma_delta", **changes):
    """Return the recipe of :func:`sequence_table`."""
    return from_dict(sequence_table(kind, **changes))


def random_model(recipe, seed=1):
    """Return the model of ``recipe`` with weights and biases that make its neurons spike, and not always."""
    import torch

    model = build(recipe)
    torch.manual_seed(seed)
    with torch.no_grad():
        for rows in model.rows:
            rows.weight.mul_(2)
            rows.bias.uniform_(-0.2, 0.5)
    return model.eval()


def random_sequences(count=36, seed=0, channels=12, classes=9):
    """Return sequences of 1 to 29 frames of bytes; each class has its own channels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    parts = []
    for label in labels:
        part = rng.integers(0, 100, (rng.integers(1, 30), channels))
        part[:, label % channels] += 150
        parts.append(part.astype(np.uint8))
    return Sequences.of(parts, labels=labels, classes=tuple("0123456789")[:classes])
