"""The back end of every engine: adder trees, accumulators, the start value and the doubling between bit planes.

    ``a[m] <- base + sum over the terms of m``
    base   the start value in a frame's first slot, ``2 a[m] + fill`` in the first slot of a number's further plane,
           ``2 ~a[m] + fill`` in that of a signed number's second one, else a[m]

A slot is one cycle of terms; idle slots carry zeros. Nothing but ``base`` stands in front of the adder. In the slots of
the neurons' actions (:mod:`s2nn_hw.network.neurons.program`) what they add takes the terms' place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import C, Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from s2nn_hw.circuit.delay import delayed
from s2nn_hw.circuit.engines.actions import At, acting_accumulator
from s2nn_hw.circuit.mux import choose
from s2nn_hw.circuit.tables import Cells


def engine_ports(params: Any) -> dict[str, Any]:
    """Return the ports of every engine.

    ``i``: stream of ``width`` spikes a word, see ``table``.
    ``accumulators``: the sums, one a lane.
    ``capture``: in a cycle in which it is high the accumulators hold a frame's sums.
    ``release``: high in a cycle in which the neurons have room again for one cell.

    What leaves is no stream: accumulators that had to wait for ``ready`` would need a multiplexer or an enable each;
    instead the last pass of a cell ends only when there is room.
    """
    widths = params.accumulator_widths()
    return {
        "i": In(stream.Signature(params.width)),
        "accumulators": Out(data.StructLayout({f"n{k}": signed(int(w)) for k, w in enumerate(widths)})),
        "capture": Out(1),
        "release": In(1),
    }


class RowIndex:
    """Which row of weights the next word uses: a counter, which pooling cells take back (see ``table.Cells``).

    ``index``; ``pass_end``: the next word is the last of its pass. :meth:`build` adds the logic to a module; ``step``
    is high when a word is taken. With several ``sections`` (sources) each has its own count: ``build`` returns, per
    section, whether the next word is its, and its index.
    """

    def __init__(self, params: Any) -> None:
        self.params = params
        self.count = params.groups * params.table_words
        self.index = Signal(range(max(2, self.count)))
        self.pass_end = Signal()

    def build(self, m: Module, step: Value, sections: Sequence[Any] = (None,)) -> list[tuple[Value, Value]]:
        """Add the logic to ``m``; return ``(the next word is its, its index)`` of each of ``sections``."""
        p = self.params
        word, pass_end = _count(m, "word", p.words, step)
        m.d.comb += self.pass_end.eq(pass_end)
        if len(sections) > 1:
            return [self._section(m, word, step, k, section) for k, section in enumerate(sections)]
        _, last_plane = _count(m, "pass_plane", p.planes, step & self.pass_end)
        _, last_group = _count(m, "pass_group", p.groups, step & self.pass_end & last_plane)
        base = Signal(range(max(2, self.count)))
        following = Signal(range(max(2, self.count)))
        if p.planes == 1 and not p.pooled:
            m.d.comb += following.eq(Mux(self.pass_end & last_group, 0, self.index + 1))
        else:
            begin = Mux(last_plane, Mux(last_group, 0, base + p.table_words), base)
            with m.If(step & self.pass_end):
                m.d.sync += base.eq(begin)
            m.d.comb += following.eq(Mux(self.pass_end, begin, self._onward(m, word, step)))
        with m.If(step):
            m.d.sync += self.index.eq(following)
        return [(C(1, 1), self.index)]

    def _section(self, m: Module, word: Value, step: Value, number: int, section: Any) -> tuple[Value, Value]:
        last = self.params.groups * section.rows - 1
        index = Signal(range(max(2, last + 1)), name=f"index{number}")
        mine = _within(m, word, section.begin, section.words, number)
        end, onward = index == last, index + 1
        if section.cells.pooled:
            back, image_end = _back(m, section.cells, step & mine, number)
            end, onward = end & image_end, index - back
        begin: Value | int = 0
        if self.params.planes > 1 and self.params.groups > 1:  # the planes of a group use the same rows
            end = word == section.begin + section.words - 1
            begin = self._group_begin(m, step & mine & end, number, section.rows)
        with m.If(step & mine):
            m.d.sync += index.eq(Mux(end, begin, onward))
        return mine, index

    def _group_begin(self, m: Module, end: Value, number: int, rows: int) -> Value:
        """Return the row with which the next pass begins, ``rows`` a group; ``end`` is high in this one's last word."""
        _, last_plane = _count(m, f"plane_of_section{number}", self.params.planes, end)
        _, last_group = _count(m, f"group_of_section{number}", self.params.groups, end & last_plane)
        base = Signal(range(self.params.groups * rows), name=f"base{number}")
        begin = Mux(last_plane, Mux(last_group, 0, base + rows), base)
        with m.If(end):
            m.d.sync += base.eq(begin)
        return begin

    def _onward(self, m: Module, word: Value, step: Value) -> Value:
        """Return the row after this one within a pass; the rows of a source follow those of the one before."""
        parts, begin, back = self.params.parts, 0, C(-1, signed(2))
        for number, cells in enumerate(parts):
            if cells.pooled and len(parts) == 1:
                back, _ = _back(m, cells, step, "")
            elif cells.pooled:
                mine = _within(m, word, begin, cells.frame_words, number)
                back = Mux(mine, _back(m, cells, step & mine, number)[0], back)
            begin += cells.frame_words
        return self.index - back if self.params.pooled else self.index + 1


def _within(m: Module, word: Value, begin: int, words: int, number: int) -> Signal:
    """Return whether ``word`` of the pass is of source ``number``: one of its ``words`` from ``begin`` on."""
    mine = Signal(name=f"section{number}")
    m.d.comb += mine.eq((word >= begin) & (word < begin + words))
    return mine


def _back(m: Module, cells: Cells, step: Value, number: int | str) -> tuple[Value, Value]:
    """Return how many rows back it is from this word's to the next one's, and whether this may be the image's last:
    the last of its row of cells."""
    _, pixel_end = _count(m, f"word_of_pixel{number}", cells.words, step)
    _, cell_end = _count(m, f"column_of_cell{number}", cells.pool[1], step & pixel_end)
    _, row_end = _count(m, f"cell{number}", cells.cells[1], step & pixel_end & cell_end)
    _, cells_end = _count(m, f"row_of_cell{number}", cells.pool[0], step & pixel_end & cell_end & row_end)
    back = Mux(
        ~pixel_end, -1, Mux(~cell_end, cells.words - 1, Mux(row_end & ~cells_end, cells.cells[1] * cells.words - 1, -1))
    )
    return back, pixel_end & cell_end & row_end & cells_end


class FrameCount:
    """Which plane, group and position of a cell is summed; ``step`` is high when a pass ends.

    ``plane``, ``group``; ``frame_end``: the pass is the last plane's; ``final``: and after it the neurons are full.
    """

    def __init__(self, m: Module, params: Any, step: Value) -> None:
        self.plane, last_plane = _count(m, "plane", params.planes, step)
        self.group, last_group = _count(m, "group", params.groups, step & last_plane)
        _, last = _count(m, "repeat", params.repeats, step & last_plane & last_group)
        self.frame_end, self.final = last_plane, last_plane & last_group & last


def credit(m: Module, slots: int, use: Value, release: Value) -> Signal:
    """Return whether the neurons have room for one more cell: ``slots`` at first, less those used, and released."""
    left, any_left = Signal(range(slots + 1), init=slots, name="credit"), Signal(init=1, name="any_credit")
    # tables, not adders: `use` and `release` come late, and a carry chain would stand behind them
    less = choose([max(0, n - 1) for n in range(slots + 1)], left)
    more = choose([min(slots, n + 1) for n in range(slots + 1)], left)
    m.d.sync += [
        left.eq(Mux(use == release, left, Mux(use, less, more))),
        any_left.eq(Mux(use, left != 1, left != 0) | release),
    ]
    return any_left


def _count(m: Module, name: str, size: int, step: Value) -> tuple[Value, Value]:
    """Return a counter ``0 .. size - 1`` that moves with ``step``, and a register: whether it is at its last value."""
    if size == 1:
        return C(0, 1), C(1, 1)
    count, last = Signal(range(size), name=name), Signal(name=f"{name}_last")
    with m.If(step):
        m.d.sync += [count.eq(Mux(last, 0, count + 1)), last.eq(count == size - 2)]
    return count, last


def tree_levels(terms: int) -> int:
    """Return the registers between ``terms`` and their sum."""
    return (terms - 1).bit_length()


@dataclass(frozen=True)
class Slot:
    """A slot: ``first`` of a pass; its ``plane`` and ``group``; ``close``: it is a frame's last. Its terms come
    ``late`` cycles behind it. ``action``: the number of an action of the neurons, from 1, 0 if terms are added."""

    first: Value
    plane: Value
    group: Value
    close: Value
    late: int
    action: Value | None = None


def accumulate(m: Module, params: Any, terms: Sequence[Sequence[Value]], accumulators: Any, slot: Slot) -> Value:
    """Add trees and accumulators to ``m``; return ``capture``, high when ``accumulators`` hold a frame's sums.

    ``terms``: per lane a list of signed values, those of ``slot``.
    """
    levels = tree_levels(len(terms[0]))
    late = slot.late + levels
    group = delayed(m, slot.group, late, "at_group") if params.groups > 1 else slot.group
    if slot.action is not None:
        return _acting(m, params, terms, accumulators, slot, group)
    start, fill = params.start()
    doubles = params.planes > 1 and params.radix
    again = delayed(m, slot.first & (slot.plane != 0), late, "again") if doubles else None
    begins = slot.first if doubles or params.planes == 1 else slot.first & (slot.plane == 0)
    if params.complements:  # both flags are 1 at the first doubling
        begins = slot.first & (slot.plane != 1)
    onward = delayed(m, ~begins, late, "onward", init=1)
    plane = delayed(m, slot.plane, late, "at_plane") if doubles and params.planes > 2 else slot.plane
    totals = list[Value]()
    for lane, width in enumerate(params.accumulator_widths()):
        added = _shifted(adder_tree(m, terms[lane], lane, levels), params.shift)
        total = Signal(signed(int(width)), name=f"total{lane}", reset_less=True)
        totals.append(total)
        constants = [C(int(value), signed(int(width))) for value in start[:, lane]]
        doubled = None
        if doubles:
            fills = fill[:, :, lane].T.tolist()
            if params.planes > 2:  # by plane; that of the first is never asked for
                fills = [[bits[0], *bits] for bits in fills]
            doubled = Cat(choose([choose(bits, plane) for bits in fills], group), total[: int(width) - 1])
        flags = (onward, again)
        base = _base(choose(constants, group), total, flags, doubled, complements=params.complements).as_signed()
        m.d.sync += total.eq(added + base)
    _output(m, accumulators, totals)
    return delayed(m, slot.close, late + 1, "close")


def _acting(
    m: Module, params: Any, terms: Sequence[Sequence[Value]], accumulators: Any, slot: Slot, group: Value
) -> Value:
    """Do the work of :func:`accumulate` where neurons act on the accumulators."""
    levels = tree_levels(len(terms[0]))
    at = At.of(m, params, slot, slot.late + levels, group)
    totals = list[Value]()
    for lane, width in enumerate(params.accumulator_widths().tolist()):
        added = _shifted(adder_tree(m, terms[lane], lane, levels), params.shift)
        totals.append(acting_accumulator(m, params, lane, width, added, at))
    _output(m, accumulators, totals)
    return at.emits


def _output(m: Module, accumulators: Any, totals: Sequence[Value]) -> None:
    """Drive ``accumulators``: in two statements, as each walks through all bits, and one would rename the port."""
    first, *others = totals
    whole = accumulators.as_value()
    m.d.comb += [whole[: len(first)].eq(first), whole[len(first) :].eq(Cat(others))]


def _shifted(added: Value, bits: int) -> Value:
    """Return ``added`` with so many fraction bits below."""
    return Cat(C(0, bits), added).as_signed() if bits else added


def adder_tree(m: Module, terms: Sequence[Value], lane: int, levels: int) -> Value:
    """Add the adder tree of ``lane``, a register after each of its ``levels``; return the sum of its ``terms``."""
    parts = [*terms]
    for level in range(levels):
        pairs = list(zip(parts[::2], parts[1::2], strict=False))
        sums = [
            Signal((a + b).shape(), name=f"pair{lane}_{level}_{k}", reset_less=True) for k, (a, b) in enumerate(pairs)
        ]
        m.d.sync += [total.eq(a + b) for total, (a, b) in zip(sums, pairs, strict=True)]
        if len(parts) % 2:
            # with a reset: a shift register in a look-up table would be late for the adder behind it
            odd = Signal.like(parts[-1], name=f"odd{lane}_{level}")
            m.d.sync += odd.eq(parts[-1])
            sums.append(odd)
        parts = sums
    return parts[0]


def _base(
    start: Value, total: Value, flags: tuple[Value, Value | None], doubled: Value | None, *, complements: bool = False
) -> Value:
    """Return ``total`` where ``onward``, ``doubled`` where ``again``, the two ``flags``, else ``start``.

    Where both are 1, what is ``doubled`` is taken with all bits of ``total`` inverted, if it ``complements`` at all.

    Bit by bit, so that no function of the two flags alone exists: synthesis would compute it once, for all
    accumulators, and all of them would wait for that one look-up table.
    """
    onward, again = flags
    if doubled is None or again is None:
        return Mux(onward, total, start)
    if complements:
        fill, *others = doubled
        turned = [fill, *(bit ^ onward for bit in others)]
        begun = [Mux(onward, bit, first) for bit, first in zip(total, start, strict=True)]
        return Cat(Mux(again, one, other) for one, other in zip(turned, begun, strict=True))
    bits = []
    for k in range(len(total)):
        low = (total[k] & onward) | (doubled[k] & again)
        high = (total[k] | ~onward) & (doubled[k] | ~again)
        bits.append(high if isinstance(start, Const) and start.value >> k & 1 else low)
        if not isinstance(start, Const):
            bits[k] = Mux(start[k], high, low)
    return Cat(bits)


def signed_weight(row: Value, lane: int, bits: int, active: Value | None) -> Value:
    """Return weight ``lane`` of a ``row`` of weights; one stored bit is the sign of +-1, 0 where not ``active``."""
    if bits == 1:
        return Cat(active, row[lane]).as_signed()
    return row[lane * bits : (lane + 1) * bits].as_signed()
