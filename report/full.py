"""The whole report of a network on a board: one dictionary of quantities, each with unit, source and, if need be, band.

``docs/report.md`` describes every field, ``report.schema.json`` their shapes.
"""

from s2nn_hw import __version__
from s2nn_hw.design import Design
from s2nn_hw.errors import UserError
from s2nn_hw.hw.flow.build_record import packed_luts, running_mhz
from s2nn_hw.network.labels import checked_labels
from s2nn_hw.report.energy.section import energy_section
from s2nn_hw.report.quantities import quantity, significant
from s2nn_hw.report.sections.bounds import bounds
from s2nn_hw.report.sections.latency import limiting, rate, timeline, times
from s2nn_hw.report.sections.layers import (
    BRAM_BAND,
    CELL_BAND,
    FF_BAND,
    LUT_BAND,
    board_estimate,
    layer_rows,
    layers_table,
)
from s2nn_hw.report.sections.logic import logic_section
from s2nn_hw.report.sections.measure import SEQUENCE, measure

FORMAT, VERSION = "s2nn-report", 2
BOARD_KEYS = ("name", "title", "device", "family")
PACKED_BAND = (0.98, 1.02)  # the one netlist that was packed with the real tool was counted exactly (docs/boards.md)
PACKED_BY = "nextpnr-xilinx, half-LUTs / 2, from the netlist"
CELLS_BY = "logic cells once placed: LUTs, and flip-flops that share none"
BANDS = {"luts": LUT_BAND, "ffs": FF_BAND, "brams": BRAM_BAND, "dsps": (1.0, 1.0)}


def build_report(
    network,
    plan,
    images,
    labels,
    build=None,
    *,
    board=None,
    link=None,
    source=None,
    checked=None,
    clock_mhz=None,
    sequence=SEQUENCE,
    frames=None,
    activity=None,
    readings=None,
    created="",
    folder=None,
    data_set=None,
    reproduce=(),
    progress=None,
):
    """Return the JSON-able report of ``network`` under ``plan`` on uint8 ``images`` and ``labels`` (or None).

    ``board``: name, title, device, family, clock_mhz, budget (:func:`s2nn_hw.hw.facts.board_facts`), or None;
    ``build``: its ``build.json``, ``folder`` that one's name; ``link``: bytes and frames/s of the host link
    (:func:`s2nn_hw.hw.facts.link_facts`); ``source``: where the images are from; ``checked``: see :func:`verified`;
    ``clock_mhz``: instead of the build's or the board's; ``frames``: of how many images cycles are worked out, None
    for as many as take minutes; ``data_set``: its title, None for the network's word; ``activity``: an
    ``activity.json``; ``readings``: of a meter; ``created``: time stamp; ``reproduce``: the commands for it
    (:func:`s2nn_hw.report.reproduce.commands`).
    """
    if not len(images):
        raise UserError("images: at least one is needed for a report")
    if labels is not None:
        labels = checked_labels(labels, len(images), len(network.classes))
    design = Design(network, plan)
    clock = _clock(board, build, clock_mhz)
    mhz = clock and clock["used"]["value"]
    measured = measure(design, images, sequence=sequence, frames=frames, progress=progress)
    guess = board_estimate(design, board.family) if board else None
    rows = layer_rows(design, measured, guess)
    interval = float(measured.intervals.mean()) if measured.intervals.size else None
    used = resources(board, build, guess) if board else None
    return {
        "format": FORMAT,
        "version": VERSION,
        "tool": f"s2nn-hw {__version__}",
        "created": created,
        "network": _network(network, rows, data_set),
        "images": {"count": len(images), "source": source},
        "accuracy": None
        if labels is None
        else quantity(
            significant(float((measured.classes == labels).mean())),
            "share",
            "golden model",
            f"{len(images)} images; the circuit's classes are the same",
        ),
        "plan": design.plan.to_json(),
        "board": {name: getattr(board, name) for name in ("name", "title", "device", "family")}
        | {"synthesised": bool(build)}
        if board
        else None,
        "clock": clock,
        "resources": used,
        "fits": all(row["used"]["value"] <= row["budget"]["value"] for row in used.values()) if used else None,
        "latency": {"frames": measured.frames, "sequence": measured.length} | times(measured.alone, mhz),
        "interval": times(measured.intervals, mhz),
        "rate": rate(measured.intervals, mhz, link),
        "verified": verified(checked, network, measured),
        "limiting": limiting(design, measured),
        "timeline": timeline(design, measured),
        "layers": layers_table(rows),
        "bounds": bounds(design, rows, measured, board=board),
        "logic": logic_section(design, board, interval=interval, latency=float(measured.alone.mean()), clock_mhz=mhz),
        "link": _link(link),
        "energy": energy_section(
            rows, board=board, activity=activity, clock_mhz=mhz, interval_cycles=interval, link=link, readings=readings
        ),
        "build": _build(build, folder),
        "reproduce": list(reproduce),
    }


def _network(network, rows, data_set):
    data_set = data_set or network.provenance.get("data_set")
    return {
        "name": network.name,
        "digest": network.digest,
        "input": {"shape": list(network.input.shape), "bits": network.input.bits},
        "classes": list(network.classes),
        "data_set": data_set if isinstance(data_set, str) else None,
        "synapses": quantity(sum(row["synapses"] for row in rows), "weights", "setting"),
        "memory_bits": quantity(sum(row["memory_bits"] for row in rows), "bits", "setting"),
    }


def _clock(board, build, clock_mhz):
    """Return wanted, reached and used MHz: what the circuit runs at; reached is what it could do."""
    wanted = build.clock.wanted_mhz if build else board.clock_mhz if board else clock_mhz
    if wanted is None:
        return None
    reached = build.clock.reached_mhz if build else None
    used = clock_mhz or (running_mhz(build) if build else wanted)
    by = "asked for" if clock_mhz else "the board's clock" if used == wanted else "lowered, the wanted one was missed"
    return {
        "wanted": quantity(wanted, "MHz", "setting"),
        "reached": quantity(reached, "MHz", "tool report", "place and route") if reached else None,
        "used": quantity(used, "MHz", "setting", by),
    }


def resources(board, build, guess):
    """Return per resource what is ``used``, the ``budget``, what was ``synthesised``, ``packed`` and ``estimated``.

    Used is what the build's tool counted if there is a build, else the estimate ``guess``, which is one of synthesis:
    placement may count differently (nextpnr: cells that hold a flip-flop or a carry only). ``packed`` is what
    nextpnr-xilinx will make of the synthesised LUTs where it has not run, or an iCE40's logic cells without a build.
    """
    result, synthesised = {}, build.synthesis if build else None
    packed, by, band_packed = packed_luts(build) if build else None, PACKED_BY, PACKED_BAND
    if board.family == "ice40" and not build:
        packed, by, band_packed = guess["cells"], CELLS_BY, CELL_BAND
    for name, band in BANDS.items():
        kind, budget = board.budget[name].kind, board.budget[name].budget
        value = guess[name]
        estimated = quantity(
            value, kind, "estimate", "accelerator and host link", [significant(value * end) for end in band]
        )
        placed = None
        if packed and name == "luts":
            placed = quantity(packed, kind, "estimate", by, [significant(packed * end) for end in band_packed])
        counted = (
            quantity(build.resources[name].used, kind, "tool report", build.resources_source)
            if build
            else placed or estimated
        )
        result[name] = {
            "kind": kind,
            "used": counted,
            "budget": quantity(budget, kind, "setting", board.device),
            "synthesised": quantity(synthesised[name], kind, "tool report", "after synthesis") if synthesised else None,
            "packed": placed,
            "estimated": estimated,
        }
    return result


def verified(checked, network, measured):
    """Return what a simulation of these images said, from the file of ``s2nn-hw verify``, else None.

    ``checked``: that file's content. It counts if it is of this network and its latencies, read from the simulated
    circuit, are those of as many of the first images here.
    """
    if not isinstance(checked, dict) or checked.get("digest") != network.digest:
        return None
    count, theirs = checked.get("images"), checked.get("latency_cycles")
    if not isinstance(count, int) or not 0 < count <= measured.frames or not isinstance(theirs, dict):
        return None
    mine = measured.alone[:count]
    same = (theirs.get("min"), theirs.get("max")) == (int(mine.min()), int(mine.max()))
    if not same or abs(theirs.get("mean", -1) - float(mine.mean())) > 1e-3:
        return None
    return {name: checked.get(name) for name in ("simulator", "images", "simulated_frames", "compared", "differences")}


def _link(link):
    if link is None:
        return None
    return {
        "kind": link.kind,
        "baud": quantity(link.baud, "baud", "setting"),
        "request_bytes": quantity(link.request_bytes, "bytes", "formula", "header, checksum and stuffing included"),
        "reply_bytes": quantity(link.reply_bytes, "bytes", "formula", "header, checksum and stuffing included"),
        "rate": quantity(link.frames_per_second, "frames/s", "formula", "baud / 10 / bytes of the longer packet"),
    }


def _build(build, folder):
    if build is None:
        return None
    path = build.timing.critical if build.timing else None
    return {
        "folder": folder or "",
        "critical_path": str(path) if path else None,
        "flow": build.flow,
        "digest": build.digest,
        "bitstream": build.bitstream,
        "missing": list(build.missing),
        "tools": build.tools,
    }
