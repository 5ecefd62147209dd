"""Everything on the chip but clock and pins: UART, link and accelerator; or a self-test in the frames' place."""

from typing import Any, TypeVar

from amaranth.build import Platform
from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from s2nn_hw.circuit.fifo import Queue
from s2nn_hw.hw.link.link import WINDOW, EventLink, Link, SelfTestLink, SequenceLink, identity_of
from s2nn_hw.hw.link.protocol import Identity
from s2nn_hw.hw.link.selftest import ROUNDS_LOG2, SelfTest, Vectors
from s2nn_hw.hw.link.sequence_packets import window_of
from s2nn_hw.hw.link.uart import UartReceiver, UartTransmitter, clocks_per_bit

BAUD = 1_000_000
Ends = TypeVar("Ends", Link, EventLink, SequenceLink, SelfTestLink)


class LinkTop(wiring.Component):
    """An accelerator behind a UART, one clock domain of ``clock_hz``.

    ``rx``: the pin from the host.
    ``tx``: the pin to the host.

    ``accelerator``: a component with streams ``i`` (pixels) and ``o`` (class, scores, cycles) and the attributes
    ``network``, ``beats``, ``pixels_per_group``, ``pixels_per_beat`` and ``score_width``; of a network of
    sequences :class:`~s2nn_hw.sequence_accelerator.SequenceAccelerator`. ``events``: frames come as events,
    and the accelerator has the stream ``spikes`` and the attribute ``leaving``. ``window``: None takes
    :data:`~s2nn_hw.hw.link.link.WINDOW` frames, of sequences :func:`~s2nn_hw.hw.link.sequence_packets.window_of` it.
    :class:`~s2nn_hw.errors.UserError` if the clock can't make the baud rate.
    """

    def __init__(
        self, accelerator: Any, *, clock_hz: int, baud: int = BAUD, window: int | None = None, events: bool = False
    ) -> None:
        self.clocks = clocks_per_bit(clock_hz, baud)
        self.accelerator, self.events = accelerator, events
        self.link: Link | EventLink | SequenceLink
        if accelerator.network.input.sequences:
            window = window_of(accelerator) if window is None else window
            self.link = SequenceLink.of(accelerator, clock_hz=clock_hz, window=window)
        else:
            make = EventLink if events else Link
            self.link = make.of(accelerator, clock_hz=clock_hz, window=WINDOW if window is None else window)
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1)})

    @property
    def identity(self) -> Identity:
        """What the device says about itself; the layout of its packets."""
        return self.link.identity

    def elaborate(self, platform: Platform | None) -> Module:
        """Return the circuit."""
        m = Module()
        link = _line(m, self, self.link)
        m.submodules.accelerator = accelerator = self.accelerator
        connect(m, link.frames, accelerator.i)
        connect(m, accelerator.o, link.results)
        if self.events:
            connect(m, accelerator.spikes, link.spikes)
        return m


class SelfTestTop(wiring.Component):
    """An accelerator that tests itself.

    ``rx``: the pin from the host.
    ``tx``: the pin to the host, for the verdict.
    ``leds``: bit 0 passed, bit 1 failed, bit 2 the heartbeat, which changes each half second if a result came in it.

    ``accelerator``: as for :class:`LinkTop`, and ``beat_pixels``.
    ``vectors``: :class:`s2nn_hw.hw.link.selftest.Vectors`.
    :class:`~s2nn_hw.errors.UserError` if the clock can't make the baud rate.
    """

    def __init__(
        self, accelerator: Any, vectors: Vectors, *, clock_hz: int, baud: int = BAUD, rounds_log2: int = ROUNDS_LOG2
    ) -> None:
        self.clocks, self.half_second = clocks_per_bit(clock_hz, baud), max(2, clock_hz // 2)
        self.test = SelfTest(accelerator, vectors, rounds_log2=rounds_log2)
        self.link = SelfTestLink(
            identity_of(accelerator, clock_hz=clock_hz),
            accelerator.o.payload.shape(),
            vectors=self.test.count,
            rounds_log2=rounds_log2,
        )
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), "leds": Out(3)})

    @property
    def identity(self) -> Identity:
        """What the device says about itself."""
        return self.link.identity

    def elaborate(self, platform: Platform | None) -> Module:
        """Return the circuit."""
        m = Module()
        link = _line(m, self, self.link)
        m.submodules.test = test = self.test
        m.d.comb += [test.restart.eq(link.restart), test.fault.eq(link.fault), link.state.eq(test.state)]

        timer, moved, beat = Signal(range(self.half_second)), Signal(), Signal()
        m.d.sync += timer.eq(timer - 1)
        with m.If(test.moving):
            m.d.sync += moved.eq(1)
        with m.If(timer == 0):
            m.d.sync += [timer.eq(self.half_second - 1), beat.eq(beat ^ moved), moved.eq(0)]
        m.d.sync += self.leds.eq(Cat(test.state.passed, test.state.failed, beat))
        return m


def _line(m: Module, top: LinkTop | SelfTestTop, link: Ends) -> Ends:
    """Add ``link`` behind a UART at the pins of ``top``; return it."""
    m.submodules.receiver = receiver = UartReceiver(top.clocks)
    m.submodules.transmitter = transmitter = UartTransmitter(top.clocks)
    m.submodules.link = link
    m.d.comb += [receiver.rx.eq(top.rx), top.tx.eq(transmitter.tx)]
    # bytes are slow: registers on both sides keep UART, link and accelerator out of each other's paths
    m.submodules.heard = heard = Queue(width=8, depth=2)
    m.submodules.said = said = Queue(width=8, depth=2)
    for source, sink in ((receiver.o, heard.i), (heard.o, link.i), (link.o, said.i), (said.o, transmitter.i)):
        connect(m, source, sink)
    return link
