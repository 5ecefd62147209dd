"""What page and terminal say of a report in words: the verdict, its energy, whether it fits, what sets its rate."""

from s2nn_hw.report.quantities import Json
from s2nn_hw.report.show.words import number, plain, quantity, scaled


def energy(report: Json) -> tuple[Json | None, str]:
    """Return ``(quantity, what it is)`` of a frame's energy, the one headline: the chip's, from its activity; without
    that the whole board's if it was measured; else ``(None, how to have it)``.

    What additions and reads of memory take alone is no energy of a chip, and never stands in its place.
    """
    device, board = (report["energy"] or {}).get("device"), measured_energy(report)
    if device and device["frame"]["total_nj"]["value"] is not None:
        return device["frame"]["total_nj"], f"{plain(device['device'], 30)}, its core at the circuit's rate, estimate"
    if board:
        return board, "whole board, measured"
    return None, "not known: s2nn-hw activity counts what toggles"


def measured_energy(report: Json) -> Json | None:
    """Return the measured energy of a frame, whole board, as a quantity; None without one."""
    q = ((report["energy"] or {}).get("measured") or {}).get("nj_per_frame")
    return q if q and q["value"] is not None else None


def fit(report: Json) -> tuple[bool | None, str | None]:
    """Return ``(whether it fits the board, why it may not)``: True, False, or None where an estimate's band decides.

    ``why``: text of the resource whose band reaches furthest over what there is, else empty. Without a board both are
    None.
    """
    if not report["board"] or report["fits"] is None:
        return None, None
    over = [
        (row["used"]["band"][1] / row["budget"]["value"], row)
        for row in report["resources"].values()
        if row["used"].get("band") and row["budget"]["value"] and row["used"]["band"][1] > row["budget"]["value"]
    ]
    if not report["fits"] or not over:
        return report["fits"], ""
    row = max(over, key=lambda pair: pair[0])[1]
    return None, (
        f"{number(row['used']['value'])} {plain(row['kind'], 20)} of {number(row['budget']['value'])} is an "
        f"estimate, and its band reaches {number(row['used']['band'][1])}"
    )


def slowest(report: Json) -> tuple[str, float] | None:
    """Return ``(name, share)`` of the layer that sets the rate for most frames, or None."""
    rows = [row for row in (report["limiting"] or {}).get("rows", []) if row["share"]]
    row = max(rows, key=lambda row: row["share"], default=None)
    return (plain(row["name"], 40), row["share"]) if row else None


def frames(q: Json) -> str:
    """Return a rate as people read it: whole frames."""
    return number(round(q["value"]))


def percent(q: Json) -> str:
    """Return a share as a percentage with two decimals, without the sign."""
    return f"{100 * q['value']:.2f}"


def first_spikes(report: Json) -> list[tuple[Json, list[float]]]:
    """Return each row of the section ``first_spikes`` with the heights of its slots, shares of the highest."""
    found = []
    for row in (report.get("first_spikes") or {"rows": []})["rows"]:
        known = [value for name, value in row.items() if name.startswith("slot_") and value is not None]
        highest = max(known, default=0)
        found.append((row, [share / highest for share in known] if highest else []))
    return found


Said = tuple[bool | str, str]  # whether it is strong (``bad``: and red), and the text


def verdict(report: Json) -> list[Said]:
    """Return the verdict as a list of ``(strong, text)``: strong is True for figures, ``bad`` for what is wrong."""
    count = f"{report['images']['count']:,}"
    if report["accuracy"] and report["accuracy"]["value"] is not None:
        parts: list[Said] = [(True, f"{percent(report['accuracy'])} %"), (False, f" of {count} images right")]
    else:
        parts = [(False, f"{count} images without labels")]
    parts += _speed(report)
    q, what = energy(report)
    if q:
        digits, unit = scaled(q["value"], q["unit"].partition("/")[0])
        parts += [(False, ", "), (True, f"{digits} {unit}"), (False, f" a frame ({what})")]
    parts += [(False, ". ")]
    fits, why = fit(report)
    if why is not None:
        heads: dict[bool | None, Said] = {
            True: (False, "Fits the"),
            False: ("bad", "Does not fit the"),
            None: ("bad", "May not fit the"),
        }
        parts += [heads[fits], (False, f" {plain(report['board']['title'], 40)}{': ' if why else ''}{why}. ")]
    limit = slowest(report)
    if limit:
        parts += [
            (True, limit[0]),
            (False, f" sets the circuit's rate for {number(limit[1], 'share')} % of the frames."),
        ]
    return parts


def _speed(report: Json) -> list[Said]:
    """Return the part of the verdict on frames/s and latency."""
    rate, cycles, us = report["rate"], report["latency"]["cycles"]["mean"], report["latency"]["us"]
    if not rate or not rate["circuit"]:
        return [(False, ", "), (True, f"{number(cycles)} cycles"), (False, " a frame")]
    digits, unit = scaled(us["mean"], "us") if us else (number(cycles), "cycles")
    parts: list[Said] = [(False, ", "), (True, f"{frames(rate['circuit'])} frames/s"), (False, " of the circuit")]
    if rate["link"]:
        limit = "its link sets that" if rate["limited_by"] == "link" else "its link carries more"
        parts += [(False, ", "), (True, f"{frames(rate['total'])} frames/s"), (False, f" of the board ({limit})")]
    parts += [(False, ", "), (True, f"{digits} {unit}"), (False, " a frame")]
    if report["clock"]:
        parts += [(False, f" at {quantity(report['clock']['used'])}")]
    return parts


def busiest(resources: Json | None) -> tuple[Json, float] | None:
    """Return ``(row, share)`` of the resource that is fullest, or None."""
    rows = [
        (row, row["used"]["value"] / row["budget"]["value"])
        for row in (resources or {}).values()
        if row["used"]["value"] is not None and row["budget"] and row["budget"]["value"]
    ]
    return max(rows, key=lambda row: row[1], default=None)


def times(report: Json) -> list[tuple[str, Json]]:
    """Return the rows of the table of times: ``(what, Stats)``."""
    rows = [("latency", report["latency"]["cycles"]), ("", report["latency"]["us"])]
    interval = report["interval"] or {}
    rows += [("interval", interval.get("cycles")), ("", interval.get("us"))]
    return [(what, stats) for what, stats in rows if stats]
