"""Damaged weights in safetensors, and whether those that were taken are just what was wanted."""

import json
import struct

from s2nn_hw.quantize.checkpoint import read_checkpoint
from s2nn_hw.quantize.recipe import as_dict, from_dict
from tests.support.damage import Wrong, bent, changed, pick


class Checkpoints:
    """Weights in safetensors, with and without a recipe beside them."""

    def __init__(self, folder):
        import torch
        from safetensors.torch import save as pack

        from s2nn_hw.quantize.checkpoint import KEY
        from s2nn_hw.quantize.model import build as make

        self.recipe = from_dict(
            {
                "name": "tiny",
                "data": {"set": "magic", "pixel_bits": 2},
                "layers": [{"neurons": 5, "bits": 3}],
                "readout": {"bits": 3},
                "training": {"epochs": 1, "fake_quantise": False},
            }
        )
        state = make(self.recipe).state_dict()
        note = {KEY: json.dumps({"version": 1, "recipe": as_dict(self.recipe), "test": {"accuracy": 0.5}})}
        floats = {name: t for name, t in state.items() if t.is_floating_point()}
        half = {name: t.to(torch.float16) for name, t in floats.items()}
        eighth = {name: t.to(torch.float8_e4m3fn) for name, t in floats.items()}
        named = {f"module.{name}": t for name, t in state.items()}
        self.files = [pack(t, metadata=m) for t in (state, floats, half, eighth, named) for m in (note, None)]
        self.wanted = {name: tuple(t.shape) for name, t in floats.items()}

    def draw(self, rng):
        data = pick(self.files, rng)
        if rng.random() < 0.4:
            return bent(data, rng)
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        if rng.random() < 0.4 and "__metadata__" in header:
            note = json.loads(header["__metadata__"]["s2nn-checkpoint"])
            header["__metadata__"]["s2nn-checkpoint"] = json.dumps(changed(note, rng))
        elif rng.random() < 0.3:
            entry = header[pick(sorted(set(header) - {"__metadata__"}), rng)]
            entry["dtype"] = pick(["F8_E4M3", "F8_E5M2", "I32", "BOOL", "F4", "C64", "BF16", "F16", "U8"], rng)
        else:
            header = changed(header, rng)
        text = json.dumps(header).encode()
        return struct.pack("<Q", len(text)) + text + data[8 + length :]

    def accepted(self, path):
        recipe = None if path.stat().st_size % 2 else self.recipe
        checkpoint = read_checkpoint(path, recipe)
        state = checkpoint.model.state_dict()
        if recipe is not None and any(tuple(state[name].shape) != shape for name, shape in self.wanted.items()):
            raise Wrong("a checkpoint has other tensors than the recipe")
        if not all(tensor.isfinite().all() for tensor in state.values()):
            raise Wrong("a checkpoint with values that are not finite was accepted")
