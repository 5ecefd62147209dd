"""A report (:mod:`..full`) on the terminal."""

from rich.console import Console
from rich.table import Table

from s2nn_hw.errors import counted
from s2nn_hw.report.quantities import Json
from s2nn_hw.report.show import summary, words
from s2nn_hw.report.show.energy_tables import print_energy
from s2nn_hw.report.show.tables import cells, make_table, number, percent

RANGES = 8  # of slots, in a table
FIGURES = {"latency": "latency", "interval": "interval", "luts": "LUTs", "energy_nj": "nJ of arithmetic"}


def print_report(data: Json, console: Console) -> None:
    """Print a report (:func:`s2nn_hw.report.full.build_report`)."""
    for line in _heading(data):
        console.print(line)
    if data["resources"]:
        _print_resources(data["resources"], console)
    why = summary.fit(data)[1]
    if why:
        console.print(f"it may not fit: {why}")
    console.print(_time_table(data))
    for line in _rates(data):
        console.print(line)
    console.print(_layer_table(data))
    print_logic(data["logic"], console)
    planes = _planes_table(data["layers"]["rows"])
    if planes is not None:
        console.print(planes)
    print_first_spikes(data.get("first_spikes"), console)
    print_early_decision(data.get("early_decision"), console)
    print_forms(data.get("forms"), console)
    print_circuits(data.get("circuits"), console)
    device = data["bounds"]["device"]
    if device and "ratio" in device:
        console.print(
            f"interval {number(device['interval'])}; with all of the device at work at least "
            f"{number(device['bound'])} (set by {device['bound_by']})"
        )
    print_energy(data["energy"], console)
    q, what = summary.energy(data)
    console.print(f"energy of a frame: {words.quantity(q)} ({what})" if q else f"energy of a frame is {what}")


def _heading(data: Json) -> list[str]:
    """Return the lines that say what was reported on: network, board, images, clock."""
    board, clock = data["board"], data["clock"]
    lines = [
        f"{data['network']['name']} (digest {data['network']['digest'][:12]})"
        + (f" on {board['title']} ({board['device']})" if board else ", no board chosen"),
        f"{counted(data['images']['count'], 'image')}: {data['images']['source'] or 'given'}"
        + ("" if data["accuracy"] is None else f"; accuracy {100 * data['accuracy']['value']:.2f} %"),
    ]
    if clock:
        reached, used, wanted = clock["reached"], clock["used"]["value"], clock["wanted"]["value"]
        lines.append(
            f"clock {used:g} MHz"
            + (f", {reached['value']:.1f} MHz reached" if reached else ", not yet routed")
            + (f"; {wanted:g} MHz wanted and missed" if used < wanted and reached else "")
        )
    return lines


def _print_resources(resources: Json, console: Console) -> None:
    """Print the table of resources, and what packing will make of the LUTs."""
    console.print(_resource_table(resources))
    packed = resources["luts"].get("packed")
    if packed:
        console.print(f"{number(packed)} once packed (estimate: {packed['by']})")


def _rates(data: Json) -> list[str]:
    """Return the lines on where the cycles are from, and on frames/s of link and circuit."""
    how, link, rate = data["verified"], data["link"], data["rate"]
    lines = [
        f"cycles of {counted(data['latency']['frames'], 'image')} by the exact cycle function; "
        + (
            f"{counted(how['simulated_frames'], 'frame')} of {counted(how['images'], 'image')} simulated "
            f"({how['simulator']}), {counted(how['differences'], 'difference')}"
            if how
            else "`s2nn-hw verify` checks them by simulation"
        )
    ]
    if link:
        lines.append(
            f"link {link['kind']}, {number(link['baud'])}: {number(link['request_bytes'])} a frame, "
            f"{number(link['reply_bytes'])} a result, at most {link['rate']['value']:,.0f} frames/s"
        )
    if rate:
        whole = f", board {rate['total']['value']:,.0f} frames/s (the {rate['limited_by']} sets it)"
        lines.append(f"circuit {rate['circuit']['value']:,.0f} frames/s" + (whole if rate["link"] else ""))
    return lines


def print_logic(logic: Json | None, console: Console) -> None:
    """Print the section ``logic``: where LUTs go, interval, latency, LUTs times latency."""
    if logic is None:
        return
    said = [
        f"weights in logic: initiation interval {number(logic['initiation_interval'])}",
        f"latency {number(logic['latency']['cycles'])}",
    ]
    said += [number(logic["latency"]["ns"])] if logic["latency"]["ns"] else []
    said += [f"LUTs x latency {number(logic['lut_ns']['total'])}"] if logic["lut_ns"] else []
    console.print(", ".join(said))
    if logic["parts"]:
        title = (
            f"where the LUTs go, estimate: {number(logic['luts']['total'])}, without the encoder "
            f"{number(logic['luts']['without_encoder'])}"
        )
        parts = [(row["name"], row["luts"], percent(row["share"])) for row in logic["parts"]["rows"]]
        console.print(make_table(title, ("part", "LUTs", "share"), parts))
        columns = ("name", "synapses", "luts", "luts_per_synapse", "levels", "registers")
        heads = ("layer", "synapses", "LUTs", "LUTs/synapse", "levels", "registers")
        console.print(make_table(None, heads, [cells(row, *columns) for row in logic["layers"]["rows"]]))


def _resource_table(resources: Json) -> Table:
    """Return what is used of the device, beside synthesis and estimate."""
    source = resources["luts"]["used"]
    rows = []
    for row in resources.values():
        used, budget, guess = (row[name]["value"] for name in ("used", "budget", "estimated"))
        made = row["synthesised"] and row["synthesised"]["value"]
        rows.append(
            (
                row["kind"],
                f"{used:,g}",
                budget,
                percent(used / budget) if budget else "-",
                made,
                guess,
                f"{guess / made:.2f}" if made else "-",
            )
        )
    name = source["by"] if source["source"] != "estimate" else f"estimate, {source['by']}"
    return make_table(f"resources: {name}", ("", "used", "of", "share", "synthesis", "estimate", "ratio"), rows)


def _layer_table(data: Json) -> Table:
    """Return what the layers do in a frame, and for how many images each sets the rate."""
    limits = {row["name"]: row["share"] for row in (data["limiting"] or {"rows": []})["rows"]}
    table = make_table(
        "layers, per image (bound: cycles; alone, ratio: from the second image on; sets rate: of that share of them)",
        ("layer", "ones in", "share", "taps", "syn. ops", "bound", "alone", "ratio", "sets rate", "spikes out"),
        [
            (
                row["name"],
                row["active_inputs"],
                percent(row["active_share"]),
                row["active_taps"] or None,
                row["synaptic_operations"] or None,
                row["bound"],
                row["alone_interval"],
                row["alone_to_bound"],
                percent(limits.get(row["name"])),
                row["spikes_out"],
            )
            for row in data["layers"]["rows"]
        ],
    )
    if limits.get("input"):
        table.add_row("input", *[""] * 7, percent(limits["input"]), "")
    return table


def _planes_table(rows: list[Json]) -> Table | None:
    """Return the planes of what layers read and give, their actions and how often they fire; None where each value
    behind the input has one plane, of pixels."""
    if not any((row.get("planes_out") or 1) > 1 or row.get("code") in ("steps", "slots") for row in rows):
        return None
    heads = ("layer", "planes in", "code", "planes out", "actions, cycles", "spikes out", "of all that could be")
    columns = ("name", "planes", "code", "planes_out", "actions", "spikes_out")
    return make_table(
        "planes, per image", heads, [(*cells(row, *columns), percent(row.get("spike_rate"))) for row in rows]
    )


def print_first_spikes(found: Json | None, console: Console) -> None:
    """Print how many neurons spike at all, and the shares of them that do first in each slot, or range of slots."""
    if found is None:
        return
    last = sum(name.startswith("slot_") for name in found["columns"])
    wide = -(-last // RANGES)
    starts = range(0, last, wide)
    heads = [f"{k}-{min(k + wide, last) - 1}" if min(k + wide, last) - k > 1 else str(k) for k in starts]
    rows = []
    for row in found["rows"]:
        shares = [[row[f"slot_{slot}"] for slot in range(k, min(k + wide, last))] for k in starts]
        known = [[share for share in part if share is not None] for part in shares]
        cut = [percent(sum(part) if part else None) for part in known]
        figures = (row["name"], row["slots"], row["spikes"], percent(row["spikes_per_neuron"]), row["mean_slot"])
        rows.append((*figures, *cut))
    title = "first spikes, per image (a neuron spikes once at most; then the share that does in each slot)"
    console.print(make_table(title, ("layer", "slots", "spikes", "of neurons", "mean slot", *heads), rows))


def print_early_decision(found: Json | None, console: Console) -> None:
    """Print after how many slots the class is certain."""
    for row in found["rows"] if found else ():
        console.print(
            f"class certain after {row['mean']:.1f} of {row['slots']} slots in the mean, {row['p99']:g} of 99 % of the "
            "images: no spike that may still come changes it"
            + ("" if row.get("saved_cycles") is None else f" ({row['saved_cycles']:.1f} cycles of slots are left)")
        )


def print_forms(forms: Json | None, console: Console) -> None:
    """Print what literal time costs: both forms of a network whose counts may be numbers."""
    if forms is None:
        return
    heads = ("form", "planes", *FIGURES.values())
    rows = [(_with_this(row), ", ".join(row["planes"]), *cells(row, *FIGURES)) for row in forms["rows"]]
    rows.append(("what literal time costs, times", "", *_ratios(forms["rows"][0])))
    console.print(make_table(f"counts as steps and as bits ({forms['columns']['latency']['by']})", heads, rows))


def print_circuits(circuits: Json | None, console: Console) -> None:
    """Print both circuits of a network of first spikes: slot by slot, and bit by bit."""
    if circuits is None:
        return
    rows = [(_with_this(row), *cells(row, *FIGURES)) for row in circuits["rows"]]
    rows.append(("slot by slot over bit by bit, times", *_ratios(circuits["rows"][0])))
    title = f"first spikes slot by slot and as bits ({circuits['columns']['latency']['by']})"
    console.print(make_table(title, ("circuit", *FIGURES.values()), rows))


def _with_this(row: Json) -> str:
    """Return the name of ``row``, and whether it is that of the report."""
    return row["name"] + (" (this)" if row["this"] else "")


def _ratios(row: Json) -> list[str]:
    """Return the ratios of ``row``."""
    ratios = [row[f"{name}_ratio"] for name in FIGURES]
    return ["-" if ratio is None else f"{ratio:.2f}" for ratio in ratios]


def _time_table(data: Json) -> Table:
    """Return latency and interval, in cycles and us."""
    columns = ("min", "mean", "median", "p99", "max")
    rows = []
    for name, title in (("latency", "latency, frame alone"), ("interval", "interval, back to back")):
        for unit in ("cycles", "us"):
            found = data[name][unit]
            if found:
                rows.append((f"{title}: {unit}", *(found[c] for c in columns)))
    return make_table("time per frame", ("", *columns), rows)
