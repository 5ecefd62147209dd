"""Quantities and tables of reports: unit, source and band, or an error."""

import json

import numpy as np
import pytest

from s2nn_hw.report.quantities import SOURCES, column, quantity, significant, table


@pytest.mark.parametrize("source", [s for s in SOURCES if s != "estimate"])
def test_quantity_has_unit_and_source(source):
    assert quantity(3, "cycles", source) == {"value": 3, "unit": "cycles", "source": source}


def test_estimate_has_a_band():
    whole = quantity(np.float32(2.5), "nJ", "estimate", by="a file", band=(1, np.int64(4)))
    assert whole == {"value": 2.5, "unit": "nJ", "source": "estimate", "by": "a file", "band": [1, 4]}
    assert json.loads(json.dumps(whole)) == whole
    assert quantity(None, "nJ", "estimate") == {"value": None, "unit": "nJ", "source": "estimate"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((1, "nJ", "guess"), "source must be one of"),
        ((1, "nJ", "estimate"), "needs a band"),
        ((1, "nJ", "formula", None, (0, 2)), "only estimates"),
        ((1, "nJ", "estimate", None, (2, 3)), "must hold the value"),
        ((1, "nJ", "estimate", None, (3, 0)), "low first"),
        ((None, "nJ", "estimate", None, (0, 1)), "must hold the value"),
        ((float("nan"), "nJ", "formula"), "finite"),
        ((True, "nJ", "formula"), "finite"),
        (("1", "nJ", "formula"), "finite"),
        ((1, None, "formula"), "unit must be text"),
        ((1, "nJ", "formula", 3), "by must be text"),
    ],
)
def test_bad_quantities_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        quantity(*arguments)


def test_table_says_units_once():
    columns = {"nj": column("nJ", "estimate", band=(0.5, 2)), "kind": column("", "setting")}
    made = table(
        columns,
        [{"name": "fc0", "kind": "event", "nj": np.float64(1.5)}, {"name": "or", "nj": None, "kind": ["a", "b"]}],
    )
    assert made["columns"]["nj"] == {"unit": "nJ", "source": "estimate", "band": [0.5, 2]}
    assert made["rows"][0] == {"name": "fc0", "nj": 1.5, "kind": "event"}
    assert list(made["rows"][0]) == ["name", "nj", "kind"]
    assert made["rows"][1] == {"name": "or", "nj": None, "kind": ["a", "b"]}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"name": "a"}], "must have"),
        ([{"name": "a", "nj": 1, "more": 2}], "must have"),
        ([{"name": 3, "nj": 1}], "must be text"),
        ([{"name": "a", "nj": float("inf")}], "finite"),
        ([{"name": "a", "nj": [1]}], "must hold texts"),
    ],
)
def test_bad_tables_are_refused(rows, said):
    with pytest.raises(ValueError, match=said):
        table({"nj": column("nJ", "formula")}, rows)


def test_bad_columns_are_refused():
    with pytest.raises(ValueError, match="around 1"):
        column("nJ", "estimate", band=(2, 3))
    with pytest.raises(ValueError, match="needs a band"):
        column("nJ", "estimate")
    with pytest.raises(ValueError, match="names the rows"):
        table({"name": column("", "setting")}, [])


@pytest.mark.parametrize(
    ("value", "rounded"),
    [(0, 0), (12345678, 12345678), (1234.5678, 1234.57), (-0.00123456789, -0.00123457), (None, None), (0.1 + 0.2, 0.3)],
)
def test_significant_digits(value, rounded):
    assert significant(value) == rounded
