"""Which neurons a layer has: the recipe's ``[neuron]`` table, and what the layer says instead of it.

    fire        one threshold, one spike
    quantized   ``q = clip(floor(u / theta + 1/2), 0, peak)``, ``theta = 2 threshold / peak``, the planes of a number
    ttfs        the same number as when it spikes: ``slots`` = 2^K - 1, in slot ``slots - q``, or not where q = 0
    integrate   spikes of several steps, see :mod:`s2nn_hw.quantize.steps`

With one plane ``theta / 2`` is the threshold, so a quantized neuron of one plane is one that fires.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from s2nn_hw.errors import UserError
from s2nn_hw.network.neurons.fire import Fire
from s2nn_hw.network.neurons.integrate import Integrate
from s2nn_hw.network.neurons.quantized import Quantized
from s2nn_hw.network.neurons.ttfs import Ttfs, slot_planes
from s2nn_hw.network.planes import RADIX, STEPS, Planes, given_planes
from s2nn_hw.quantize.settings import Layer, Neuron, Recipe

FIRE, QUANTIZED, TTFS, INTEGRATE = "fire", "quantized", "ttfs", "integrate"
FRACTION, ONE = 3, Planes()
DEFAULTS: dict[str, dict[str, Any]] = {
    FIRE: {},
    QUANTIZED: {"planes": 2, "code": RADIX, "fraction": FRACTION, "round_from": 1.0},
    TTFS: {"slots": 15, "fraction": FRACTION, "round_from": 1.0},
    INTEGRATE: {
        "steps": 4,
        "leak": 0,
        "reset": "soft",
        "fraction": FRACTION,
        "round_from": 1.0,
        "start": None,
        "level": None,
        "gradient": "surrogate",
    },
}
OWN = ("planes", "code", "slots", "steps", "leak", "reset")  # what a layer may say of its own neurons
EVERY = tuple(dict.fromkeys(key for keys in DEFAULTS.values() for key in keys))


@dataclass(frozen=True)
class NeuronSpec:
    """The neurons of a layer.

    kind        one of :data:`DEFAULTS`
    threshold   of what the batch norm gives
    planes      what leaves
    leak        k of ``m - (m >> k)``, 0 for none
    reset       soft: the threshold is subtracted; hard: the membrane is set to 0
    fraction    bits of the integer tables below a weight
    start       of the membrane before the first step, a share of the threshold
    level       at which a neuron fires, a share of the threshold
    gradient    surrogate, or dsr
    round_from  the share of the epochs from which on training rounds thresholds and biases
    """

    kind: str = FIRE
    threshold: float = 1.0
    planes: Planes = ONE
    leak: int = 0
    reset: str = "soft"
    fraction: int = FRACTION
    start: float = 0.5
    level: float = 1.0
    gradient: str = "surrogate"
    round_from: float = 1.0

    @property
    def levels(self) -> bool:
        """Whether a number leaves, of one sum."""
        return self.kind in (QUANTIZED, TTFS)

    @property
    def steps(self) -> int:
        """Steps, of neurons that integrate."""
        return self.planes.count

    @property
    def two_phase(self) -> bool:
        """Whether the neuron sees one sum, of all planes."""
        return self.kind != INTEGRATE

    @property
    def width(self) -> float:
        """The width of a level of quantized and ttfs neurons."""
        return 2 * self.threshold / self.planes.peak

    def integer(self, size: int) -> Fire | Quantized | Ttfs | Integrate:
        """Return ``size`` integer neurons, whose tables mean nothing yet."""
        zeros, ones = np.zeros(size, np.int32), np.ones(size, np.int32)
        if self.kind == QUANTIZED:
            return Quantized(ones, zeros, self.planes.count, self.planes.code, self.fraction)
        if self.kind == TTFS:
            return Ttfs(ones, zeros, self.planes.peak, self.fraction)
        if self.kind == INTEGRATE:
            return Integrate(zeros, zeros, zeros, zeros, self.steps, self.leak, self.fraction, self.reset)
        return Fire(zeros)


PLAIN = NeuronSpec()


def resolve(table: Neuron, layer: Layer) -> NeuronSpec:
    """Return the neurons of ``layer``, which has weights; :class:`UserError` names the key that does not fit."""
    kind = layer.neuron or table.kind
    given = {key: getattr(layer, key) for key in OWN if getattr(layer, key) is not None}
    for key in given:
        if key not in DEFAULTS[kind]:
            raise UserError(f"key '{key}' has no meaning for {kind} neurons")
    common = {key: getattr(table, key) for key in EVERY if getattr(table, key) is not None}
    values = {key: given.get(key, common.get(key, default)) for key, default in DEFAULTS[kind].items()}
    if kind == FIRE:
        return NeuronSpec(threshold=table.threshold)
    if table.threshold <= 0:
        raise UserError(f"key 'neuron.threshold' must be positive for {kind} neurons, not {table.threshold}")
    if kind in (QUANTIZED, TTFS):
        planes = slot_planes(values["slots"]) if kind == TTFS else given_planes(values["planes"], values["code"])
        return NeuronSpec(kind, table.threshold, planes, fraction=values["fraction"], round_from=values["round_from"])
    return _integrate(table.threshold, **values)


def _integrate(threshold: float, steps: int, start: float | None, level: float | None, **others: Any) -> NeuronSpec:
    """Return neurons that integrate; of ``dsr`` ones the paper's level is the default, and a start of 0."""
    dsr = others["gradient"] == "dsr"
    if dsr and others["reset"] == "hard":
        raise UserError("key 'neuron.gradient' = 'dsr' wants 'reset' of 'soft', not 'hard'")
    level = level if level is not None else (0.3 if others["leak"] else 0.5) if dsr else 1.0
    start = start if start is not None else 0.0 if dsr else 0.5
    return NeuronSpec(INTEGRATE, threshold, Planes(steps, STEPS), start=start, level=level, **others)


def fires(recipe: Recipe) -> bool:
    """Return whether all neurons of ``recipe`` have one threshold and one spike."""
    return recipe.neuron.kind == FIRE and all(layer.neuron in (None, FIRE) for layer in recipe.layers)


def check_table(table: Neuron, kinds: set[str]) -> None:
    """Raise :class:`UserError` for a key of ``table`` that none of the ``kinds`` of neurons in the recipe takes."""
    for key in EVERY:
        takers = [kind for kind, keys in DEFAULTS.items() if key in keys]
        if getattr(table, key) is not None and not kinds & set(takers):
            raise UserError(f"key 'neuron.{key}' is for neurons of kind {' or '.join(takers)}, which no layer has")
