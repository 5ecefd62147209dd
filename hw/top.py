"""Everything on the chip but clock and pins: UART, link and accelerator."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from .link import WINDOW, Link
from .uart import UartReceiver, UartTransmitter, clocks_per_bit

BAUD = 1_000_000


class LinkTop(wiring.Component):
    """An accelerator behind a UART: pins ``rx`` and ``tx``, one clock domain of ``clock_hz``.

    ``accelerator``: a component with streams ``i`` (pixels) and ``o`` (class, scores, cycles) and the attributes
    ``network``, ``beats``, ``pixels_per_group``, ``pixels_per_beat`` and ``score_width``.
    :class:`~s2nn_hw.errors.UserError` if the clock can't make the baud rate.
    """

    rx: In(1, init=1)
    tx: Out(1, init=1)

    def __init__(self, accelerator, *, clock_hz, baud=BAUD, window=WINDOW):
        self.clocks = clocks_per_bit(clock_hz, baud)
        self.accelerator = accelerator
        self.link = Link.of(accelerator, clock_hz=clock_hz, window=window)
        super().__init__()

    @property
    def identity(self):
        """What the device says about itself; the layout of its packets."""
        return self.link.identity

    def elaborate(self, platform):
        m = Module()
        m.submodules.receiver = receiver = UartReceiver(self.clocks)
        m.submodules.transmitter = transmitter = UartTransmitter(self.clocks)
        m.submodules.link = link = self.link
        m.submodules.accelerator = accelerator = self.accelerator
        m.d.comb += [receiver.rx.eq(self.rx), self.tx.eq(transmitter.tx)]
        connect(m, receiver.o, link.i)
        connect(m, link.frames, accelerator.i)
        connect(m, accelerator.o, link.results)
        connect(m, link.o, transmitter.i)
        return m
