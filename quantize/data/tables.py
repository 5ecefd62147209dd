"""Tables: CSV files (the standard library's reader) and Parquet files (pyarrow) as columns, checked value by value.

A missing value is an empty field, or one of :data:`UNKNOWN` in any case; in Parquet also a null and NaN.
"""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from s2nn_hw.errors import UserError, listed, one_line, quoted
from s2nn_hw.files import read_bytes

UNKNOWN = ("", "?", "na", "n/a", "nan", "null", "none")
SUFFIXES = (".csv", ".tsv", ".parquet")
MAX_FILE_BYTES = 1 << 29
MAX_VALUES = 1 << 27  # of a table
MAX_CSV_VALUES = 1 << 25  # of one that is read as texts, which take more room than numbers
MAX_COLUMNS = 1 << 17
MAX_FIELD = 1 << 12  # characters


@dataclass(frozen=True)
class Table:
    """``columns`` by name: texts of a CSV file, arrays of a Parquet one; ``rows`` of them; ``name`` in messages;
    ``lines``: those of a CSV file in which the rows end."""

    name: str
    columns: dict[str, Any]
    rows: int
    lines: Sequence[int] | None = None

    def row(self, index: int) -> str:
        """Return what messages call row ``index``."""
        return f"line {self.lines[index]:,}" if self.lines is not None else f"row {index + 1:,}"

    def column(self, name: str, what: str) -> Any:
        """Return the column ``name``, ``what`` it is for; :class:`UserError` with the columns that are there."""
        if name not in self.columns:
            held = one_line(listed(self.columns))
            raise UserError(f"{self.name} has no column {quoted(name)} ({what}); it has {held}")
        return self.columns[name]

    def numbers(self, names: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return the columns ``names`` as float64 ``(rows, columns)``, NaN where a value is missing."""
        if len(names) * self.rows > MAX_VALUES:
            size = len(names) * self.rows
            raise UserError(f"{self.name} has {size:,} values, more than the limit of {MAX_VALUES:,}")
        found = np.empty((self.rows, len(names)))
        for place, name in enumerate(names):
            column = self.column(name, "a feature")
            found[:, place] = self._texts(name, column) if isinstance(column, list) else self._array(name, column)
        return found

    def check_whole(self, values: npt.NDArray[np.float64], names: Sequence[str]) -> None:
        """Raise :class:`UserError`, naming the first one, where ``values`` of the columns ``names`` are missing."""
        unknown = np.argwhere(np.isnan(values))
        if len(unknown):
            row, column = unknown[0].tolist()
            raise UserError(
                f"{self.name} {self.row(row)}, column {quoted(names[column])}: the value is missing ({len(unknown):,} "
                "in all); key 'data.missing' fills them, with mean or a number"
            )

    def labels(self, name: str) -> list[str]:
        """Return the column ``name`` as texts; a missing label is refused."""
        column = self.column(name, "the labels")
        if not isinstance(column, list):
            column = [_label(value) for value in column.to_pylist()]
        for index, text in enumerate(column):
            if text.strip().lower() in UNKNOWN:
                raise UserError(f"{self.name} {self.row(index)}, column {quoted(name)}: the label is missing")
        return [text.strip() for text in column]

    def _texts(self, name: str, column: list[str]) -> list[float]:
        found = []
        for index, text in enumerate(column):
            try:
                if "_" in text or not math.isfinite(value := float(text)):
                    raise ValueError
            except ValueError:
                if text.strip().lower() not in UNKNOWN:
                    raise UserError(
                        f"{self.name} {self.row(index)}, column {quoted(name)}: a number is wanted, not {quoted(text)}"
                        + _advice(text)
                    ) from None
                value = math.nan
            found.append(value)
        return found

    def _array(self, name: str, column: Any) -> npt.NDArray[np.float64]:
        import pyarrow as pa
        import pyarrow.types as kinds

        kind = column.type
        if not (kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_boolean(kind) or kinds.is_null(kind)):
            raise UserError(
                f"{self.name}: column {quoted(name)} must be numbers, not {kind}; key 'data.columns' says which "
                "columns are features"
            )
        numbers = (column.cast(pa.uint8()) if kinds.is_boolean(kind) else column).cast(pa.float64(), safe=False)
        values = np.asarray(numbers.to_numpy(zero_copy_only=False), np.float64)
        wrong = np.flatnonzero(np.isinf(values))
        if len(wrong):
            raise UserError(
                f"{self.name} {self.row(int(wrong[0]))}, column {quoted(name)}: {values[wrong[0]]} is not finite"
            )
        return values


def _advice(text: str) -> str:
    if text.count(",") == 1 and text.replace(",", "").strip("+-").isdigit():
        return "; decimals are written with a point"
    return "; key 'data.columns' says which columns are features"


def read_table(path: Path, *, separator: str = ",") -> Table:
    """Return the :class:`Table` in file ``path`` (``.csv``, ``.tsv`` with tabs, ``.parquet``)."""
    data = read_bytes(path, what="table", limit=MAX_FILE_BYTES)
    if path.suffix == ".parquet":
        return _parquet(data, path)
    return _csv(data, path, "\t" if path.suffix == ".tsv" else separator)


def _csv(data: bytes, path: Path, separator: str) -> Table:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"table {path} line {line:,} is not UTF-8 text") from None
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    before, lines = csv.field_size_limit(MAX_FIELD), list[int]()
    try:
        head = _head(next(reader, []), path, separator)
        rows: list[list[str]] = [[] for _ in head]
        for row in reader:
            if not row:  # an empty line
                continue
            if len(row) != len(head):
                raise UserError(
                    f"table {path} line {reader.line_num:,} has {len(row):,} fields, the head {len(head):,}"
                )
            if len(lines) * len(head) >= MAX_CSV_VALUES:
                raise UserError(f"table {path} has more than {MAX_CSV_VALUES:,} values; a Parquet file may have more")
            lines.append(reader.line_num)
            for column, field in zip(rows, row, strict=True):
                column.append(field)
    except csv.Error as error:
        raise UserError(f"table {path} line {reader.line_num:,} is no CSV ({error})") from None
    finally:
        csv.field_size_limit(before)
    return _filled(Table(f"table {path}", dict(zip(head, rows, strict=True)), len(lines), lines))


def _head(head: list[str], path: Path, separator: str) -> list[str]:
    """Return the names of the columns in the first row, spaces around them taken off."""
    names = [name.strip() for name in head]
    if len(names) == 1 and separator == "," and (";" in names[0] or "\t" in names[0]):
        other = ";" if ";" in names[0] else "\\t"
        raise UserError(f"table {path} has no commas; key 'data.separator' may be {quoted(other)}")
    if not names or len(names) > MAX_COLUMNS:
        raise UserError(f"table {path} must begin with a line of 1 to {MAX_COLUMNS:,} column names, not {len(names):,}")
    for name in names:
        if not name:
            raise UserError(f"table {path}: column {names.index(name) + 1} of the first line has no name")
        if names.count(name) > 1:
            raise UserError(f"table {path} has two columns called {quoted(name)}")
    return names


def _parquet(data: bytes, path: Path) -> Table:
    try:
        import pyarrow as pa
        import pyarrow.parquet as parquet
    except ImportError:
        raise UserError(f"table {path}: Parquet wants pyarrow; install s2nn-hw[table], or write a CSV file") from None
    try:
        file = parquet.ParquetFile(io.BytesIO(data))
        facts = file.metadata
        names = list(file.schema_arrow.names)
        size = sum(facts.row_group(k).total_byte_size for k in range(facts.num_row_groups))
        if facts.num_rows * len(names) > MAX_VALUES or not 0 <= size <= 8 * MAX_VALUES:
            raise UserError(
                f"table {path} says that it holds {facts.num_rows:,} rows of {len(names):,} columns in {size:,} bytes; "
                f"the limits are {MAX_VALUES:,} values and {8 * MAX_VALUES:,} bytes"
            )
        if not names or len(set(names)) != len(names):
            raise UserError(f"table {path} must have columns, no two of one name")
        held = file.read(use_threads=False)
    except (pa.ArrowException, OSError, ValueError, RuntimeError) as error:
        raise UserError(f"table {path} is not a readable Parquet file ({' '.join(str(error).split())[:200]})") from None
    columns = {name: held.column(place).combine_chunks() for place, name in enumerate(names)}
    return _filled(Table(f"table {path}", columns, held.num_rows))


def _filled(table: Table) -> Table:
    if not table.rows:
        raise UserError(f"{table.name} has no rows")
    return table


def _label(value: Any) -> str:
    """Return a value of a Parquet column as a label."""
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if not isinstance(value, str | int | float):
        raise UserError(f"labels must be texts or integers, not {type(value).__name__}")
    return str(value)
