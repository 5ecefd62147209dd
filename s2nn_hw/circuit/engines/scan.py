"""Finding the ones: one bank's queue of non-zero words and its priority encoder.

A bank looks at its own share of the frame. Zero words never enter the queue, so they cost nothing; each one
costs one cycle. Words carry the number of their pass (modulo 2^n), which is how a bank knows that what waits in
the queue belongs to the next pass; no end marker is queued.
"""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from s2nn_hw.circuit.fifo import Queue


def entry_layout(width: int, index_bits: int, tag_bits: int) -> data.StructLayout:
    """Return the queued word: ``bits`` (spikes), ``index`` (of its rows), ``tag`` (pass modulo 2^tag_bits)."""
    return data.StructLayout({"bits": width, "index": index_bits, "tag": tag_bits})


class Scanner(wiring.Component):
    """Turn the non-zero words of one bank into row numbers, lowest spike first.

    ``i``: words, one a cycle, ``depth`` of them queued; the encoder sees one a cycle after it was taken.
    ``current``: the pass that may be scanned now.
    ``following``: the pass after ``current``.
    ``after``: the pass after ``following``.
    ``advance``: all banks move on to ``following``, of which a word may be loaded at the end of this cycle.
    ``row``: the row to read; not a stream, because the engine never makes a bank wait within a pass.
    ``active``: there is a ``row`` in this cycle.
    ``idle``: after this cycle the bank holds nothing of pass ``current``.

    ``c`` ones in a word take ``c`` cycles; the next word follows without a gap.
    """

    def __init__(self, width: int, index_bits: int, depth: int, tag_bits: int) -> None:
        self.width, self.depth = width, depth
        self.layout = entry_layout(width, index_bits, tag_bits)
        super().__init__(
            {
                "i": In(stream.Signature(self.layout)),
                "current": In(tag_bits),
                "following": In(tag_bits),
                "after": In(tag_bits),
                "advance": In(1),
                "row": Out(index_bits + (width - 1).bit_length()),
                "active": Out(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Build the circuit."""
        m = Module()
        m.submodules.queue = queue = Queue(width=self.layout.size, depth=self.depth)
        m.d.comb += [
            queue.i.payload.eq(self.i.payload.as_value()),
            queue.i.valid.eq(self.i.valid),
            self.i.ready.eq(queue.i.ready),
        ]
        head = data.View(self.layout, queue.o.payload)

        # whatever decides is a register: whether this is the last spike, and whether the waiting word belongs to this
        # pass or to the next one, is known when the cycle begins
        low = Signal(self.width, reset_less=True)  # the spike of this cycle (one-hot), those after it
        rest = Signal(self.width, reset_less=True)
        index = Signal.like(head.index, reset_less=True)
        active = Signal()
        done = Signal(init=1)  # nothing of the word is left after this cycle
        mine, next_one = Signal(), Signal()
        load = Signal()
        m.d.comb += [
            self.idle.eq(done & ~mine),
            load.eq(done & (mine | (next_one & self.advance))),
            queue.o.ready.eq(load),
            self.active.eq(active),
            self.row.eq(Cat(_encode(low), index)),
        ]
        waiting, arriving = data.View(self.layout, queue.waiting).tag, self.i.payload.tag

        def comes(tag: Value) -> Value:
            """Whether a word of pass ``tag`` comes to the head: the memory is late, so it meets one table alone."""
            return Mux(queue.stored, waiting == tag, queue.pushed & (arriving == tag))

        with m.If(queue.free):
            m.d.sync += [
                mine.eq(comes(Mux(self.advance, self.following, self.current))),
                next_one.eq(comes(Mux(self.advance, self.after, self.following))),
            ]
        with m.Elif(self.advance):
            m.d.sync += [mine.eq(next_one), next_one.eq(head.tag == self.after)]
        spikes, found = Signal(self.width), Signal(self.width)
        m.d.comb += [spikes.eq(Mux(done, head.bits, rest)), found.eq(_lowest(spikes))]
        # without a load they hold what nobody looks at
        m.d.sync += [low.eq(found), rest.eq(spikes & ~found), active.eq(load | ~done)]
        m.d.sync += done.eq(Mux(done, ~(load & _several(head.bits)), ~_several(rest)))
        with m.If(done):
            m.d.sync += index.eq(head.index)
        return m


def _lowest(bits: Value) -> Value:
    """Return ``bits`` with all but the lowest one cleared."""
    # one flat OR per bit: a carry chain would be shorter in gates and longer in time
    return Cat(bits[k] & ~bits[:k].any() if k else bits[0] for k in range(len(bits)))


def _several(bits: Value) -> Value:
    """Return whether more than one of ``bits`` is set: a tree of (any, more than one), six inputs a table."""
    parts, each = [(bit, None) for bit in bits], 6
    while len(parts) > 1:
        groups = [parts[k : k + each] for k in range(0, len(parts), each)]
        parts, each = [_join(group) for group in groups], 3
    return C(0, 1) if parts[0][1] is None else parts[0][1]


def _join(group: Sequence[tuple[Value, Value | None]]) -> tuple[Value, Value | None]:
    """Return (any, more than one) of a ``group`` of such pairs; ``None``: never more than one."""
    some, many = group[0]
    for any_here, many_here in group[1:]:
        more = [some & any_here, *(part for part in (many, many_here) if part is not None)]
        some, many = some | any_here, Cat(more).any()
    return some, many


def _encode(onehot: Value) -> Value:
    """Return the number of the bit that is set in ``onehot`` (0 when none is)."""
    count = len(onehot)
    return Cat(
        Cat(onehot[k] for k in range(count) if k >> level & 1).any() for level in range((count - 1).bit_length())
    )
