"""Reading a ``report.json`` of somebody else: format, version and every field are checked before anything is shown."""

import json
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from s2nn_hw.errors import UserError
from s2nn_hw.files import read_bytes
from s2nn_hw.report.quantities import Json
from s2nn_hw.report.sequences import FORMAT as OF_SEQUENCES

FORMAT, VERSION = "s2nn-report", 2
MAX_BYTES = 16 << 20  # a report of ten layers has about 40 KB
LARGEST = 1e18
MAX_SHOWN = 60


def read_report(path: Path | str) -> Json:
    """Return the report (``s2nn-report``, version 2) in file ``path`` as a dictionary.

    :class:`~s2nn_hw.errors.UserError` with one line that says which field, what was wanted and what came: for a file
    that is missing, larger than 16 MiB, no JSON, of another format or version, or with a field that does not belong.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "report.json"
    data = read_bytes(path, what="report", limit=MAX_BYTES)
    try:
        report = json.loads(data.decode("utf-8"), parse_constant=_refuse, parse_float=_number, parse_int=_number)
    except RecursionError:
        raise UserError(f"report {path} is no report: nested too deep") from None
    except ValueError as error:
        raise UserError(f"report {path} is not JSON ({_short(error)}); write one with s2nn-hw report") from None
    check_report(report, f"report {path}")
    checked: Json = report
    return checked


def check_report(report: Any, what: str = "report") -> None:
    """Raise :class:`UserError` (one line, beginning with ``what``) unless ``report`` is a report of this version."""
    if not isinstance(report, dict) or report.get("format") != FORMAT:
        came = report.get("format") if isinstance(report, dict) else type(report).__name__
        if came == OF_SEQUENCES:
            raise UserError(f"{what}: it is of sequences, and only reports of single frames are put side by side")
        raise UserError(
            f"{what}: field format must be {FORMAT!r}, not {_short(repr(came))}; write one with s2nn-hw report"
        )
    if report.get("version") != VERSION or isinstance(report["version"], bool):
        raise UserError(
            f"{what}: field version must be {VERSION}, not {_short(repr(report.get('version')))}; "
            "make the report again with this s2nn-hw"
        )
    try:
        error = best_match(_validator().iter_errors(report))
    except RecursionError:
        raise UserError(f"{what} is no report: nested too deep") from None
    if error is not None:
        raise UserError(f"{what}: {_explain(error)}")
    for field, problem in _mismatches(report):
        raise UserError(f"{what}: field {field} {problem}")


@cache
def _validator() -> Draft202012Validator:
    """Return what checks a report against ``report.schema.json``."""
    schema = json.loads(Path(__file__).with_name("report.schema.json").read_text(encoding="utf-8"))
    return Draft202012Validator(schema)


def _explain(error: ValidationError) -> str:
    """Return which field is wrong, what was wanted and what came."""
    field = ".".join(map(str, error.absolute_path))
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        return f"field {f'{field}.{missing}' if field else missing} is missing"
    wanted = error.validator_value
    if error.validator == "type":
        wanted = " or ".join([wanted] if isinstance(wanted, str) else wanted)
    elif error.validator == "enum":
        wanted = "one of " + ", ".join(map(str, wanted))
    elif error.validator in ("minItems", "maxItems"):
        side = "least" if error.validator == "minItems" else "most"
        return f"field {field} must have at {side} {wanted} entries, not {len(error.instance)}"
    elif error.validator == "minimum":
        wanted = f"at least {wanted}"
    else:
        return f"field {field}: {_short(error.message)}"
    return f"field {field} must be {wanted}, not {_short(repr(error.instance))}"


def _mismatches(report: Json) -> Iterator[tuple[str, str]]:
    """Yield ``(field, problem)`` of what a JSON Schema can't say."""
    for name in ("latency", "interval"):
        for unit in ("cycles", "us"):
            stats = (report[name] or {}).get(unit)
            if stats is None:
                continue
            edges, counts = stats["histogram"]["edges"], stats["histogram"]["counts"]
            if len(edges) != len(counts) + 1:
                yield (
                    f"{name}.{unit}.histogram",
                    f"must have one edge more than counts, not {len(edges)} edges and {len(counts)} counts",
                )
            if any(a >= b for a, b in pairwise(edges)):
                yield f"{name}.{unit}.histogram.edges", "must rise"
    for field, table in _tables(report):
        for k, row in enumerate(table["rows"]):
            for name in table["columns"]:
                if name not in row:
                    yield f"{field}.rows.{k}.{name}", "is missing"
    names = [row["name"] for row in report["layers"]["rows"]]
    if not names:
        yield "layers.rows", "must have at least 1 row, not 0"
    if len(set(names)) < len(names):
        yield "layers.rows", f"must have a name once, not {_short(repr(max(names, key=names.count)))} twice"


def _tables(part: Any, field: str = "") -> Iterator[tuple[str, Json]]:
    """Yield ``(field, table)`` of every table in a part of a report."""
    if isinstance(part, dict):
        if isinstance(part.get("columns"), dict) and isinstance(part.get("rows"), list):
            yield field, part
        else:
            for name, value in part.items():
                yield from _tables(value, f"{field}.{name}" if field else name)


def _number(text: str) -> int | float:
    """Return a number that is not too large; :class:`ValueError` otherwise."""
    value = float(text) if set(text) & set(".eE") else int(text)
    if not abs(value) < LARGEST:
        raise ValueError(f"{text[:20]} is too large a number")
    return value


def _refuse(constant: str) -> NoReturn:
    """Refuse what JSON has no number for."""
    raise ValueError(f"{constant} is no JSON number")


def _short(value: object) -> str:
    """Return ``value`` on one line, cut."""
    line = " ".join(str(value).split())
    return line if len(line) <= MAX_SHOWN else line[: MAX_SHOWN - 3] + "..."
