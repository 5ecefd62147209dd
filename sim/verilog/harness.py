"""Around the generated accelerator: frames in one piece each, random stalls, results in one piece each.

A bench in Python that drives every beat is slow; with this in between it wakes once a frame.
"""

from amaranth.hdl import Cat, ClockSignal, Instance, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

STALL_BITS = 8


class Harness(wiring.Component):
    """Feeds the Verilog module ``accelerator``.

    frame:         in, a frame's bits: the next frame, beat 0 in the low bits; may change after ``frames_taken`` did
    frame_valid:   in, 1 bit: there is one
    frames_taken:  out, 8 bits: counts frames
    result:        out, a result's bits: the latest
    results_given: out, 8 bits: counts results; after each change ``result`` is the new one
    stall_in:      in, 8 bits: a beat is withheld in so many of 256 cycles, at random
    stall_out:     in, 8 bits: a result is refused in so many
    """

    def __init__(self, *, beats: int, beat_bits: int, result_bits: int) -> None:
        self.beats, self.beat_bits, self.result_bits = beats, beat_bits, result_bits
        super().__init__(
            {
                "frame": In(beats * beat_bits),
                "frame_valid": In(1),
                "frames_taken": Out(8),
                "result": Out(result_bits),
                "results_given": Out(8),
                "stall_in": In(STALL_BITS),
                "stall_out": In(STALL_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Return the circuit."""
        m = Module()
        i_valid = Signal()
        i_ready = Signal()
        o_valid = Signal()
        o_ready = Signal()
        o_payload = Signal(self.result_bits)
        shift = Signal(self.beats * self.beat_bits)
        left = Signal(range(self.beats + 1))
        m.submodules.accelerator = Instance(
            "accelerator",
            i_clk=ClockSignal(),
            i_rst=ResetSignal(),
            i_i_payload=shift[: self.beat_bits],
            i_i_valid=i_valid,
            o_i_ready=i_ready,
            o_o_payload=o_payload,
            o_o_valid=o_valid,
            i_o_ready=o_ready,
        )

        # a maximal-length shift register (x^31 + x^28 + 1), stepped eight bits a cycle
        noise = Signal(31, init=0x5EED5EED & (2**31 - 1))
        m.d.sync += noise.eq(Cat(noise[STALL_BITS:], noise[:STALL_BITS] ^ noise[3 : 3 + STALL_BITS]))
        waiting_in = Signal()  # valid and ready, once given, are not taken back
        waiting_out = Signal()
        go_in = waiting_in | (noise[:STALL_BITS] >= self.stall_in)
        go_out = waiting_out | (noise[11 : 11 + STALL_BITS] >= self.stall_out)
        m.d.comb += [i_valid.eq((left != 0) & go_in), o_ready.eq(go_out)]
        m.d.sync += [waiting_in.eq(i_valid & ~i_ready), waiting_out.eq(o_ready & ~o_valid)]

        taken = i_valid & i_ready
        with m.If(taken):
            m.d.sync += [shift.eq(shift >> self.beat_bits), left.eq(left - 1)]
        with m.If(self.frame_valid & ((left == 0) | (taken & (left == 1)))):
            m.d.sync += [shift.eq(self.frame), left.eq(self.beats), self.frames_taken.eq(self.frames_taken + 1)]
        with m.If(o_valid & o_ready):
            m.d.sync += [self.result.eq(o_payload), self.results_given.eq(self.results_given + 1)]
        return m
