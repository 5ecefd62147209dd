"""Tables of constants in logic."""

from amaranth.hdl import C, Const, Mux, Value


def choose(values, index):
    """Return ``values[index]``, ``values`` being constants or expressions and ``index`` within them.

    A tree of multiplexers over the bits of ``index``, not an ``Array``: the case statement that an ``Array`` of
    constants becomes is never evaluated by Icarus Verilog 11 when its index has not changed since the start.
    """
    values = [C(value) if isinstance(value, int) else value for value in values]
    if len(values) == 1:
        return values[0]
    if all(isinstance(value, Const) and value.value == values[0].value for value in values):
        return max(values, key=len)
    index, half = Value.cast(index), 1 << ((len(values) - 1).bit_length() - 1)
    low, high = choose(values[:half], index), choose(values[half:], index)
    bit = half.bit_length() - 1
    return Mux(index[bit], high, low) if bit < len(index) else low
