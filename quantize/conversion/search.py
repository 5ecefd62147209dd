"""Where thresholds and heights of spikes should be before anything is trained: layer by layer, on training images.

    fitted      theta of the least squared error of levels against the activations of the ReLU network
    searched    threshold ``alpha mu`` and height ``beta mu`` of spikes (Datta and Beerel, arXiv 2112.12133)

    mu     threshold of the ReLU network's layer
    alpha  the percentiles 1 to 99 of the layer's positive sums, by mu, and 1
    beta   in [0, 2], so that the mean of what the spikes stand for is that of the activations, cut at mu

For nearly every alpha some beta makes the means equal, so of those with means within :data:`CLOSE` of mu the pair of
least squared error is taken. A layer sees the spikes of the layers before it, as they are by then.
"""

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from s2nn_hw.quantize.conversion.firing import Rule, fire
from s2nn_hw.quantize.conversion.prepare import batches, shown
from s2nn_hw.quantize.conversion.units import Converted, Unit
from s2nn_hw.quantize.model import encode

CLOSE = 2e-3
MOST_BETA = 2.0
SHARES = torch.linspace(0.05, 1.0, 39)  # of theta that `fitted` tries
SAMPLED = 1 << 18  # sums of a layer that are looked at


def fit(net: Converted, rule: Rule, images: Tensor, pixel_bits: int) -> None:
    """Set ``theta`` of each hidden layer of ``net``, all ReLU, to that which is best for levels of ``rule``."""
    with torch.no_grad():
        for unit in net.hidden:
            (z,) = _sums(net, unit, images, pixel_bits)
            unit.theta.copy_(fitted(z, unit.theta, rule))
            unit.height.copy_(unit.theta)


def fitted(z: Tensor, theta: Tensor, rule: Rule) -> Tensor:
    """Return the threshold, a share of ``theta``, of the least squared error of levels of the sums ``z``."""
    wanted = z.clamp(min=0)
    tried = [theta * share for share in SHARES]
    errors = [float((fire(rule, [z], one, one)[0] - wanted).square().mean()) for one in tried]
    return tried[errors.index(min(errors))]


def search(net: Converted, rule: Rule, images: Tensor, pixel_bits: int, console: Console | None = None) -> None:
    """Make the hidden layers of ``net``, ReLU with thresholds mu, spikes of ``rule`` one after the other, in place."""
    with torch.no_grad():
        relu = [_sums(net, unit, images, pixel_bits)[0] for unit in net.hidden]
        both = list(zip(net.hidden, relu, strict=True))
        for unit, z in track(both, description="search", **shown(console)):
            unit.rule = rule  # steps are seen as such from here on
            mu = unit.theta.clone()
            alpha, beta = searched(_sums(net, unit, images, pixel_bits), torch.minimum(z.clamp(min=0), mu), mu, rule)
            unit.theta.copy_(alpha * mu)
            unit.height.copy_(beta * mu)


def searched(sums: list[Tensor], wanted: Tensor, mu: Tensor, rule: Rule) -> tuple[float, float]:
    """Return ``(alpha, beta)`` for the ``sums`` of each step, or of all, and the activations ``wanted``."""
    whole = torch.stack(sums).mean(dim=0)
    positive = whole[whole > 0]
    if not len(positive):
        return 1.0, 1.0
    ranks = torch.quantile(positive[: 1 << 22], torch.linspace(0.01, 0.99, 99))
    best: tuple[bool, float, float, float] | None = None
    one = torch.ones(())
    for theta in (*ranks, mu):
        rate = torch.stack(fire(rule, sums, theta, one)).mean(dim=0)
        mean = float(rate.mean())
        if mean == 0:
            continue
        beta = min(float(wanted.mean()) / (mean * float(mu)), MOST_BETA)
        made = rate * beta * mu
        far = abs(float(made.mean() - wanted.mean())) > CLOSE * float(mu)
        found = (far, float((made - wanted).square().mean()), float(theta / mu), beta)
        best = found if best is None or found < best else best
    return (1.0, 1.0) if best is None else (best[2], best[3])


def _sums(net: Converted, unit: Unit, images: Tensor, pixel_bits: int) -> list[Tensor]:
    """Return a sample of the sums of ``unit``, flat, one tensor or one a step; the same places in each call."""
    found: list[list[Tensor]] = []
    parts = batches(net, images)
    for number, part in enumerate(parts):
        values = net.trace(encode(part, pixel_bits), before=unit.name)
        sums = net.sums(unit, values, net.heights())
        size = sums[0].numel()
        draw = torch.Generator().manual_seed(number)
        kept = torch.randint(0, size, (min(size, SAMPLED // len(parts)),), generator=draw)
        found.append([z.flatten()[kept] for z in sums])
    return [torch.cat(steps) for steps in zip(*found, strict=True)]
