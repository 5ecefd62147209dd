"""What a board gets: the accelerator behind its link, a self-test, or another design in their place."""

from collections.abc import Callable
from dataclasses import dataclass

from amaranth.lib.wiring import Component

from s2nn_hw.circuit.choices import Plan
from s2nn_hw.errors import UserError
from s2nn_hw.hw.board.board import Board
from s2nn_hw.hw.board.clocking import BoardTop, system_clock
from s2nn_hw.hw.flow.build_record import SelfTestFacts
from s2nn_hw.hw.link.selftest import Vectors
from s2nn_hw.hw.link.uart import clocks_per_bit
from s2nn_hw.network.network import Network

Design = Callable[[int, int], Component]  # (clock_hz, baud) -> component with rx and tx


@dataclass(frozen=True)
class OtherDesign:
    """A design in the accelerator's place: ``make`` makes it, ``key`` is what the build's digest knows it as.

    ``self_test``: what to tell of it in ``build.json`` if it is one; its LEDs are added. ``events``: whether its link
    takes and gives them.
    """

    make: Design
    key: str = ""
    self_test: SelfTestFacts | None = None
    events: bool = False


def accelerator_design(network: Network, plan: Plan | None, *, events: bool = False) -> Design:
    """Return a function ``(clock_hz, baud) -> component`` with ``rx`` and ``tx``: the accelerator behind its link.

    ``events``: frames come as events, and first spikes leave. A network of sequences needs its ``plan``.
    """

    def design(clock_hz: int, baud: int) -> Component:
        from s2nn_hw.accelerator import Accelerator
        from s2nn_hw.hw.link.top import LinkTop
        from s2nn_hw.sequence_accelerator import SequenceAccelerator

        clocks_per_bit(clock_hz, baud)  # refuses before a circuit is made that nobody would use
        if network.input.sequences:
            if plan is None or events:
                raise UserError(f"network {network.name} reads sequences: it needs a plan, and gives no events")
            return LinkTop(SequenceAccelerator(network, plan), clock_hz=clock_hz, baud=baud)
        return LinkTop(Accelerator(network, plan, spikes=events), clock_hz=clock_hz, baud=baud, events=events)

    return design


def self_test_design(network: Network, plan: Plan, vectors: Vectors) -> Design:
    """Return a function ``(clock_hz, baud) -> component``: the accelerator tests itself with ``vectors``.

    These are of ``network``. The component has ``rx``, ``tx`` and ``leds``.
    """

    def design(clock_hz: int, baud: int) -> Component:
        from s2nn_hw.accelerator import Accelerator
        from s2nn_hw.hw.link.top import SelfTestTop

        clocks_per_bit(clock_hz, baud)
        return SelfTestTop(Accelerator(network, plan), vectors, clock_hz=clock_hz, baud=baud)

    return design


def board_design(
    network: Network, plan: Plan | None, board: Board, clock_hz: int, baud: int, *, design: Design | None = None
) -> BoardTop:
    """Return everything on ``board``, pins and clock included, ready for its platform.

    PLL, clocks per bit, the clock that the device tells of itself and the heartbeat all come from ``clock_hz``.
    """
    make = design or accelerator_design(network, plan)
    _, settings = system_clock(board, clock_hz)
    return BoardTop(make(clock_hz, baud), board, settings)
