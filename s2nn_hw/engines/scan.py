"""Finding the ones: one bank's queue of non-zero words and its priority encoder.

A bank looks at its own share of the frame. Zero words never enter the queue, so they cost nothing; each one
costs one cycle. Words carry the number of their pass (modulo 2^n), which is how a bank knows that what waits in
the queue belongs to the next pass; no end marker is queued.
"""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out


def entry_layout(width, index_bits, tag_bits):
    """Return the queued word: ``bits`` (spikes), ``index`` (of its rows), ``tag`` (pass modulo 2^tag_bits)."""
    return data.StructLayout({"bits": width, "index": index_bits, "tag": tag_bits})


class Scanner(wiring.Component):
    """Turn the non-zero words of one bank into row numbers, lowest spike first.

    ``i``: words, one a cycle, queued (``depth`` of them; a word is visible to the encoder one cycle after it was
    taken). ``current``: the pass that may be scanned now, ``following``: the pass that may be loaded at the end of
    this cycle (equal to ``current`` unless all banks move on).
    ``row``, ``active``: the row to read; not a stream, because the engine never makes a bank wait within a pass.
    ``idle``: after this cycle the bank holds nothing of pass ``current``.

    ``c`` ones in a word take ``c`` cycles; the next word follows without a gap.
    """

    def __init__(self, width, index_bits, depth, tag_bits):
        self.width, self.depth = width, depth
        self.layout = entry_layout(width, index_bits, tag_bits)
        super().__init__({
            "i": In(stream.Signature(self.layout)),
            "current": In(tag_bits),
            "following": In(tag_bits),
            "row": Out(index_bits + (width - 1).bit_length()),
            "active": Out(1),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue = queue = fifo.SyncFIFO(width=self.layout.size, depth=self.depth)
        m.d.comb += [
            queue.w_data.eq(self.i.payload.as_value()),
            queue.w_en.eq(self.i.valid),
            self.i.ready.eq(queue.w_rdy),
        ]
        head = data.View(self.layout, queue.r_data)

        low = Signal(self.width)  # the spike of this cycle (one-hot), those after it
        rest = Signal(self.width)
        index = Signal.like(head.index)
        done = Signal()
        m.d.comb += [
            done.eq(~low.any() | ~rest.any()),
            queue.r_en.eq(done & (head.tag == self.following)),
            self.idle.eq(done & ~(queue.r_rdy & (head.tag == self.current))),
            self.active.eq(low.any()),
            self.row.eq(Cat(_encode(low), index)),
        ]
        first = Signal(self.width)  # lowest spike of the waiting word, of the rest
        second = Signal(self.width)
        m.d.comb += [first.eq(_lowest(head.bits)), second.eq(_lowest(rest))]
        with m.If(done):
            m.d.sync += [low.eq(0), rest.eq(0)]
            with m.If(queue.r_rdy & (head.tag == self.following)):
                m.d.sync += [low.eq(first), rest.eq(head.bits & ~first), index.eq(head.index)]
        with m.Else():
            m.d.sync += [low.eq(second), rest.eq(rest & ~second)]
        return m


def _lowest(bits):
    """Return ``bits`` with all but the lowest one cleared."""
    # one flat OR per bit: a carry chain would be shorter in gates and longer in time
    return Cat(bits[k] & ~bits[:k].any() if k else bits[0] for k in range(len(bits)))


def _encode(onehot):
    """Return the number of the bit that is set in ``onehot`` (0 when none is)."""
    count = len(onehot)
    return Cat(
        Cat(onehot[k] for k in range(count) if k >> level & 1).any() for level in range((count - 1).bit_length())
    )
