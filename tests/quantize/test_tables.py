"""Tables as columns: what is read, and every line that refuses one."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from s2nn_hw.errors import UserError
from s2nn_hw.quantize.data import tables
from s2nn_hw.quantize.data.tables import read_table
from tests.support.mutations import tried


def read(tmp_path, text, suffix=".csv", **options):
    path = tmp_path / f"t{suffix}"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_table(path, **options)


def test_a_csv_file(tmp_path):
    table = read(tmp_path, '\ufeffa, b ,kind\r\n1,-2.5e3,x\r\n\r\n .5 ,"7","y, or\nz"\r\n?,NA,x\r\n')
    assert list(table.columns) == ["a", "b", "kind"]
    assert np.array_equal(table.numbers(["b", "a"]), [[-2500, 1], [7, 0.5], [np.nan, np.nan]], equal_nan=True)
    assert table.labels("kind") == ["x", "y, or\nz", "x"]
    assert [table.row(n) for n in range(3)] == ["line 2", "line 5", "line 6"]


def test_other_separators(tmp_path):
    assert read(tmp_path, "a;b\n1;2\n", separator=";").numbers(["b"]).tolist() == [[2]]
    assert read(tmp_path, "a\tb\n1\t2\n", ".tsv").numbers(["b"]).tolist() == [[2]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no rows|column names"),
        ("a,b\n", "has no rows"),
        ("a,b\n1\n", "line 2 has 1 fields, the head 2"),
        ("a,b\n1,2\n1,2,3\n", "line 3 has 3 fields"),
        ("a,,b\n1,2,3\n", "column 2 of the first line has no name"),
        ("a,a\n1,2\n", "two columns called 'a'"),
        ("a;b\n1;2\n", "no commas; key 'data.separator' may be ';'"),
        (b"a,b\n1,\xff\n", "line 2 is not UTF-8"),
        ('a,b\n1,"2\n', "is no CSV"),
        ("a,b\n" + "1" * 5000 + ",2\n", r"is no CSV \(field larger"),
        ("a,b\n1,\0\n", "a number is wanted|is no CSV"),
    ],
)
def test_csv_files_that_are_refused(tmp_path, text, words):
    with pytest.raises(UserError, match=words):
        read(tmp_path, text).numbers(["a", "b"])


@pytest.mark.parametrize("word", ["abc", "1_000", "inf", "-Infinity", "1e999", "0x10", "1 2", "true", "2024-01-01"])
def test_texts_in_columns_of_numbers_are_named_with_row_and_column(tmp_path, word):
    with pytest.raises(UserError, match=f"line 3, column 'b': a number is wanted, not '{word}'; key 'data.columns'"):
        read(tmp_path, f"a,b\n1,2\n3,{word}\n").numbers(["a", "b"])


def test_what_columns_may_not_be(tmp_path):
    with pytest.raises(UserError, match="'1,5'; decimals are written with a point"):
        read(tmp_path, 'a\n"1,5"\n').numbers(["a"])
    table = read(tmp_path, "a,k\n1,x\n,\n")
    with pytest.raises(UserError, match=r"has no column 'c' \(a feature\); it has a, k"):
        table.numbers(["c"])
    with pytest.raises(UserError, match="line 3, column 'k': the label is missing"):
        table.labels("k")
    with pytest.raises(UserError, match=r"line 3, column 'a': the value is missing \(1 in all\); key 'data.missing'"):
        table.check_whole(table.numbers(["a"]), ["a"])


def test_a_parquet_file(tmp_path):
    columns = {
        "whole": pa.array([1, None, -3], pa.int16()),
        "float": pa.array([0.5, float("nan"), 2], pa.float32()),
        "yes": pa.array([True, False, None]),
        "kind": ["x", "y", "x"],
        "number": pa.array([2, 0, 1], pa.int64()),
    }
    parquet.write_table(pa.table(columns), tmp_path / "t.parquet", row_group_size=2)
    table = read_table(tmp_path / "t.parquet")
    nan = np.nan
    assert np.array_equal(
        table.numbers(["whole", "float", "yes"]), [[1, 0.5, 1], [nan, nan, 0], [-3, 2, nan]], equal_nan=True
    )
    assert table.labels("kind") == ["x", "y", "x"]
    assert table.labels("number") == ["2", "0", "1"]
    with pytest.raises(UserError, match="column 'kind' must be numbers, not string"):
        table.numbers(["kind"])
    assert table.row(2) == "row 3"


def test_parquet_files_that_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "t.parquet"
    path.write_bytes(b"PAR1 and nothing else PAR1")
    with pytest.raises(UserError, match="not a readable Parquet file"):
        read_table(path)
    parquet.write_table(pa.table({"a": [1.0, float("inf")], "k": ["x", None]}), path)
    with pytest.raises(UserError, match="row 2, column 'a': inf is not finite"):
        read_table(path).numbers(["a"])
    with pytest.raises(UserError, match="row 2, column 'k': the label is missing"):
        read_table(path).labels("k")
    whole = path.read_bytes()
    for cut in (10, len(whole) // 2, len(whole) - 9):
        path.write_bytes(whole[:cut])
        with pytest.raises(UserError, match="not a readable Parquet file"):
            read_table(path)
    parquet.write_table(pa.table({"a": np.zeros(100_000)}), path)
    monkeypatch.setattr(tables, "MAX_VALUES", 99_999)
    assert path.stat().st_size < 10_000
    with pytest.raises(UserError, match="100,000 rows of 1 columns"):
        read_table(path)


def test_damaged_parquet_files_end_in_one_line(tmp_path):
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"a": np.arange(50.0), "k": ["x", "y"] * 25}), path)
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(150):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), 3):
            data[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)
        tried(lambda: read_table(path).numbers(["a"]))
        tried(lambda: read_table(path).labels("k"))


def test_without_pyarrow_parquet_says_what_to_install(tmp_path, monkeypatch):
    import sys

    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match=r"install s2nn-hw\[table\]"):
        read_table(tmp_path / "t.parquet")


def test_limits(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MAX_CSV_VALUES", 5)
    with pytest.raises(UserError, match="more than 5 values"):
        read(tmp_path, "a,b\n" + "1,2\n" * 5)
    monkeypatch.setattr(tables, "MAX_FILE_BYTES", 5)
    with pytest.raises(UserError, match="more than the limit of 5"):
        read(tmp_path, "a,b\n1,2\n")
    with pytest.raises(UserError, match=r"table .* does not exist"):
        read_table(tmp_path / "none.csv")
