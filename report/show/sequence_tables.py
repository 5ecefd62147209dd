"""The report of a network of sequences as people read it in a terminal."""

from rich.console import Console

from s2nn_hw.report.quantities import Json
from s2nn_hw.report.show.tables import make_table, percent


def print_sequence_report(report: Json, console: Console) -> None:
    """Print ``report`` (:func:`s2nn_hw.report.sequences.build_sequence_report`)."""

    def value(entry: Json) -> float:
        return float(entry["value"])

    name, sequences = report["network"]["name"], report["sequences"]
    rows = [
        (
            row["name"],
            row["kind"],
            row["neurons"],
            f"{row['lanes']} x {row['groups']}",
            row["state_bits"],
            row["weight_bits"],
            "" if row["spikes"] is None else f"{row['spikes']:,.1f}",
            "" if row["rate"] is None else f"{row['rate']:.4f}",
            f"{row['operations']:,.0f}",
            percent(row["busy"]),
        )
        for row in report["layers"]["rows"]
    ]
    titles = (
        "layer",
        "kind",
        "neurons",
        "lanes x groups",
        "state bits",
        "weight bits",
        "spikes",
        "a tick",
        "additions",
        "busy",
    )
    console.print(make_table(f"{name}: spikes and additions of a sequence", titles, rows))

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    say(
        f"{sequences['count']:,} sequences ({sequences['source']}), {value(sequences['frames']):.1f} frames of "
        f"{value(sequences['ticks_per_frame']):.0f} ticks on average"
        + ("" if report["accuracy"] is None else f"; accuracy {100 * value(report['accuracy']):.2f} %")
    )
    latency, ticks = report["latency"], report["cycles_per_tick"]
    say(
        f"{value(report['events']):,.1f} spikes a sequence; latency {value(latency['min']):,.0f} to "
        f"{value(latency['max']):,.0f} cycles, mean {value(latency['mean']):,.1f}; {value(ticks['alone']):.1f} cycles "
        f"a tick alone, {value(ticks['back_to_back']):.1f} without a gap (exact)"
    )
    real, energy = report["real_time"], report["energy"]
    if real is not None:
        channels = real["channels"]
        say(
            f"real time: {value(real['cycles_per_second']):,.0f} cycles a second of sound at "
            f"{value(real['frames_per_second']):g} frames/s"
            + (
                ""
                if channels is None
                else f"; {value(report['clock']):g} MHz are enough for {value(channels):,.0f} streams, a recording "
                "behind the other"
            )
        )
    low, high = energy["sequence"]["band"]
    second = energy["second"]
    say(
        f"arithmetic and its memory, an estimate (45 nm): {value(energy['sequence']):,.1f} nJ a sequence "
        f"({low:,.1f} to {high:,.1f})"
        + ("" if second is None else f", {value(second) / 1000:,.2f} uJ a second of sound")
    )
    checked = report["verified"]
    if checked:
        say(f"verified: {checked['sequences']:,} sequences through the Verilog, {checked['differences']} differences")
