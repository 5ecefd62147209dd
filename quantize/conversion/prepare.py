"""Thresholds and scales of a ReLU network that is to be converted, measured on training images.

    theta   the largest activation of the layer (arXiv 2103.00476), or a percentile of its activations, zeros included
    scale   of the weights, see :func:`s2nn_hw.quantize.convert.clip_search`, per channel, one for the readout; what
            rounding takes from the mean of a sum goes into the bias

Neither depends on how many spikes an activation is to have, so the integer weights of all conversions are the same.
"""

import math
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from s2nn_hw.errors import UserError
from s2nn_hw.quantize.conversion.units import Converted, Unit
from s2nn_hw.quantize.convert import clip_search, roomy, rounded
from s2nn_hw.quantize.products import product, windows_of

MAX_IMAGES = 20_000  # for thresholds
SCALED_IMAGES = 2_000  # for scales
SAMPLED = 1 << 16  # activations of a layer, a batch, that a percentile is of
BATCH_VALUES = 1 << 22  # of the largest layer, in a step


def shown(console: Console | None) -> dict[str, Any]:
    """Return the options of rich's ``track``: a bar on ``console`` that goes when it is over, none in a file."""
    return {"console": console, "disable": console is None or not console.is_terminal, "transient": True}


def batches(net: Converted, images: Tensor, most: int = 1000) -> tuple[Tensor, ...]:
    """Return ``images`` in parts that go through ``net`` with memory to spare."""
    return images.split(max(1, min(most, BATCH_VALUES // net.largest)))


def prepare(net: Converted, pixels: Tensor, *, percentile: float = 100.0, console: Console | None = None) -> None:
    """Set ``theta``, ``height``, ``scale`` and ``bias`` of each layer of ``net``, all ReLU so far, in place.

    ``pixels``: of training images as floats ``(count, pixels)``, of which the first are taken.
    """
    with torch.no_grad():
        _thresholds(net, pixels[:MAX_IMAGES], percentile, console)
        few = pixels[: min(SCALED_IMAGES, max(100, (1 << 25) // net.largest))]
        for unit in track(net.layers, description="scales", **shown(console)):
            _scale(net, unit, few)


def _thresholds(net: Converted, pixels: Tensor, percentile: float, console: Console | None) -> None:
    largest = {unit.name: 0.0 for unit in net.hidden}
    samples: dict[str, list[np.ndarray]] = {name: [] for name in largest}
    draw = torch.Generator().manual_seed(0)
    parts = batches(net, pixels)
    for part in track(parts, description="thresholds", **shown(console)):
        values = net.trace(part)
        for name, most in largest.items():
            flat = values[name][0].flatten()
            largest[name] = max(most, float(flat.max()))
            if percentile < 100:
                picked = torch.randint(0, len(flat), (min(SAMPLED, len(flat)),), generator=draw)
                samples[name].append(flat[picked].numpy())
    for unit in net.hidden:
        name = unit.name
        found = largest[name]
        if percentile < 100:
            found = float(np.percentile(np.concatenate(samples[name]), percentile))
        if not math.isfinite(found) or found <= 0:
            share = "" if percentile >= 100 else f" up to percentile {percentile:g}"
            raise UserError(f"layer {name}: activations{share} are all 0 on training images, so it has no threshold")
        unit.theta.fill_(found)
        unit.height.fill_(found)


def _scale(net: Converted, unit: Unit, pixels: Tensor) -> None:
    """Set the scale of ``unit``, and what rounding takes from the mean of its sums, which its bias gets."""
    sources = unit.sources
    parts = []
    for part in batches(net, pixels):
        values = net.trace(part, unit.name)
        parts.append([values[name][0] for name in sources])
    inputs = [torch.cat(of_source) for of_source in zip(*parts, strict=True)]
    hows = unit.connections
    tables, shared = [table.double() for table in unit.weights], unit.readout
    found = [
        clip_search(part, unit.bits[0], windows, shared=shared)[1]
        for part, windows in zip(tables[0].chunk(hows[0].groups), windows_of(hows[0], inputs[0]), strict=True)
    ]
    ratios = net.ratios(unit, net.heights())
    others = [table * ratio for table, ratio in zip(tables[1:], ratios[1:], strict=True)]
    unit.scale.copy_(roomy(found[0] if shared else torch.cat(found), others, unit.bits[1:]))
    gaps = [
        rounded(table * ratio, unit.scale.double(), bits) * unit.scale / ratio - table
        for table, ratio, bits in zip(tables, ratios, unit.bits, strict=True)
    ]
    for how, x, gap in zip(hows, inputs, gaps, strict=True):
        sums = [product(how, part, gap.float()).transpose(0, 1).flatten(1).double() for part in x.split(100)]
        unit.bias.sub_(sum(part.sum(dim=1) for part in sums) / sum(part.shape[1] for part in sums))
