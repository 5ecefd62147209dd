"""What a family's PLL can do, the settings for a clock, and how a family's clock gets into domain ``sync``."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

from amaranth.hdl import ClockSignal, Instance, Module, Signal, Value
from amaranth.lib.io import PortLike

from s2nn_hw.errors import UserError

TOLERANCE = 0.005


@dataclass(frozen=True)
class PllLimits:
    """Bounds of one family's PLL: frequencies in Hz, dividers as ranges (data sheet DC and switching tables).

    ``divided_feedback``: the loop closes behind the output divider, which then does not change the output.
    """

    phase_hz: tuple[float, float]
    vco_hz: tuple[float, float]
    output_hz: tuple[float, float]
    input_div: range
    multiplier: range
    output_div: tuple[int, ...]
    divided_feedback: bool = False


@dataclass(frozen=True)
class PllSettings:
    """``output_hz = crystal / input_div * multiplier / output_div``; ``vco_hz`` lies before the output divider.

    With the feedback behind that divider (Gowin) the output is ``crystal / input_div * multiplier``.
    """

    input_div: int
    multiplier: int
    output_div: int
    phase_hz: float
    vco_hz: float
    output_hz: float


@dataclass(frozen=True)
class PllRequest:
    """The PLL that is wanted on a board.

    ``settings``    from :func:`closest_settings`
    ``crystal_hz``  what the clock pin carries
    ``family``      what the platform calls the device's family, None if it does not
    ``pad``         the clock pin itself where the PLL sits at it, else None
    ``pin``         the clock pin behind its buffer, None where there is none
    ``clock``       to be driven: the output
    ``locked``      to be driven: high once it is locked
    """

    settings: PllSettings
    crystal_hz: int
    family: str | None
    pad: PortLike | None
    pin: Value | None
    clock: Signal
    locked: Signal


def drive_plainly(m: Module, clock: Signal) -> None:
    """Make ``clock`` that of ``sync``; the tools find a global net for it."""
    m.d.comb += ClockSignal("sync").eq(clock)


def behind_a_buffer(device: str) -> bool:
    """Whether the PLL of ``device`` takes the clock pin itself: it does not, a buffer is before it."""
    return False


@dataclass(frozen=True)
class ClockSource:
    """How a family makes its system clock.

    ``limits``        of its PLL
    ``instance``      a function ``(request) -> Instance``: the PLL
    ``drive``         a function ``(m, clock)`` that gives ``clock`` to domain ``sync``
    ``at_pad``        a function ``(device) -> bool``: its one PLL sits at the clock pin, which then can't be an input
    ``wait_seconds``  reset lasts at least so long
    """

    limits: PllLimits
    instance: Callable[[PllRequest], Instance]
    drive: Callable[[Module, Signal], None] = drive_plainly
    at_pad: Callable[[str], bool] = behind_a_buffer
    wait_seconds: float = 0.0


def closest_settings(family: str, limits: PllLimits, crystal_hz: float, wanted_hz: float) -> PllSettings:
    """Return the closest :class:`PllSettings`; among equals the fastest phase detector, then the middle of the VCO.

    :class:`UserError`, which names ``family``, if nothing within 0.5 % of ``wanted_hz`` lies inside ``limits``.
    """
    low, high = limits.output_hz
    if not low <= wanted_hz <= high:
        raise UserError(
            f"clock {wanted_hz / 1e6:g} MHz is outside what the {family} PLL makes, {low / 1e6:g} to {high / 1e6:g} MHz"
        )
    best: tuple[tuple[int, float, float], PllSettings] | None = None
    middle = sum(limits.vco_hz) / 2
    for divider, output in product(limits.input_div, limits.output_div):
        phase = crystal_hz / divider
        if not limits.phase_hz[0] <= phase <= limits.phase_hz[1]:
            continue
        within = output if limits.divided_feedback else 1  # what the loop multiplies beside the multiplier
        multiplier = round(wanted_hz * output / within / phase)
        vco = phase * multiplier * within
        if multiplier not in limits.multiplier or not limits.vco_hz[0] <= vco <= limits.vco_hz[1]:
            continue
        rank = (round(abs(vco / output - wanted_hz)), -phase, abs(vco - middle))
        if best is None or rank < best[0]:
            best = rank, PllSettings(divider, multiplier, output, phase, vco, vco / output)
    if best is None or abs(best[1].output_hz - wanted_hz) > TOLERANCE * wanted_hz:
        nearest = f"; the nearest is {best[1].output_hz / 1e6:.4f} MHz" if best else ""
        raise UserError(
            f"clock {wanted_hz / 1e6:g} MHz can't be made from the {crystal_hz / 1e6:g} MHz crystal "
            f"within {TOLERANCE:.1%}{nearest}"
        )
    return best[1]
