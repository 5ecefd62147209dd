"""Neurons of a float graph: arrays and settings, one record a kind, each checked on construction."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from s2nn_hw.errors import UserError, quoted
from s2nn_hw.network.neurons.integrate import RESETS
from s2nn_hw.network.planes import Planes

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def _frozen(what: str, array: np.ndarray) -> np.ndarray:
    """Return a read-only copy of ``array``; :class:`UserError` unless it holds finite floats."""
    if not isinstance(array, np.ndarray) or array.dtype not in FLOATS or not array.size:
        raise UserError(f"{what} must be an array of float32 or float64, not {getattr(array, 'dtype', type(array))}")
    if not np.isfinite(array).all():
        raise UserError(f"{what} must be finite")
    frozen = array.copy()
    frozen.setflags(write=False)
    return frozen


def freeze(record: Any, *names: str) -> None:
    """Put read-only copies of the arrays ``names`` of the frozen ``record`` there."""
    for name in names:
        object.__setattr__(record, name, _frozen(name, getattr(record, name)))


@dataclass(frozen=True, eq=False)
class Norm:
    """What stands behind the sum: ``gamma (a - mean) / sqrt(variance + epsilon) + beta``, each ``(channels,)``."""

    gamma: np.ndarray
    beta: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    epsilon: float = 0.0

    def __post_init__(self) -> None:
        freeze(self, "gamma", "beta", "mean", "variance")
        shapes = {array.shape for array in self.arrays}
        if len(shapes) > 1 or self.gamma.ndim != 1:
            raise UserError(f"gamma, beta, mean and variance must have one shape (channels,), not {sorted(shapes)}")
        if not math.isfinite(self.epsilon) or self.epsilon < 0 or self.variance.min() < 0:
            raise UserError("variance and epsilon must not be negative")
        if not (self.variance + self.epsilon).all():
            raise UserError("variance + epsilon must be positive")

    @classmethod
    def affine(cls, factor: np.ndarray, shift: np.ndarray) -> Self:
        """Return the norm that is ``factor a + shift``: a bias alone is a ``factor`` of ones."""
        return cls(factor, shift, np.zeros_like(factor), np.ones_like(factor))

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """gamma, beta, mean and variance."""
        return self.gamma, self.beta, self.mean, self.variance


def _check_positive(what: str, value: float) -> None:
    """Raise :class:`UserError` unless ``value`` is a positive number."""
    if not 0 < value < math.inf:
        raise UserError(f"{what} must be positive, not {value!r}")


def _check_share(what: str, value: float) -> None:
    """Raise :class:`UserError` unless ``value`` lies in -1 .. 1."""
    if not -1 <= value <= 1:
        raise UserError(f"{what} must lie in -1 .. 1, not {value!r}")


class Normed:
    """Neurons behind a ``norm``, which has all that is float."""

    norm: Norm

    @property
    def size(self) -> int:
        """Channels."""
        return len(self.norm.gamma)

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """All that is float."""
        return self.norm.arrays


@dataclass(frozen=True, eq=False)
class FloatFire(Normed):
    """A spike where the ``norm`` of the sum reaches ``threshold``, one for all (other ones go into ``norm.beta``).

    ``strict``: only above the threshold.
    """

    norm: Norm
    threshold: float = 1.0
    strict: bool = False
    two_phase: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not math.isfinite(self.threshold):
            raise UserError(f"the threshold must be a number, not {self.threshold!r}")

    @property
    def planes(self) -> Planes:
        """What leaves: a spike."""
        return Planes()


@dataclass(frozen=True, eq=False)
class FloatRelu(Normed):
    """``min(max(u, 0), peak)`` of the ``norm`` of the sum, a real number: to be converted, it has no integers yet.

    ``peak``: None without an upper end.
    """

    norm: Norm
    peak: float | None = None

    two_phase: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.peak is not None:
            _check_positive("the peak", self.peak)

    @property
    def planes(self) -> Planes:
        """What it takes at least; it is converted to those that are wanted."""
        return Planes()


@dataclass(frozen=True, eq=False)
class FloatQuantized(Normed):
    """``clip(floor(u / width + start), 0, peak)`` of the ``norm`` of the sum, as ``planes``.

    width      of a level, one for all channels (other ones go into the norm)
    start      a share of a level
    fraction   bits of the integer tables below a weight; None: as few as thresholds want, but at least ``finest``
    timed      whether it is a time that leaves, that of the first spike: ``ttfs`` neurons
    """

    norm: Norm
    width: float
    planes: Planes
    start: float = 0.5
    fraction: int | None = 3
    finest: int = 0
    timed: bool = False
    two_phase: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_positive("the width of a level", self.width)
        _check_share("the start", self.start)


@dataclass(frozen=True, eq=False)
class FloatIntegrate(Normed):
    """``m <- (1 - 2^-leak) m + u_t``, a spike where ``m >= level threshold``, which takes ``threshold`` from m, in each
    of ``planes.count`` steps; ``u_t``: the ``norm`` of the sum of step t, or of the one sum of a number.

    leak       0: none
    reset      soft, or hard: m is set to 0
    start      of m before the first step, and ``level``: shares of the threshold
    fraction   bits of the integer tables below a weight; None: as few as thresholds want, but at least ``finest``
    strict     a spike only where m is above that
    """

    norm: Norm
    threshold: float
    planes: Planes
    leak: int = 0
    reset: str = "soft"
    start: float = 0.5
    level: float = 1.0
    fraction: int | None = 3
    finest: int = 0
    strict: bool = False
    two_phase: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check_positive("the threshold", self.threshold)
        _check_share("the start", self.start)
        _check_positive("the level", self.level)
        if self.reset not in RESETS:
            raise UserError(f"the reset must be {' or '.join(RESETS)}, not {quoted(self.reset)}")


@dataclass(frozen=True, eq=False)
class FloatReadout:
    """Scores without a spike: ``bias`` ``(classes,)`` in units of the scores.

    ``leak``: of spikes of steps k, if scores leak: ``y = sum over t of (1 - 2^-k)^(T - t) a_t + bias``; 0: not.
    """

    bias: np.ndarray
    leak: int = 0

    def __post_init__(self) -> None:
        freeze(self, "bias")
        if self.bias.ndim != 1:
            raise UserError(f"bias must have shape (classes,), not {self.bias.shape}")

    @property
    def size(self) -> int:
        """Classes."""
        return len(self.bias)

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """All that is float."""
        return (self.bias,)


Firing = FloatFire | FloatQuantized | FloatIntegrate
FloatNeuron = Firing | FloatRelu | FloatReadout
