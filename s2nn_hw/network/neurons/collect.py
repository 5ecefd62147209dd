"""Sums that come in groups and cells, put side by side."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value


def collected(m: Module, value: Value, capture: Value, *, groups: int, repeats: int = 1) -> tuple[Value, Value]:
    """Return ``(whole, complete)``: the ``value`` of ``groups`` captures side by side, ``repeats`` such rows ORed.

    ``complete`` is high in the cycle of the last capture.
    """
    if groups * repeats == 1:
        return value, capture
    size = len(value)
    held = Signal(size * groups, reset_less=True)
    group = Signal(range(groups + 1))
    repeat = Signal(range(repeats + 1))
    last_group, last_repeat = group == groups - 1, repeat == repeats - 1
    slices = [held[k * size : (k + 1) * size] for k in range(groups)]
    joined = Signal(size)
    m.d.comb += joined.eq(value | Mux(repeat == 0, 0, Array(slices)[group]) if repeats > 1 else value)
    with m.If(capture):
        m.d.sync += group.eq(Mux(last_group, 0, group + 1))
        with m.If(last_group):
            m.d.sync += repeat.eq(Mux(last_repeat, 0, repeat + 1))
        for k, part in enumerate(slices):
            with m.If(group == k):
                m.d.sync += part.eq(joined)
    return Cat(*slices[:-1], joined), capture & last_group & last_repeat
