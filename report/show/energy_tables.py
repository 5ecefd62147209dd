"""The section ``energy`` of a report on the terminal."""

from rich.console import Console

from s2nn_hw.report.quantities import Json
from s2nn_hw.report.show.tables import cells, make_table, number, percent, text

MODELS = ("", "additions", "products", "bits read", "arithmetic nJ", "memory nJ", "nJ", "low", "high", "ratio")
LAYERS = ("nJ", "lut", "ff", "bram", "clock", "io", "all", "share")
OTHERS = ("", "device", "draws", "W", "times the estimate", "plausible")
YES_NO = {True: "yes", False: "no", None: "-"}


def print_energy(energy: Json, console: Console) -> None:
    """Print the section ``energy``: arithmetic, device, readings, and how they stand to published ones."""
    device, readings = energy["device"], energy["measured"]
    if energy["arithmetic"]:
        _print_arithmetic(energy["arithmetic"], console)
    if device:
        _print_device(device, console)
    if readings:
        console.print(f"measured ({readings['file']}): " + ", ".join(_readings(readings)))
    if device:
        others = [
            (*cells(row, "what", "device", "of"), row["value"]["value"], row["to_estimate"], YES_NO[row["plausible"]])
            for row in energy["sanity"]
        ]
        console.print(make_table("others", OTHERS, others))
        console.print(next((row["verdict"] for row in energy["sanity"] if row["of"] == "board"), ""))


def _print_arithmetic(made: Json, console: Console) -> None:
    """Print what additions and their memory take, for this network and others of its topology."""
    costs = ("multiplications", "memory_reads", "arithmetic_nj", "memory_nj", "total_nj", "low_nj", "high_nj")
    rows = [
        (row["name"], row["additions"] + row["bit_operations"], *cells(row, *costs, "to_network"))
        for row in made["models"]["rows"]
    ]
    title = f"arithmetic and its memory per frame, estimate ({made['constants']['source']})"
    console.print(make_table(title, MODELS, rows))
    console.print(f"left out: {made['left_out']}")


def _print_device(device: Json, console: Console) -> None:
    """Print what a frame takes in the device, by class, by layer, and at the rates of circuit and link."""
    columns = device["classes"]["columns"]
    title = f"{device['device']} per frame, estimate from the activity of {device['frames']:,} frames: dynamic nJ"
    classes = [
        (row["name"], *(percent(row[name]) if name == "share" else row[name] for name in columns))
        for row in device["classes"]["rows"]
    ]
    console.print(make_table(title, ("", *columns), classes))
    layers = [
        (*cells(row, "name", "lut", "ff", "bram", "clock", "io", "nj"), percent(row["share"]))
        for row in device["layers"]["rows"]
    ]
    console.print(make_table(None, LAYERS, layers))
    for part in filter(None, (device, device["at_link"])):
        console.print(
            f"at {part['rate']['value']:,.0f} frames/s ({part['rate']['by']}): "
            + ", ".join(f"{name} {number(part['power'][f'{name}_mw'])}" for name in ("dynamic", "static", "total"))
            + f"; {number(part['frame']['total_nj'])} a frame"
        )


def _readings(readings: Json) -> list[str]:
    """Return what was measured, in words."""
    said = [f"board {number(readings['board_w'])}"]
    said += [
        f"{what} {number(readings[name])}"
        for what, name in (("idle", "idle_w"), ("a frame", "nj_per_frame"), ("of it added", "added_nj_per_frame"))
        if readings[name]
    ]
    if readings["to_estimate"]:
        said.append(f"{text(readings['to_estimate'])} times the estimate of the chip")
    return said
