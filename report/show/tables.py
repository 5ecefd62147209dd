"""Tables for people, made from the JSON of this package and from nothing else."""

from rich.box import SIMPLE_HEAD
from rich.table import Table

from s2nn_hw.errors import counted, listed
from s2nn_hw.report.show import summary, words


def make_table(title, columns, rows):
    """Return a rich table; the first column is text, the others are numbers to the right."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for k, column in enumerate(columns):
        table.add_column(column, justify="right" if k else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(text, row))
    return table


def text(value):
    """Return a number or text as people read it: thousands with commas, few decimals, ``-`` for None."""
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int) or value == int(value):
        return f"{int(value):,}"
    size = abs(value)
    return f"{value:,.0f}" if size >= 10_000 else f"{value:,.1f}" if size >= 100 else f"{value:.3g}"


def span(pair):
    if pair is None:
        return "-"
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}..{pair[1]}"


def percent(share):
    return "-" if share is None else f"{100 * share:.1f} %"


def _layer_shape(row):
    shape = f"{row['inputs']}x{row['neurons']}" if "dense" in row["synapse"] else "x".join(map(str, row["shape"]))
    return shape + (f", pool {row['pool'][0]}" if row["pool"] else "")


def _layer_name(row):
    """Return the layers of a row: dense ones that are computed inside the next stand before it."""
    return " > ".join([*row["fused"], row["name"]]) if row["engine"] == "unrolled" else row["name"]


def print_overview(data, console):
    """Print what ``overview.overview`` returned."""
    shape = " x ".join(map(str, data["input"]["shape"]))
    layers = sum(1 + len(row["fused"]) for row in data["layers"])
    console.print(
        f"{data['name']}: {shape} pixels of {counted(data['input']['bits'], 'bit')}, "
        f"{counted(layers, 'layer')}, {counted(data['synapses'], 'synapse')}, "
        f"{counted(data['memory_bits'], 'weight bit')}"
    )
    console.print(f"digest {data['digest']}\nclasses {', '.join(data['classes'])}")
    console.print(
        make_table(
            None,
            ("layer", "reads", "shape", "synapses", "bits", "weights", "zeros", "T or bias", "acc. bits", "Kibit"),
            [
                (
                    _layer_name(row),
                    ", ".join(row["sources"]),
                    _layer_shape(row),
                    row["synapses"],
                    row.get("bits"),
                    span(row.get("weight_range")),
                    percent(row.get("sparsity")),
                    span(row.get("table_range")),
                    span(row.get("accumulator_bits")),
                    f"{row['memory_bits'] / 1024:.1f}",
                )
                for row in data["layers"]
            ],
        )
    )
    windows = [
        (row["name"], w["source"], "x".join(map(str, w["kernel"])), w["taps"], w["words"], w["word_bits"])
        for row in data["layers"]
        for w in row["windows"]
    ]
    if windows:
        console.print(
            make_table("window buffers", ("layer", "of", "kernel", "taps at once", "words", "bits a word"), windows)
        )
    console.print(
        make_table(
            "plan",
            ("layer", "engine", "banks", "taps", "word", "queue", "groups", "memory"),
            [
                (
                    row["name"],
                    row["engine"],
                    row["banks"],
                    row["taps"],
                    row["width"],
                    row["depth"],
                    row["groups"],
                    row["memory"],
                )
                for row in data["plan"]
            ],
        )
    )
    console.print(
        make_table(
            "accelerator, estimate",
            ("family", "LUT", "FF", "block RAM", "DSP"),
            [
                (
                    family,
                    f"{text(row['luts'])} {row['lut_kind']}",
                    row["ffs"],
                    f"{row['brams']:g} {row['bram_kind']}",
                    row["dsps"],
                )
                for family, row in data["estimates"].items()
            ],
        )
    )
    made = data["provenance"]
    said = [f"{name} {listed([value])}" for name, value in made.items() if isinstance(value, str)]
    more = {name for name, value in made.items() if not isinstance(value, str)}
    measured = made.get("measured")
    if isinstance(measured, dict) and isinstance(measured.get("accuracy_integer"), float):
        said.append(f"accuracy {100 * measured['accuracy_integer']:.2f} % on {measured.get('images')} images")
        more.discard("measured")
    said += [f"more about {listed(sorted(more))} in --json"] if more else []
    console.print("provenance: " + (", ".join(said) or "none given"))


def number(q, *, unit=True):
    """Return a quantity of a report as people read it: value, unit and, of an estimate, its band."""
    if q is None or q["value"] is None:
        return "-"
    band = f" ({text(q['band'][0])} to {text(q['band'][1])})" if "band" in q else ""
    return text(q["value"]) + (f" {q['unit']}" if unit and q["unit"] else "") + band


def print_report(data, console):
    """Print a report (:func:`s2nn_hw.report.full.build_report`)."""

    def say(line):
        console.print(line)

    board, clock, rate = data["board"], data["clock"], data["rate"]
    say(
        f"{data['network']['name']} (digest {data['network']['digest'][:12]})"
        + (f" on {board['title']} ({board['device']})" if board else ", no board chosen")
    )
    say(
        f"{counted(data['images']['count'], 'image')}: {data['images']['source'] or 'given'}"
        + ("" if data["accuracy"] is None else f"; accuracy {100 * data['accuracy']['value']:.2f} %")
    )
    if clock:
        reached = clock["reached"]
        say(
            f"clock {clock['used']['value']:g} MHz"
            + (f", {reached['value']:.1f} MHz reached" if reached else ", not yet routed")
            + (
                f"; {clock['wanted']['value']:g} MHz wanted and missed"
                if clock["used"]["value"] < clock["wanted"]["value"] and reached
                else ""
            )
        )
    if data["resources"]:
        console.print(_resource_table(data["resources"]))
        packed = data["resources"]["luts"].get("packed")
        if packed:
            say(f"{number(packed)} once packed (estimate: {packed['by']})")
    why = summary.fit(data)[1]
    if why:
        say(f"it may not fit: {why}")
    console.print(_time_table(data))
    how = data["verified"]
    say(
        f"cycles of {counted(data['latency']['frames'], 'image')} by the exact cycle function; "
        + (
            f"{counted(how['simulated_frames'], 'frame')} of {counted(how['images'], 'image')} simulated "
            f"({how['simulator']}), {counted(how['differences'], 'difference')}"
            if how
            else "`s2nn-hw verify` checks them by simulation"
        )
    )
    if data["link"]:
        link = data["link"]
        say(
            f"link {link['kind']}, {number(link['baud'])}: {number(link['request_bytes'])} a frame, "
            f"{number(link['reply_bytes'])} a result, at most {link['rate']['value']:,.0f} frames/s"
        )
    if rate:
        say(
            f"circuit {rate['circuit']['value']:,.0f} frames/s"
            + (
                f", board {rate['total']['value']:,.0f} frames/s (the {rate['limited_by']} sets it)"
                if rate["link"]
                else ""
            )
        )
    console.print(_layer_table(data))
    print_logic(data["logic"], console)
    device = data["bounds"]["device"]
    if device and device["ratio"]:
        say(
            f"interval {number(device['interval'])}; with all of the device at work at least "
            f"{number(device['bound'])} (set by {device['bound_by']})"
        )
    print_energy(data["energy"], console)
    q, what = summary.energy(data)
    say(f"energy of a frame: {words.quantity(q)} ({what})" if q else f"energy of a frame is {what}")


def print_logic(logic, console):
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
        console.print(
            make_table(
                f"where the LUTs go, estimate: {number(logic['luts']['total'])}, without the encoder "
                f"{number(logic['luts']['without_encoder'])}",
                ("part", "LUTs", "share"),
                [(row["name"], row["luts"], percent(row["share"])) for row in logic["parts"]["rows"]],
            )
        )
        console.print(
            make_table(
                None,
                ("layer", "synapses", "LUTs", "LUTs/synapse", "levels", "registers"),
                [
                    (
                        row["name"],
                        row["synapses"],
                        row["luts"],
                        row["luts_per_synapse"],
                        row["levels"],
                        row["registers"],
                    )
                    for row in logic["layers"]["rows"]
                ],
            )
        )


def print_energy(energy, console):
    """Print the section ``energy``: arithmetic, device, readings, and how they stand to published ones."""

    def say(line):
        console.print(line)

    made, device, readings = energy["arithmetic"], energy["device"], energy["measured"]
    if made:
        console.print(
            make_table(
                f"arithmetic and its memory per frame, estimate ({made['constants']['source']})",
                ("", "additions", "products", "bits read", "arithmetic nJ", "memory nJ", "nJ", "low", "high", "ratio"),
                [
                    (
                        row["name"],
                        row["additions"] + row["bit_operations"],
                        row["multiplications"],
                        row["memory_reads"],
                        row["arithmetic_nj"],
                        row["memory_nj"],
                        row["total_nj"],
                        row["low_nj"],
                        row["high_nj"],
                        row["to_network"],
                    )
                    for row in made["models"]["rows"]
                ],
            )
        )
        say(f"left out: {made['left_out']}")
    if device:
        console.print(
            make_table(
                f"{device['device']} per frame, estimate from the activity of {device['frames']:,} frames: dynamic nJ",
                ("", *device["classes"]["columns"]),
                [
                    (
                        row["name"],
                        *(
                            percent(row[name]) if name == "share" else row[name]
                            for name in device["classes"]["columns"]
                        ),
                    )
                    for row in device["classes"]["rows"]
                ],
            )
        )
        console.print(
            make_table(
                None,
                ("nJ", "lut", "ff", "bram", "clock", "io", "all", "share"),
                [
                    (
                        row["name"],
                        row["lut"],
                        row["ff"],
                        row["bram"],
                        row["clock"],
                        row["io"],
                        row["nj"],
                        percent(row["share"]),
                    )
                    for row in device["layers"]["rows"]
                ],
            )
        )
        for part in filter(None, (device, device["at_link"])):
            say(
                f"at {part['rate']['value']:,.0f} frames/s ({part['rate']['by']}): "
                + ", ".join(f"{name} {number(part['power'][f'{name}_mw'])}" for name in ("dynamic", "static", "total"))
                + f"; {number(part['frame']['total_nj'])} a frame"
            )
    if readings:
        said = [f"board {number(readings['board_w'])}"]
        said += [
            f"{what} {number(readings[name])}"
            for what, name in (("idle", "idle_w"), ("a frame", "nj_per_frame"), ("of it added", "added_nj_per_frame"))
            if readings[name]
        ]
        if readings["to_estimate"]:
            said.append(f"{text(readings['to_estimate'])} times the estimate of the chip")
        say(f"measured ({readings['file']}): " + ", ".join(said))
    if device:
        console.print(
            make_table(
                "others",
                ("", "device", "draws", "W", "times the estimate", "plausible"),
                [
                    (
                        row["what"],
                        row["device"],
                        row["of"],
                        row["value"]["value"],
                        row["to_estimate"],
                        {True: "yes", False: "no", None: "-"}[row["plausible"]],
                    )
                    for row in energy["sanity"]
                ],
            )
        )
        say(next((row["verdict"] for row in energy["sanity"] if row["of"] == "board"), ""))


def _resource_table(resources):
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


def _layer_table(data):
    limits = {row["name"]: row["share"] for row in (data["limiting"] or {"rows": []})["rows"]}
    table = make_table(
        "layers, per image (bound and alone in cycles; sets rate: of that share of the images)",
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


def _time_table(data):
    columns = ("min", "mean", "median", "p99", "max")
    rows = []
    for name, title in (("latency", "latency, frame alone"), ("interval", "interval, back to back")):
        for unit in ("cycles", "us"):
            found = data[name][unit]
            if found:
                rows.append((f"{title}: {unit}", *(found[c] for c in columns)))
    return make_table("time per frame", ("", *columns), rows)
