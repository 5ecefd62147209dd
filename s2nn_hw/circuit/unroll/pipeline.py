"""A pipeline that honours back-pressure: registers level by level, each held while the one behind it is full.

    ready[l]  = ~valid[l] | ready[l + 1]        level l has room, or will have: all may move in one cycle
    enable[l] = ready[l] & valid[l - 1]         its registers take the values of the level before

A value is at the end ``depth`` cycles after it entered, unless it is held up; ``depth`` values are in it at most.
"""

from collections.abc import Sequence

from amaranth.hdl import C, Module, Signal, Value


class Pipeline:
    """``depth`` levels added to module ``m``; ``valid``: a value is offered; ``o_ready``: the last level's is taken.

    ``enables``: for each level, the clock enable of its registers; ``ready``: the value offered is taken; ``valid``:
    of the last level.
    """

    def __init__(self, m: Module, depth: int, valid: Value, o_ready: Value, name: str = "level") -> None:
        full = [Signal(name=f"{name}{k}_valid") for k in range(depth)]
        free = [Signal(name=f"{name}{k}_ready") for k in range(depth)]
        self.enables = [Signal(name=f"{name}{k}_enable") for k in range(depth)]
        before = valid
        for k in range(depth):
            m.d.comb += free[k].eq(~full[k] | (free[k + 1] if k + 1 < depth else o_ready))
            m.d.comb += self.enables[k].eq(free[k] & before)
            with m.If(free[k]):
                m.d.sync += full[k].eq(before)
            before = full[k]
        self.ready, self.valid = free[0], full[-1]


class FreePipeline:
    """``depth`` levels that move in every cycle, full or empty: no enable, and nothing in a register waits.

    What comes out must be taken; whoever feeds it may only let in what has a place behind it. Members as of
    :class:`Pipeline`, ``None`` for the enables.
    """

    def __init__(self, m: Module, depth: int, valid: Value, name: str = "level") -> None:
        self.enables, self.ready = [None] * depth, C(1, 1)
        for k in range(depth):
            full = Signal(name=f"{name}{k}_valid")
            m.d.sync += full.eq(valid)
            valid = full
        self.valid = valid


def delayed(m: Module, value: Value, enables: Sequence[Value | None], name: str) -> Value:
    """Return ``value`` behind one register per clock enable; None: it loads in every cycle."""
    for k, enable in enumerate(enables):
        register = Signal(len(value), name=f"{name}{k}", reset_less=True)
        if enable is None:
            m.d.sync += register.eq(value)
        else:
            with m.If(enable):
                m.d.sync += register.eq(value)
        value = register
    return value
