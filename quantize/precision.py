"""The arithmetic of a training step: bfloat16 where it gains, exact where it counts."""

from collections.abc import Mapping
from typing import Any

import torch

from s2nn_hw.quantize.settings import Recipe


def mixed(recipe: Recipe, device: torch.device) -> torch.autocast:
    """Return the autocast context of a training step: bfloat16 where convolutions gain by it, else nothing.

    Levels, spikes and pixels are small integers, exact in bfloat16; evaluation and batch norm's final statistics
    are always in float32, where the float network's spikes are the integer network's.
    """
    chosen = recipe.training.precision
    capabilities: Mapping[str, Any] = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    fast = device.type == "cuda" or capabilities.get("avx512_bf16", False)
    if chosen == "auto":
        chosen = "bfloat16" if fast and any(layer.kind == "conv" for layer in recipe.layers) else "float32"
    return torch.autocast(device.type, torch.bfloat16, enabled=chosen == "bfloat16")
