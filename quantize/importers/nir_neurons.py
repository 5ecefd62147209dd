"""Neurons of NIR, differential equations, as steps of ``dt`` of forward Euler.

    IF        ``v <- v + dt r I``
    LIF       ``v <- v + dt / tau (v_leak - v + r I)``
    CubaLIF   ``i <- i + dt / tau_syn (w_in I - i)``, then LIF of tau_mem and the new i; exact where dt / tau_syn is 1

    spike     where ``v > v_threshold`` (NIR's text), or, if said, ``v >= v_threshold``
    reset     hard: ``v <- v_reset``;  soft: ``v <- v - v_threshold``;  v begins at 0

Constants that float32 leaves a last digit away from a number of few bits are taken as that. A membrane measured from
v_reset, ``u = v - v_reset``, begins at ``-v_reset``, and is reset to 0.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from s2nn_hw.errors import UserError
from s2nn_hw.network.neurons.integrate import MAX_LEAK, RESETS
from s2nn_hw.network.neurons.tables import MAX_FRACTION
from s2nn_hw.network.planes import MAX_STEPS
from s2nn_hw.network.sequences import MAX_FRAMES
from s2nn_hw.quantize.importers.operations import Affine, IntegrateFire, Kind, Shape

NEAR = 1e-5  # relative, of dt / tau: what float32 leaves of it
FEW = 12
NEURONS = ("IF", "LIF", "CubaLIF")


@dataclass(frozen=True)
class NirOptions:
    """What a NIR file doesn't say.

    steps      1 to 31 of a sample; None: not said
    reset      "soft" or "hard"; None: not said, which only a graph without such neurons can do with
    dt         of a step, in the unit of the file's taus; None: not said, IF takes 1
    nearest    whether a dt / tau that is no 2^-k becomes the nearest one, else it is refused
    events     whether events of each step enter, else one input, the same in every step
    at         whether neurons spike at their threshold, too, not only above it
    fraction   0 to 8 bits of integer tables below a weight; None: as many as are exact
    bits       of what enters, 8 if it is not said
    between    the numbers that its smallest and largest integer stand for; None: those of the inputs
    signed     whether what enters are integers with a sign, as a file of ours may say
    frames     1 to 16,384 of the longest sequence, a step a frame, in place of steps; None: not said
    """

    steps: int | None = None
    reset: str | None = None
    dt: float | None = None
    nearest: bool = False
    events: bool = False
    at: bool = False
    fraction: int | None = None
    bits: int | None = None
    between: tuple[float, float] | None = None
    signed: bool = False
    frames: int | None = None

    def __post_init__(self) -> None:
        if self.steps is not None and not 1 <= self.steps <= MAX_STEPS:
            raise UserError(f"steps must be 1 to {MAX_STEPS}, not {self.steps}")
        if self.frames is not None and not 1 <= self.frames <= MAX_FRAMES:
            raise UserError(f"frames must be 1 to {MAX_FRAMES:,}, not {self.frames}")
        if self.fraction is not None and not 0 <= self.fraction <= MAX_FRACTION:
            raise UserError(f"fraction must be 0 to {MAX_FRACTION}, not {self.fraction}")
        if self.reset is not None and self.reset not in RESETS:
            raise UserError(f"the reset must be {' or '.join(RESETS)}, not {self.reset!r}")
        if self.dt is not None and not 0 < self.dt < np.inf:
            raise UserError(f"dt must be a positive number, not {self.dt}")

    @property
    def count(self) -> int:
        """Steps, of options that have them."""
        assert self.steps is not None
        return self.steps


def per_channel(what: str, given: Any, shape: Shape) -> np.ndarray:
    """Return the numbers ``given`` for the neurons of a value of ``shape`` as ``(1,)`` or ``(channels,)``, float64."""
    numbers = np.asarray(given, np.float64)
    if not np.isfinite(numbers).all():
        raise UserError(f"{what} must be finite numbers; a neuron that does not leak is IF")
    if numbers.size > 1 and numbers.size not in (shape[0], np.prod(shape)):
        raise UserError(f"{what} of shape {numbers.shape} is not one for each of {shape}")
    rows = numbers.reshape(1 if numbers.size == 1 else shape[0], -1)
    if (rows != rows[:, :1]).any():
        raise UserError(f"{what} must be one number for each channel: neurons of a channel share it")
    return rows[:1, 0] if (rows == rows[0, 0]).all() else rows[:, 0]


def settled(numbers: np.ndarray) -> np.ndarray:
    """Return ``numbers``, those of :data:`FEW` bits that they are a float32 error away from."""
    mantissa, power = np.frexp(numbers)
    few: np.ndarray = np.ldexp(np.rint(mantissa * 2.0**FEW), power - FEW)
    return np.where(np.abs(numbers - few) <= 2.0**-20 * np.abs(numbers), few, numbers)


def operations(node: Any, shape: Shape, options: NirOptions, notes: list[str]) -> list[Kind]:
    """Return what ``node``, of one of :data:`NEURONS`, does in each step to a value of ``shape``.

    :class:`UserError` says what has no exact form; ``notes`` gets what was changed.
    """
    leak, share, driven, low, rest, threshold = _equation(node, shape, options, notes, keeps=options.count > 1)
    assert options.reset is not None
    shift, height, begin = share * (low - rest), threshold - rest, -rest
    strict = not options.at
    if options.count == 1:  # of which only the first sum is seen: any leak and threshold will do
        first = shift + (1 - share) * begin - height
        return [Affine(driven, first), IntegrateFire(1, threshold=0.0, reset=options.reset, strict=strict)]
    if (height <= 0).any():
        raise UserError(f"v_threshold must be above v_reset (0 of --reset soft), not {height.min():g} above")
    start = begin / height
    if np.unique(start).size > 1 or abs(start[0]) > 1:
        raise UserError("v_reset must be one share of v_threshold for all neurons, and at most half of it")
    one, over = (float(height[0]), np.ones(1)) if height.size == 1 else (1.0, height)
    begins = float(start[0]) + 0.0
    neuron = IntegrateFire(
        options.count, leak, 1.0, one, options.reset, strict=strict, start=begins, fraction=options.fraction
    )
    return [Affine(driven / over, shift / over), neuron]


@dataclass(frozen=True, eq=False)
class Membrane:
    """``v <- (1 - 2^-leak) v + driven I + shift``, over a whole sequence; ``leak`` 0: nothing leaks, None: nothing is
    kept. All tables ``(1,)`` or ``(channels,)``; ``reset``: what v is set to, or, ``soft``, what a spike subtracts."""

    leak: int | None
    driven: np.ndarray
    shift: np.ndarray
    threshold: np.ndarray
    reset: np.ndarray
    soft: bool
    strict: bool


def membrane(node: Any, shape: Shape, options: NirOptions, notes: list[str]) -> Membrane:
    """Return what ``node``, of one of :data:`NEURONS`, does in each step to a value of ``shape``; errors and ``notes``
    as of :func:`operations`."""
    kept = nothing_kept(node, shape, options)
    leak, share, driven, low, rest, threshold = _equation(node, shape, options, notes, keeps=not kept)
    soft = options.reset == "soft"
    if soft and not kept and (threshold <= 0).any():
        raise UserError(f"v_threshold must be above 0 with --reset soft, which subtracts it, not {threshold.min():g}")
    return Membrane(
        None if kept else leak, driven, share * low, threshold, threshold if soft else rest, soft, not options.at
    )


def nothing_kept(node: Any, shape: Shape, options: NirOptions) -> bool:
    """Return whether dt over the tau of ``node`` is 1, so that its membrane is what enters."""
    what = next((name for name in ("tau", "tau_mem") if hasattr(node, name)), None)
    return what is not None and bool((_share(what, getattr(node, what), shape, options) > 1 - NEAR).all())


def integral(node: Any, shape: Shape, options: NirOptions, notes: list[str]) -> Membrane:
    """Return what ``node``, I or LI, membranes without spikes, does in each step to a value of ``shape``."""
    driven, none = settled(per_channel("r", node.r, shape)), np.zeros(1)
    if type(node).__name__ == "I":
        return Membrane(0, driven * (1.0 if options.dt is None else options.dt), none, none, none, True, True)
    share = _share("tau", node.tau, shape, options)
    kept = nothing_kept(node, shape, options)
    leak = None if kept else _leak("tau", share, options, notes)
    share = share if leak is None else np.array([2.0**-leak])
    return Membrane(leak, driven * share, share * per_channel("v_leak", node.v_leak, shape), none, none, True, True)


def _equation(
    node: Any, shape: Shape, options: NirOptions, notes: list[str], *, keeps: bool
) -> tuple[int, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return k, dt over tau, what I is multiplied by, v_leak, v_reset and v_threshold of ``node``; ``keeps``: whether
    its membrane lasts for more than a step, so that k matters."""
    if options.reset is None:
        raise UserError("NIR does not say how neurons are reset: say --reset soft (subtracted) or hard (set)")
    leak, share, driven = 0, np.zeros(1), settled(per_channel("r", node.r, shape))
    rest, low = per_channel("v_reset", node.v_reset, shape), np.zeros(1)
    if type(node).__name__ == "IF":
        driven = settled(driven * (1.0 if options.dt is None else options.dt))
    else:
        what = "tau" if hasattr(node, "tau") else "tau_mem"
        share, low = _share(what, getattr(node, what), shape, options), per_channel("v_leak", node.v_leak, shape)
        if keeps:
            leak = _leak(what, share, options, notes)
            share = np.array([2.0**-leak])
        driven = driven * share
        if type(node).__name__ == "CubaLIF":
            _check_current(node, shape, options)
            driven = driven * settled(per_channel("w_in", node.w_in, shape))
    threshold = per_channel("v_threshold", node.v_threshold, shape)
    if options.reset == "soft" and rest.any():
        raise UserError("v_reset must be 0 with --reset soft, which subtracts the threshold; --reset hard sets v_reset")
    return leak, share, driven, low, rest, threshold


def _share(what: str, tau: Any, shape: Shape, options: NirOptions) -> np.ndarray:
    """Return dt over ``tau``."""
    taus = per_channel(what, tau, shape)
    if options.dt is None:
        raise UserError("NIR does not say how long a step is: say --dt, in the unit of tau (snnTorch's files: 1e-4)")
    if (taus <= 0).any():
        raise UserError(f"{what} must be positive, not {taus.min():g}")
    share = settled(options.dt / taus)
    if (share > 1 + NEAR).any():
        raise UserError(f"{what} must not be shorter than --dt {options.dt:g}, and is {taus.min():g}")
    return share


def _leak(what: str, share: np.ndarray, options: NirOptions, notes: list[str]) -> int:
    """Return k, where ``share``, dt over the tau called ``what``, is ``2^-k`` or may become so."""
    if (share > 1 - NEAR).any():
        raise UserError(
            f"dt / {what} is 1, so that nothing is kept from step to step, which has no form here"
            f"{' beside neurons that keep something' if options.steps is None else ': take --steps 1, or a longer tau'}"
        )
    assert options.dt is not None
    whole = np.clip(np.rint(-np.log2(share)), 1, MAX_LEAK)
    away = np.abs(share * 2.0**whole - 1)
    if (away > NEAR).any():
        at = int(np.argmax(away))
        if not options.nearest:
            raise UserError(_no_power(what, float(share[at]), options))
        notes.append(f"{what} {options.dt / share[at]:g} became {options.dt * 2.0 ** whole[at]:g}: dt over it is 2^-k")
    if np.unique(whole).size > 1:
        raise UserError(f"{what} must be the same for all neurons of a node: split the node by {what}")
    return int(whole[0])


def _no_power(what: str, share: float, options: NirOptions) -> str:
    assert options.dt is not None
    upper = int(np.clip(np.floor(-np.log2(share)), 1, MAX_LEAK - 1))
    near = " or ".join(f"{2.0**-k:g} ({what} {options.dt * 2.0**k:g})" for k in (upper, upper + 1))
    return (
        f"dt / {what} is {share:g}, and must be 2^-k, k 1 to {MAX_LEAK}: {near}; take another --dt, train with such a "
        f"{what}, or say --leak nearest"
    )


def _check_current(node: Any, shape: Shape, options: NirOptions) -> None:
    share = _share("tau_syn", node.tau_syn, shape, options)
    if (share < 1 - NEAR).any():
        raise UserError(
            f"dt / tau_syn is {share.min():g}: a current of its own has no form here, only tau_syn equal to dt, which "
            "makes it a LIF; train with LIF"
        )
