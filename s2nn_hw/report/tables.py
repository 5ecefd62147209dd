"""Tables for people, made from the JSON of this package and from nothing else."""

from rich.box import SIMPLE_HEAD
from rich.table import Table


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


def print_overview(data, console):
    """Print what ``overview.overview`` returned."""
    shape = " x ".join(map(str, data["input"]["shape"]))
    console.print(f"{data['name']}: {shape} pixels of {data['input']['bits']} bits, {len(data['layers'])} layers, "
                  f"{data['synapses']:,} synapses, {data['memory_bits']:,} weight bits", markup=False)
    console.print(f"digest {data['digest']}\nclasses {', '.join(data['classes'])}", markup=False)
    console.print(make_table(
        None, ("layer", "reads", "shape", "synapses", "bits", "weights", "zeros", "T or bias", "acc. bits", "Kibit"),
        [(row["name"], ", ".join(row["sources"]), _layer_shape(row), row["synapses"], row.get("bits"),
          span(row.get("weight_range")), percent(row.get("sparsity")), span(row.get("table_range")),
          span(row.get("accumulator_bits")), f"{row['memory_bits'] / 1024:.1f}") for row in data["layers"]],
    ))
    windows = [(row["name"], w["source"], "x".join(map(str, w["kernel"])), w["taps"], w["words"], w["word_bits"])
               for row in data["layers"] for w in row["windows"]]
    if windows:
        console.print(make_table("window buffers", ("layer", "of", "kernel", "taps at once", "words", "bits a word"),
                                 windows))
    console.print(make_table(
        "plan", ("layer", "engine", "banks", "taps", "word", "queue", "groups", "memory"),
        [(row["name"], row["engine"], row["banks"], row["taps"], row["width"], row["depth"], row["groups"],
          row["memory"]) for row in data["plan"]],
    ))
    console.print(make_table(
        "accelerator, estimate", ("family", "LUT", "FF", "block RAM", "DSP"),
        [(family, f"{text(row['luts'])} {row['lut_kind']}", row["ffs"], f"{row['brams']:g} {row['bram_kind']}",
          row["dsps"]) for family, row in data["estimates"].items()],
    ))
    made = data["provenance"]
    said = [f"{name} {made[name]}" for name in ("tool", "data_set") if isinstance(made.get(name), str)]
    measured = made.get("measured")
    if isinstance(measured, dict) and isinstance(measured.get("accuracy_integer"), float):
        said.append(f"accuracy {100 * measured['accuracy_integer']:.2f} % on {measured.get('images')} images")
    console.print("provenance: " + (", ".join(said) or "none given"), markup=False)


def print_report(data, console):
    """Print what ``full.build_report`` returned."""
    def say(line):
        console.print(line, markup=False)

    board, clock, result = data["board"], data["clock"], data["latency"]
    say(f"{data['network']['name']} (digest {data['network']['digest'][:12]})"
        + (f" on {board['title']} ({board['device']})" if board else ", no board chosen"))
    say(f"{data['images']['count']:,} images: {data['images']['source'] or 'given'}"
        + ("" if data["accuracy"] is None else f"; accuracy {100 * data['accuracy']:.2f} %"))
    if clock:
        reached = clock["reached_mhz"]
        say(f"clock {clock['used_mhz']:g} MHz" + (f", {reached:.1f} MHz reached" if reached else ", not yet routed"))
    if "resources" in data:
        rows = [(row["kind"], f"{row['used']:,g}", row["budget"],
                 percent(row["used"] / row["budget"]) if row["budget"] else "-") for row in data["resources"].values()]
        console.print(make_table(f"resources: {data['resources_source']}", ("", "used", "of", "share"), rows))
    console.print(_time_table(result))
    how = data["verified"]
    say(f"cycles of {result['frames']:,} images by the exact cycle function; "
        + (f"{how['simulated_frames']:,} frames simulated ({how['simulator']}), {how['differences']} differences" if how
           else "`s2nn-hw verify` checks them by simulation"))
    if result.get("circuit_frames_per_second"):
        say(f"circuit {result['circuit_frames_per_second']:,.0f} frames/s")
    if data["link"]:
        link = data["link"]
        say(f"link {link['kind']}, {link['baud']:,} baud: {link['request_bytes']} bytes a frame, "
            f"{link['reply_bytes']} bytes a result, at most {link['frames_per_second']:,.0f} frames/s")
    if "limited_by" in result:
        say(f"the {result['limited_by']} sets the rate: {result['frames_per_second']:,.0f} frames/s")
    console.print(make_table(
        "layers, per image (bound and alone in cycles)",
        ("layer", "ones in", "share", "taps", "syn. ops", "bound", "alone", "ratio", "spikes out"),
        [(row["name"], row["active_inputs"], percent(row["active_share"]), row["active_taps"] or None,
          row["synaptic_operations"] or None,
          row["bound_cycles"], row["alone_interval_cycles"], row["alone_to_bound"], row["spikes_out"])
         for row in data["layers"]],
    ))
    energy = data["energy"]
    say(f"arithmetic energy per image (estimate, {energy['source']}, without {energy['left_out']}):")
    console.print(make_table(
        None, ("", "operations", "nJ", "ratio"),
        [("this network, 32-bit integer additions", energy["additions"], energy["network_nj"], 1),
         ("same topology, 8-bit integer ANN", energy["ann_synapses"], energy["ann_int8_nj"],
          energy["ann_int8_to_network"]),
         ("same topology, float32 ANN", energy["ann_synapses"], energy["ann_float32_nj"],
          energy["ann_float32_to_network"])],
    ))


def _time_table(result):
    columns = ("min", "mean", "p99", "max")
    rows = [("latency, frame alone: cycles", *(result["latency_cycles"][c] for c in columns))]
    if result["interval_cycles"]:
        rows.append(("interval, back to back: cycles", *(result["interval_cycles"][c] for c in columns)))
    if "latency_us" in result:
        rows.append((f"latency at {result['clock_mhz']:g} MHz: us", *(result["latency_us"][c] for c in columns)))
    return make_table("time per frame", ("", *columns), rows)
