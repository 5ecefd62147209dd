"""A link and its accelerator in Amaranth's simulator: bytes in, packets out."""

from dataclasses import replace

from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib.wiring import connect

from s2nn_hw.hw.link import protocol
from s2nn_hw.hw.link.protocol import Splitter
from tests.support.replay import Replay


class LinkRig:
    """``link`` and ``accelerator`` together, compared with ``model``; :meth:`exchange` sends bytes and returns the
    packets that come back."""

    def __init__(self, link, accelerator, model):
        self.link, self.accelerator, self.model = link, accelerator, model
        self.packets, self.identity = link.packets, link.identity
        self.reset = Signal()
        m = Module()
        m.submodules.link, m.submodules.accelerator = link, accelerator
        connect(m, link.frames, accelerator.i)
        connect(m, accelerator.o, link.results)
        if hasattr(link, "spikes"):
            connect(m, accelerator.spikes, link.spikes)
        self.bench = Replay(ResetInserter(self.reset)(m), testbenches=2)

    async def wait(self, ctx, out, replies, limit):
        """Wait until so many replies are in ``out``, or ``limit`` cycles."""
        for _ in range(limit):
            if out.count(0) >= replies:
                break
            await ctx.tick()

    def exchange(self, wires, *, replies=None, resets=(), limit=20_000):
        """Send ``wires``, each when that before has its reply, or all at once if so many ``replies`` are due in all.

        Reset before the bytes in ``resets``. A reply too many would come in the cycles after the last.
        """
        link, out = self.link, bytearray()

        async def send(ctx):
            for number, wire in enumerate(wires):
                for position, byte in enumerate(wire):
                    if position in resets:
                        ctx.set(self.reset, 1)
                        await ctx.tick()
                        ctx.set(self.reset, 0)
                    ctx.set(link.i.payload, byte)
                    ctx.set(link.i.valid, 1)
                    await ctx.tick().until(link.i.ready)
                    ctx.set(link.i.valid, 0)
                await self.wait(ctx, out, 0 if replies else number + 1, limit)
            await self.wait(ctx, out, replies or 0, limit)
            await ctx.tick().repeat(200)

        async def receive(ctx):
            while True:
                ctx.set(link.o.ready, 1)
                _, _, valid, byte = await ctx.tick().sample(link.o.valid, link.o.payload)
                if valid:
                    out.append(byte)

        self.bench.run(receive, send)
        splitter = Splitter()
        packets = splitter.feed(bytes(out))
        assert not splitter.damaged
        return packets

    def untimed(self, packets):
        """Return results in their order, without their cycles, and the other replies in theirs: how long one waits for
        its turn is the line's, and only the order between both is free."""
        results, others = [], []
        for packet in packets:
            if packet.type == self.packets.reply:
                result = replace(self.packets.unpack_result(packet.payload), cycles=0)
                results.append(replace(packet, payload=self.packets.pack_result(result, packet.answered[1])))
            else:
                others.append(packet)
        return results, others

    def agree(self, wires):
        """Send the packets ``wires`` (without delimiters), each when that before has its reply: all as the model's,
        which are returned."""
        wanted = [self.model.reply(wire) for wire in wires]
        got = self.exchange([wire + b"\0" for wire in wires])
        assert self.untimed(got) == self.untimed(wanted), [wire.hex(" ") for wire in wires]
        return wanted


def wire(packet):
    """Return the bytes of ``packet`` on the line, without the delimiter."""
    return protocol.encode(packet)[:-1]
