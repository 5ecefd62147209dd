"""What the page says in words and tables, worked out from a report: verdict, tiles, the network's rows, literature."""

from s2nn_hw.report.show import graph, words
from s2nn_hw.report.show.words import number, plain, quantity, scaled

LEAST_IMAGES = 1000


def energy(report):
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


def measured_energy(report):
    """Return the measured energy of a frame, whole board, as a quantity; None without one."""
    q = ((report["energy"] or {}).get("measured") or {}).get("nj_per_frame")
    return q if q and q["value"] is not None else None


def fit(report):
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


def slowest(report):
    """Return ``(name, share)`` of the layer that sets the rate for most frames, or None."""
    rows = [row for row in (report["limiting"] or {}).get("rows", []) if row["share"]]
    row = max(rows, key=lambda row: row["share"], default=None)
    return row and (plain(row["name"], 40), row["share"])


def frames(q):
    """Return a rate as people read it: whole frames."""
    return number(round(q["value"]))


def percent(q):
    return f"{100 * q['value']:.2f}"


def verdict(report):
    """Return the verdict as a list of ``(strong, text)``: strong is True for figures, ``bad`` for what is wrong."""
    parts, board, rate = [], report["board"], report["rate"]
    if report["accuracy"] and report["accuracy"]["value"] is not None:
        parts += [
            (True, f"{percent(report['accuracy'])} %"),
            (False, f" of {report['images']['count']:,} images right"),
        ]
    else:
        parts += [(False, f"{report['images']['count']:,} images without labels")]
    cycles = report["latency"]["cycles"]["mean"]
    if rate and rate["circuit"]:
        us = report["latency"]["us"]
        digits, unit = scaled(us["mean"], "us") if us else (number(cycles), "cycles")
        parts += [(False, ", "), (True, f"{frames(rate['circuit'])} frames/s"), (False, " of the circuit")]
        if rate["link"]:
            limit = "its link sets that" if rate["limited_by"] == "link" else "its link carries more"
            parts += [(False, ", "), (True, f"{frames(rate['total'])} frames/s"), (False, f" of the board ({limit})")]
        parts += [(False, ", "), (True, f"{digits} {unit}"), (False, " a frame")]
        if report["clock"]:
            parts += [(False, f" at {quantity(report['clock']['used'])}")]
    else:
        parts += [(False, ", "), (True, f"{number(cycles)} cycles"), (False, " a frame")]
    q, what = energy(report)
    if q:
        digits, unit = scaled(q["value"], q["unit"].partition("/")[0])
        parts += [(False, ", "), (True, f"{digits} {unit}"), (False, f" a frame ({what})")]
    parts += [(False, ". ")]
    fits, why = fit(report)
    if why is not None:
        said = {True: (False, "Fits the"), False: ("bad", "Does not fit the"), None: ("bad", "May not fit the")}[fits]
        parts += [said, (False, f" {plain(board['title'], 40)}{': ' if why else ''}{why}. ")]
    limit = slowest(report)
    if limit:
        parts += [
            (True, limit[0]),
            (False, f" sets the circuit's rate for {number(limit[1], 'share')} % of the frames."),
        ]
    return parts


def tile(label, digits, unit, q, note="", bad=False):
    return {
        "label": label,
        "value": digits,
        "unit": unit,
        "note": note,
        "bad": bad,
        "origin": words.origin(q) if q else "",
        "band": words.band(q) if q else "",
    }


def tiles(report):
    """Return the headline figures: dictionaries with label, value, unit, note, origin, band."""
    made, rate, clock = [], report["rate"], report["clock"]
    if report["accuracy"] and report["accuracy"]["value"] is not None:
        made.append(
            tile(
                "Accuracy",
                percent(report["accuracy"]),
                "%",
                report["accuracy"],
                plain(report["images"]["source"] or "images given", 60),
            )
        )
    if rate and rate["circuit"]:
        made.append(
            tile(
                "Rate of the circuit",
                frames(rate["circuit"]),
                "frames/s",
                rate["circuit"],
                "without the link" if rate["link"] else "",
            )
        )
        if rate["link"]:
            made.append(
                tile(
                    "Rate of the board",
                    frames(rate["total"]),
                    "frames/s",
                    rate["total"],
                    f"the link carries {frames(rate['link'])}, the circuit {frames(rate['circuit'])}",
                )
            )
    stats = report["latency"]["us"] or report["latency"]["cycles"]
    digits, unit = scaled(stats["mean"], stats["unit"])
    at = f", at {quantity(clock['used'])}" if clock and report["latency"]["us"] else ""
    made.append(tile("Latency, mean", digits, unit, stats, f"p99 {scaled(stats['p99'], stats['unit'])[0]}{at}"))
    logic = report.get("logic")
    if logic and logic["initiation_interval"] and logic["lut_ns"]:
        made.append(
            tile(
                "Initiation interval",
                number(logic["initiation_interval"]["value"]),
                "cycles",
                logic["initiation_interval"],
                f"LUTs x latency {quantity(logic['lut_ns']['total'])}",
            )
        )
    q, what = energy(report)
    digits, unit = scaled(q["value"], q["unit"]) if q else (words.DASH, "")
    measured = measured_energy(report)
    beside = f"; whole board, measured: {quantity(measured)}" if measured and q is not measured else ""
    made.append(tile("Energy", digits, unit, q, what + beside))
    share = busiest(report["resources"])
    if share:
        row, part = share
        fits, why = fit(report)
        said = ", may not fit" if why else {None: "", True: ", fits", False: ", does not fit"}[fits]
        made.append(
            tile(
                f"Fullest: {plain(row['kind'], 20)}",
                number(part, "share"),
                "%",
                row["used"],
                f"{quantity(row['used'])} of {number(row['budget']['value'])}" + said,
                bad=part > 1,
            )
        )
    limit = slowest(report)
    if limit:
        column = report["limiting"]["columns"]["share"]
        made.append(tile("Sets the rate", limit[0], "", column, f"for {number(limit[1], 'share')} % of the frames"))
    return made


def busiest(resources):
    """Return ``(row, share)`` of the resource that is fullest, or None."""
    rows = [
        (row, row["used"]["value"] / row["budget"]["value"])
        for row in (resources or {}).values()
        if row["used"]["value"] is not None and row["budget"] and row["budget"]["value"]
    ]
    return max(rows, key=lambda row: row[1], default=None)


def times(report):
    """Return the rows of the table of times: ``(what, Stats)``."""
    rows = [("latency", report["latency"]["cycles"]), ("", report["latency"]["us"])]
    interval = report["interval"] or {}
    rows += [("interval", interval.get("cycles")), ("", interval.get("us"))]
    return [(what, stats) for what, stats in rows if stats]


def network(report):
    """Return ``{"rail": px, "rows": [...], "heads": {...}}``: the graph's rows with the figures beside them."""
    table, size = report["layers"], report["network"]["input"]
    nodes, width = graph.draw(table["rows"])
    first = table["rows"][0]
    rows = [
        {
            "node": nodes[0],
            "shape": "x".join(map(str, size["shape"])),
            "detail": f"{size['bits']}-bit pixels",
            "engine": "",
            "spikes": first.get("active_inputs"),
            "rate": first.get("active_share"),
            "cells": [],
        }
    ]
    alone = [row.get("alone_interval") or 0 for row in table["rows"]]
    parts = {
        row["name"]: row for row in ((report["energy"] or {}).get("device") or {}).get("layers", {}).get("rows", [])
    }
    for node, row in zip(nodes[1:], table["rows"], strict=True):
        bits = f"{row['bits']}-bit weights" if row.get("bits") else ""
        shared = [f"{row[key]} {key}" for key in ("banks", "lanes", "groups") if (row.get(key) or 0) > 1]
        cells = [("cycles", row.get("alone_interval"), (row.get("alone_interval") or 0) / (max(alone) or 1))]
        cells += [(key, row.get(key), None) for key in ("luts", "brams") if key in table["columns"]]
        if parts:
            cells.append(("nj", (parts.get(row["name"]) or {}).get("nj"), None))
        rows.append(
            {
                "node": node,
                "shape": str(row["shape"]),
                "engine": row["engine"] or "",
                "detail": ", ".join(
                    filter(None, (f"{number(row['synapses'])} synapses" if row["synapses"] else "", bits))
                ),
                "plan": ", ".join(shared),
                "spikes": row.get("spikes_out"),
                "rate": row.get("spike_rate"),
                "cells": cells,
            }
        )
    columns = table["columns"]
    heads = {
        key: columns.get(name)
        for key, name in (("spikes", "spikes_out"), ("cycles", "alone_interval"), ("luts", "luts"), ("brams", "brams"))
    }
    if parts:
        heads["nj"] = report["energy"]["device"]["layers"]["columns"]["nj"]
    return {
        "rail": width,
        "rows": rows,
        "heads": heads,
        "labels": {"cycles": "Cycles alone", "luts": "LUTs", "brams": "Block RAM", "nj": "Energy"},
    }


HEADS = {
    "accuracy": "Accuracy, %",
    "luts": "LUT",
    "brams": "Block RAM",
    "dsps": "DSP",
    "latency_us": "Latency",
    "frames_per_second": "Frames/s",
    "power_w": "Power",
    "energy_uj": "Energy a frame",
}


def literature(report, rows):
    """Return ``{"heads", "rows"}`` of the literature table: texts; ours first, then others' of the same task."""
    made = [
        {
            "system": plain(row["system"], 120),
            "device": plain(row["device"], 80),
            "task": plain(row["task"], 60),
            "said": row["convention"],
            "source": f"{row['source']} ({row['read']})",
            "ours": False,
            "cells": [figure_text(key, row.get(key)) for key in HEADS],
        }
        for row in rows
    ]
    task = plain(report["network"]["data_set"] or "", 60)
    same = [row for row in made if words.same(row["task"], task)]
    return {"heads": list(HEADS.values()), "rows": [_own(report, task)] + same}


def figure_text(key, value):
    """Return the value of a column of the literature (a key of :data:`HEADS`) as text, with unit where it varies."""
    if key == "energy_uj":
        return " ".join(scaled(None if value is None else 1000 * value, "nJ")) if value is not None else words.DASH
    if value is None or key not in ("latency_us", "power_w"):
        return number(value)
    return " ".join(scaled(value, "us" if key == "latency_us" else "W"))


def sampled(report):
    """Return whether the images are too few for their accuracy to stand beside others' of whole test sets."""
    return report["images"]["count"] < LEAST_IMAGES


def point(report, *, others=True):
    """Return this network's figures as a row of the literature has them: numbers or None, ``task``, ``system``.

    ``others``: it is for a plot with figures of others, where the accuracy of a small sample (:func:`sampled`) has no
    place.
    """
    used = {key: row["used"]["value"] for key, row in (report["resources"] or {}).items()}
    rate, us = report["rate"], report["latency"]["us"]
    device, accuracy = (report["energy"] or {}).get("device"), (report["accuracy"] or {}).get("value")
    circuit = (rate or {}).get("circuit") or {}
    q = energy(report)[0]
    milliwatts = device["power"]["total_mw"]["value"] if device else None
    return {
        "system": plain(report["network"]["name"], 60),
        "task": plain(report["network"]["data_set"] or "", 60),
        "device": plain(report["board"]["device"], 60) if report["board"] else words.DASH,
        "accuracy": None if accuracy is None or (others and sampled(report)) else round(100 * accuracy, 4),
        "luts": used.get("luts"),
        "brams": used.get("brams"),
        "dsps": used.get("dsps"),
        "latency_us": us["mean"] if us else None,
        "frames_per_second": circuit.get("value"),
        "power_w": None if milliwatts is None else milliwatts / 1000,
        "energy_uj": q["value"] / 1000 if q else None,
    }


def _own(report, task):
    values, device = point(report, others=False), (report["energy"] or {}).get("device")
    kinds = [plain(row["kind"], 20) for key, row in (report["resources"] or {}).items() if key in ("luts", "brams")]
    sources = sorted({words.SOURCES[row["used"]["source"]] for row in (report["resources"] or {}).values()})
    said = []
    if kinds:
        said.append(f"Resources in {' and '.join(kinds)}, accelerator and host link ({', '.join(sources)})")
    if report["accuracy"] and sampled(report):
        said.append(f"accuracy of {report['images']['count']:,} images only, not of the test set that others use")
    said.append("latency of a frame alone, rate of the circuit without the link (exact formula)")
    if values["energy_uj"] is not None:
        said.append("energy and power of the core (estimate)" if device else "energy of the whole board (measured)")
    return {
        "system": values["system"],
        "device": values["device"],
        "task": task or words.DASH,
        "ours": True,
        "source": "",
        "said": "; ".join(said) + ".",
        "cells": [figure_text(key, values[key]) for key in HEADS],
    }
