"""Tables of constants in logic."""

from amaranth.hdl import C, Mux, Value


def choose(values, index):
    """Return ``values[index]``, ``values`` being constants or expressions; past the end the last one.

    Comparisons, not ``Array``: the case statement that an ``Array`` of constants becomes is never evaluated by Icarus
    Verilog 11 when its index has not changed since the start.
    """
    values = [C(value) if isinstance(value, int) else value for value in values]
    if all(isinstance(value, type(C(0))) and value.value == values[0].value for value in values):
        return max(values, key=len)
    result = values[-1]
    for number in reversed(range(len(values) - 1)):
        result = Mux(Value.cast(index) == number, values[number], result)
    return result
