"""Tiny recipes of neurons of several planes and steps."""

from s2nn_hw.quantize.recipe import from_dict

DENSE = [{"neurons": 20, "bits": 4}, {"neurons": 16, "bits": 4}]
CONV = [
    {"kind": "conv", "channels": 5, "kernel": 3, "bits": 4, "pool": 2},
    {"kind": "conv", "channels": 5, "kernel": 3, "bits": 4, "shortcut": "conv1_pool"},
    {"neurons": 12, "bits": 4},
]
KINDS = {
    "k2": ({"kind": "quantized", "planes": 2}, {}),
    "k3 whole": ({"kind": "quantized", "planes": 3, "fraction": 0}, {}),
    "counts": ({"kind": "quantized", "planes": 3, "code": "steps"}, {}),
    "ttfs": ({"kind": "ttfs", "slots": 7}, {}),
    "if": ({"kind": "integrate", "steps": 4}, {}),
    "if hard": ({"kind": "integrate", "steps": 3, "reset": "hard", "surrogate": "triangular"}, {}),
    "lif": ({"kind": "integrate", "steps": 4, "leak": 2, "fraction": 4}, {}),
    "lif hard": ({"kind": "integrate", "steps": 4, "leak": 1, "reset": "hard", "start": 0.0}, {"leak": 2}),
    "dsr": ({"kind": "integrate", "steps": 5, "gradient": "dsr"}, {}),
    "dsr leaky": ({"kind": "integrate", "steps": 9, "gradient": "dsr", "leak": 2}, {"leak": 2}),
}


def recipe(neuron, readout=None, layers=DENSE, **training):
    return from_dict(
        {
            "name": "tiny",
            "data": {"set": "mnist", "pixel_bits": 2},
            "layers": layers,
            "readout": {"bits": 4} | (readout or {}),
            "neuron": neuron,
            "training": {"epochs": 1, "batch": 25, "seed": 7} | training,
        }
    )
