"""Values of cycles ago."""

from amaranth.hdl import Module, Signal, Value


def delayed(m: Module, value: Value, cycles: int, name: str, init: int = 0) -> Value:
    """Return ``value`` as it was ``cycles`` cycles ago."""
    for k in range(cycles):
        later = Signal.like(value, name=f"{name}_{k}", init=init)
        m.d.sync += later.eq(value)
        value = later
    return value
