"""The event engine: every active input costs one cycle and adds its row of weights to all accumulators.

``a[m] <- a[m] + sum over banks r of W[row_r, m]``, and between the bit planes of pixels ``a[m] <- 2 a[m] + ...``

    frame   ``ceil(N / width)`` words of ``width`` spikes; a k-bit input frame is k passes over the words, most
            significant plane first
    bank    input n lies in word ``n // width`` at position ``j = n % width``, bank ``j % banks``, row
            ``(n // width) * (width / banks) + j // banks`` of that bank's memory
    slot    one cycle of the row pipeline: a row per bank, or the row of zeros

The offset (``-T`` or the bias) is not added: the accumulators start from it. With k planes the start value is
doubled k-1 times, so they start from ``offset >> (k-1)`` and the bits shifted out come back, one at each
doubling, as the lowest bit. Idle cycles read a row of zeros, so nothing stands in front of the adder but, in a
layer of planes, the doubling.
"""

from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Array, C, Cat, Module, Mux, Signal, signed
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..errors import UserError
from .scan import TAG_BITS, Scanner

PASSES_AHEAD = 3  # how far the input may run ahead of the scan: what two tag bits can tell apart
MIN_DEPTH = 2


@dataclass(frozen=True, eq=False)
class EventParams:
    """One layer on the event engine.

    ``weights``: int ``(neurons, inputs)``; ``bits``: of a weight; ``offsets``: int ``(neurons,)``, added to the sum;
    ``planes``: bits of an input value; ``banks``: rows a cycle; ``width``: inputs a word, a power of two times
    ``banks``; ``depth``: words that wait in each bank's queue.
    """

    weights: np.ndarray
    bits: int
    offsets: np.ndarray
    planes: int = 1
    banks: int = 1
    width: int = 16
    depth: int = 8

    def __post_init__(self):
        for name, low, high in (("banks", 1, 64), ("width", 1, 1024), ("depth", MIN_DEPTH, 1024), ("planes", 1, 8)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise UserError(f"event engine: {name} must be an integer from {low} to {high}, not {value!r}")
        if self.banks & (self.banks - 1):
            raise UserError(f"event engine: banks must be a power of two, not {self.banks}")
        share, rest = divmod(self.width, self.banks)
        if rest or share & (share - 1):
            raise UserError(
                f"event engine: width must be a power of two times the {self.banks} banks, not {self.width}"
            )

    @property
    def neurons(self):
        return self.weights.shape[0]

    @property
    def inputs(self):
        return self.weights.shape[1]

    @property
    def words(self):
        """Words of one pass over a frame."""
        return -(-self.inputs // self.width)

    @property
    def share(self):
        """Inputs of a word that belong to one bank."""
        return self.width // self.banks

    @property
    def rows(self):
        """Rows of one bank's memory, the row of zeros (the last) included."""
        return self.words * self.share + 1

    @property
    def tree_levels(self):
        return (self.banks - 1).bit_length()

    @property
    def depth_cycles(self):
        """Cycles from a slot to the sum that holds it: row number, memory, memory's register, tree, accumulator."""
        return 4 + self.tree_levels

    def row_contents(self):
        """Return, per bank, the memory's words as integers: neuron m's weight at bit ``m * bits``, two's complement."""
        mask = (1 << self.bits) - 1
        codes = np.zeros((self.words * self.width, self.neurons), np.int64)
        table = self.weights.T.astype(np.int64)
        codes[: self.inputs] = (table < 0) if self.bits == 1 else (table & mask)
        planes = [(codes >> b & 1).astype(np.uint8) for b in range(self.bits)]
        packed = np.packbits(np.stack(planes, axis=-1).reshape(len(codes), -1), axis=1, bitorder="little")
        values = [int.from_bytes(row.tobytes(), "little") for row in packed]
        banks = []
        for bank in range(self.banks):
            rows = [
                values[word * self.width + position * self.banks + bank]
                for word in range(self.words)
                for position in range(self.share)
            ]
            banks.append(rows + [0])
        return banks

    def start(self):
        """Return ``start`` int64 ``(neurons,)`` and ``fill`` ``(planes-1, neurons)``, the bits to shift in."""
        offsets = self.offsets.astype(np.int64)
        fill = [(offsets >> (self.planes - 1 - step)) & 1 for step in range(1, self.planes)]
        return offsets >> (self.planes - 1), np.array(fill, np.int64).reshape(self.planes - 1, self.neurons)

    def accumulator_widths(self):
        """Return the bits of each signed accumulator, int64 ``(neurons,)``, from interval arithmetic over every slot.

        Within a pass any subset of the inputs may have been added, so the interval grows by the sum of the
        negative and of the positive weights; a doubling maps ``[low, high]`` to ``[2 low + fill, 2 high + fill]``.
        """
        wide = self.weights.astype(np.int64)
        negative, positive = wide.clip(max=0).sum(axis=1), wide.clip(min=0).sum(axis=1)
        start, fill = self.start()
        low, high = start.copy(), start.copy()
        lowest, highest = low.copy(), high.copy()
        for plane in range(self.planes):
            if plane:
                low, high = 2 * low + fill[plane - 1], 2 * high + fill[plane - 1]
            low, high = low + negative, high + positive
            lowest, highest = np.minimum(lowest, low), np.maximum(highest, high)
        return np.array(
            [max(int(~a if a < 0 else a).bit_length(), int(b if b >= 0 else ~b).bit_length()) + 1
             for a, b in zip(lowest, highest, strict=True)]
        )

    def ones(self, values):
        """Return the ones ``(frames, planes, words, banks)`` of integer inputs ``(frames, inputs)``."""
        values = np.asarray(values, np.uint8)
        padded = np.zeros((len(values), self.words * self.width), np.uint8)
        padded[:, : self.inputs] = values
        shape = (len(values), self.words, self.share, self.banks)
        passes = [((padded >> plane) & 1).reshape(shape).sum(axis=2) for plane in reversed(range(self.planes))]
        return np.stack(passes, axis=1).astype(np.int64)


class EventEngine(wiring.Component):
    """Words of spikes in, accumulators out.

    ``i``: stream of ``width`` spikes a word; a frame is ``planes`` passes of ``words`` words.
    ``accumulators``, ``capture``: in the one cycle in which ``capture`` is high the accumulators hold the frame's
    sums; the next frame's first addition may follow in the next cycle. ``release``: high in a cycle in which the
    neurons have room again for one frame. Not a stream: accumulators that had to wait for ``ready`` would need a
    multiplexer or an enable each; instead the closing slot of a frame is issued only when there is room.

    Cycles: see ``timing.EngineTiming``.
    """

    def __init__(self, params):
        self.params = params
        self.widths = [int(w) for w in params.accumulator_widths()]
        self.layout = data.StructLayout({f"n{k}": signed(w) for k, w in enumerate(self.widths)})
        super().__init__({
            "i": In(stream.Signature(params.width)),
            "accumulators": Out(self.layout),
            "capture": Out(1),
            "release": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        p = self.params
        index_bits = max(1, (p.words - 1).bit_length())

        # input: count the words, give each bank its share
        word = Signal(range(max(2, p.words)))
        incoming = Signal(TAG_BITS)
        current = Signal(TAG_BITS)
        following = Signal(TAG_BITS)
        advance = Signal()
        scanners = [Scanner(p.share, index_bits, p.depth) for _ in range(p.banks)]
        room = Signal()
        ahead = Signal(TAG_BITS)
        m.d.comb += [
            ahead.eq(incoming - current),
            room.eq(Cat(s.i.ready for s in scanners).all() & (ahead != PASSES_AHEAD)),
            self.i.ready.eq(room),
        ]
        for bank, scanner in enumerate(scanners):
            m.submodules[f"scan{bank}"] = scanner
            bits = Cat(self.i.payload[bank :: p.banks])
            m.d.comb += [
                scanner.i.payload.bits.eq(bits),
                scanner.i.payload.index.eq(word),
                scanner.i.payload.tag.eq(incoming),
                scanner.i.valid.eq(self.i.valid & room & bits.any()),
                scanner.current.eq(current),
                scanner.following.eq(following),
            ]
        with m.If(self.i.valid & room):
            m.d.sync += word.eq(word + 1)
            with m.If(word == p.words - 1):
                m.d.sync += [word.eq(0), incoming.eq(incoming + 1)]

        # slots: all banks scan the same pass; the closing slot of a frame waits for room behind the accumulators
        closing = Signal()
        credit = Signal(init=1)
        plane = Signal(range(max(2, p.planes)))
        first = Signal()
        close = Signal()
        m.d.comb += [
            advance.eq(~closing & Cat(s.idle for s in scanners).all() & (incoming != current)),
            following.eq(current + advance),
            close.eq(closing & credit),
        ]
        m.d.sync += [current.eq(following), first.eq(advance), credit.eq((credit & ~close) | self.release)]
        with m.If(advance):
            m.d.sync += plane.eq(plane + 1)
            with m.If(plane == p.planes - 1):
                m.d.sync += [plane.eq(0), closing.eq(1)]
        with m.If(close):
            m.d.sync += closing.eq(0)
        for scanner in scanners:
            m.d.comb += scanner.run.eq(~closing)

        # rows: number, memory, the memory's register
        rows = []
        for bank, (scanner, contents) in enumerate(zip(scanners, p.row_contents(), strict=True)):
            rom = memory.Memory(shape=p.neurons * p.bits, depth=p.rows, init=contents)
            m.submodules[f"rows{bank}"] = rom
            port = rom.read_port()
            weights = Signal(p.neurons * p.bits, name=f"weights{bank}", reset_less=True)
            number = Signal(range(p.rows), init=p.rows - 1, name=f"row{bank}")
            m.d.sync += [number.eq(Mux(scanner.active, scanner.row, p.rows - 1)), weights.eq(port.data)]
            m.d.comb += [port.addr.eq(number), port.en.eq(1)]
            active = _delayed(m, scanner.active, 3, f"active{bank}") if p.bits == 1 else None
            rows.append((weights, active))

        # sums: a register per tree level, then one adder per accumulator
        late = p.depth_cycles - 1
        double = _delayed(m, first & (plane != 0), late, "double")
        step = _delayed(m, plane, late, "plane")
        m.d.comb += self.capture.eq(_delayed(m, close, late, "close"))
        # after a reset until the row pipeline has run dry: what it held must not count
        boot = _delayed(m, C(0, 1), p.depth_cycles, "boot", init=1)
        start, fill = p.start()
        for lane, width in enumerate(self.widths):
            constant = int(start[lane])
            total = Signal(signed(width), name=f"total{lane}", init=constant, reset_less=True)
            m.d.comb += self.accumulators[f"n{lane}"].eq(total)
            terms = [_weight(row, active, lane, p.bits) for row, active in rows]
            for level in range(p.tree_levels):
                pairs = [Signal((left + right).shape(), name=f"pair{lane}_{level}_{k}", reset_less=True)
                         for k, (left, right) in enumerate(zip(terms[::2], terms[1::2], strict=True))]
                m.d.sync += [pair.eq(a + b) for pair, a, b in zip(pairs, terms[::2], terms[1::2], strict=True)]
                terms = pairs
            base = total
            if p.planes > 1:
                bits = Array([0] + [int(b) for b in fill[:, lane]])
                base = Mux(double, Cat(bits[step], total[: width - 1]).as_signed(), total)
            m.d.sync += total.eq(terms[0] + base)
            with m.If(self.capture | boot):
                m.d.sync += total.eq(constant)
        return m


def _weight(row, active, lane, bits):
    """Return neuron ``lane``'s signed weight in ``row``; one stored bit is the sign of +-1, 0 if no row was read."""
    if bits == 1:
        return Cat(active, row[lane]).as_signed()
    return row[lane * bits : (lane + 1) * bits].as_signed()


def _delayed(m, value, cycles, name, init=0):
    """Return ``value`` as it was ``cycles`` cycles ago."""
    for k in range(cycles):
        later = Signal.like(value, name=f"{name}_{k}", init=init)
        m.d.sync += later.eq(value)
        value = later
    return value
