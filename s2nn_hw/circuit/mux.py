"""Tables of constants in logic."""

from collections.abc import Sequence

from amaranth.hdl import C, Const, Mux, Value


def choose(values: Sequence[Value | int], index: Value) -> Value:
    """Return ``values[index]``, ``values`` being constants or expressions and ``index`` within them.

    A tree of multiplexers over the bits of ``index``, not an ``Array``: the case statement that an ``Array`` of
    constants becomes is never evaluated by Icarus Verilog 11 when its index has not changed since the start.
    """
    ways = [C(value) if isinstance(value, int) else value for value in values]
    if len(ways) == 1:
        return ways[0]
    if all(isinstance(way, Const) and way.value == ways[0].value for way in ways):
        return max(ways, key=len)
    index, half = Value.cast(index), 1 << ((len(ways) - 1).bit_length() - 1)
    low, high = choose(ways[:half], index), choose(ways[half:], index)
    bit = half.bit_length() - 1
    return Mux(index[bit], high, low) if bit < len(index) else low
