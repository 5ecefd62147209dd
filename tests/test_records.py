"""Records from strangers: what is refused, and how the line names the field."""

from dataclasses import dataclass, field

import pytest

from s2nn_hw.errors import UserError
from s2nn_hw.records import Amount, Count, Positive, convert


@dataclass(frozen=True)
class Row:
    used: Amount
    of: Count = 0


@dataclass(frozen=True)
class Table:
    name: str
    rows: dict[str, Row]
    mhz: Positive | None = None
    steps: tuple[str, ...] = field(default=())


WHOLE = {"name": "x", "rows": {"a": {"used": 1.5, "of": 3}, "b": {"used": 2}}, "mhz": 80, "steps": ["1 ns"]}


def test_a_record_is_converted():
    table = convert(WHOLE | {"more": 1}, Table, "record r.json")
    assert table == Table("x", {"a": Row(1.5, 3), "b": Row(2)}, 80, ("1 ns",))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"name": None}, "field name: expected str, got null"),
        ({"name": "\x1b[2J"}, r"field name: '\x1b[2J' has control characters"),
        ({"rows": {"\x1b": {"used": 1}}}, "field rows: a name in it has control characters"),
        ({"rows": {"a": {"used": 1}, "b": {"used": "x"}}}, "field rows.b.used: expected float, got str"),
        ({"rows": {"a": {"used": True}}}, "field rows.a.used: expected float, got bool"),
        ({"rows": {"a": {"used": -1}}}, "field rows.a.used: expected float >= 0.0, not -1"),
        ({"rows": {"a": {"used": float("nan")}}}, "field rows.a.used: nan is no number to go on with"),
        ({"rows": {"a": {"used": 1, "of": 1.5}}}, "field rows.a.of: expected int, got float"),
        ({"rows": {"a": {"used": 1, "of": 10**30}}}, "field rows.a.of"),
        ({"rows": {"a": {}}}, "field rows.a.used is missing"),
        ({"mhz": 0}, "field mhz: expected float > 0.0, not 0"),
        ({"mhz": []}, "field mhz: expected float | null, got array"),
        ({"steps": ["x", 1]}, "field steps[1]: expected str, got int"),
    ],
)
def test_what_does_not_fit_is_named(changes, line):
    with pytest.raises(UserError) as caught:
        convert(WHOLE | changes, Table, "record r.json", plain=True)
    assert str(caught.value).startswith(f"record r.json: {line}")


@pytest.mark.parametrize("data", [None, [], 1, "x", True])
def test_what_is_no_object_is_refused(data):
    with pytest.raises(UserError, match=r"^record r.json: expected object, got "):
        convert(data, Table, "record r.json")
