"""The whole report of a network on a board: one dictionary of quantities, each with unit, source and, if need be, band.

``docs/report.md`` describes every field, ``report.schema.json`` their shapes.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from s2nn_hw import __version__
from s2nn_hw.circuit.choices import Plan
from s2nn_hw.cost.estimate import Estimate
from s2nn_hw.design import Design
from s2nn_hw.errors import UserError
from s2nn_hw.family import GENERAL
from s2nn_hw.hw.facts import LinkFacts
from s2nn_hw.hw.flow.build_record import BuildRecord
from s2nn_hw.network.labels import checked_labels
from s2nn_hw.network.network import Network
from s2nn_hw.report.energy.arithmetic import Part
from s2nn_hw.report.energy.section import energy_section
from s2nn_hw.report.known import Known
from s2nn_hw.report.quantities import Json, quantity, significant
from s2nn_hw.report.schema import FORMAT, VERSION
from s2nn_hw.report.sections.bounds import bounds
from s2nn_hw.report.sections.circuits import circuits_section
from s2nn_hw.report.sections.first_spikes import early_decision, first_spikes_section
from s2nn_hw.report.sections.forms import forms_section
from s2nn_hw.report.sections.latency import limiting, rate, timeline, times
from s2nn_hw.report.sections.layers import LayerRow, board_estimate, layer_rows, layers_table
from s2nn_hw.report.sections.logic import logic_section
from s2nn_hw.report.sections.measure import SEQUENCE, Measured, measure
from s2nn_hw.report.sections.overview import input_overview
from s2nn_hw.report.sections.resources import resources


def build_report(
    network: Network,
    plan: Plan,
    images: npt.NDArray[np.uint8],
    labels: npt.ArrayLike | None,
    known: Known | None = None,
    *,
    sequence: int = SEQUENCE,
    frames: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> Json:
    """Return the JSON-able report of ``network`` under ``plan`` on uint8 ``images`` and ``labels`` (or None).

    known      what else is known: board, build, activity, ...
    sequence   frames that follow each other at most
    frames     of how many images cycles are worked out, None for as many as take minutes
    progress   called with how many images are done
    """
    if not len(images):
        raise UserError("images: at least one is needed for a report")
    if labels is not None:
        labels = checked_labels(labels, len(images), len(network.classes))
    known, design = known or Known(), Design(network, plan)
    family = known.board.family if known.board else GENERAL
    measured = measure(design, images, sequence=sequence, frames=frames, progress=progress)
    guess = board_estimate(design, known.board.family, events=known.events) if known.board else None
    rows, mhz = layer_rows(design, measured, guess), known.used_mhz
    interval = float(measured.intervals.mean()) if measured.intervals.size else None
    return (
        {
            "format": FORMAT,
            "version": VERSION,
            "tool": f"s2nn-hw {__version__}",
            "created": known.created,
            "network": _network(network, rows, known.data_set),
            "images": {"count": len(images), "source": known.source},
            "accuracy": None if labels is None else _accuracy(measured.classes == labels),
            "plan": design.plan.to_json(),
        }
        | _on_board(known, guess)
        | _cycles(design, measured, known, network)
        | {
            "layers": layers_table(rows),
            "bounds": bounds(design, rows, measured, board=known.board),
            "logic": logic_section(
                design, known.board, interval=interval, latency=float(measured.alone.mean()), clock_mhz=mhz
            ),
            "first_spikes": first_spikes_section(network, measured),
            "early_decision": early_decision(network, measured),
            "forms": forms_section(network, design.plan, images, family),
            "circuits": circuits_section(network, design.plan, images, family),
            "link": _link(known.link),
            "energy": energy_section([Part.of(row) for row in rows], known, clock_mhz=mhz, interval_cycles=interval),
            "build": _build(known.build, known.folder),
            "reproduce": list(known.reproduce),
        }
    )


def _network(network: Network, rows: Sequence[LayerRow], data_set: str | None) -> Json:
    """Return what the network is; ``data_set``: its title, None for the network's word."""
    named = data_set or network.provenance.get("data_set")
    return {
        "name": network.name,
        "digest": network.digest,
        "input": input_overview(network),
        "classes": list(network.classes),
        "data_set": named if isinstance(named, str) else None,
        "synapses": quantity(sum(row.stage.synapses for row in rows), "weights", "setting"),
        "memory_bits": quantity(sum(row.stage.memory_bits for row in rows), "bits", "setting"),
    }


def _accuracy(right: np.ndarray) -> Json:
    """Return the share of images that are ``right``."""
    by = f"{len(right)} images; the circuit's classes are the same"
    return quantity(significant(float(right.mean())), "share", "golden model", by)


def _on_board(known: Known, guess: Estimate | None) -> Json:
    """Return ``board``, ``clock``, ``resources`` and ``fits``; ``guess``: the estimate of the board's family."""
    board = known.board
    used = resources(board, known.build, guess) if board and guess else None
    return {
        "board": {name: getattr(board, name) for name in ("name", "title", "device", "family")}
        | {"synthesised": bool(known.build)}
        if board
        else None,
        "clock": _clock(known),
        "resources": used,
        "fits": all(row["used"]["value"] <= row["budget"]["value"] for row in used.values()) if used else None,
    }


def _clock(known: Known) -> Json | None:
    """Return wanted, reached and used MHz: what the circuit runs at; reached is what it could do."""
    wanted, reached, used = known.wanted_mhz, known.reached_mhz, known.used_mhz
    if wanted is None:
        return None
    by = (
        "asked for"
        if known.clock_mhz
        else "the board's clock"
        if used == wanted
        else "lowered, the wanted one was missed"
    )
    return {
        "wanted": quantity(wanted, "MHz", "setting"),
        "reached": quantity(reached, "MHz", "tool report", "place and route") if reached else None,
        "used": quantity(used, "MHz", "setting", by),
    }


def _cycles(design: Design, measured: Measured, known: Known, network: Network) -> Json:
    """Return ``latency``, ``interval``, ``rate``, ``verified``, ``limiting`` and ``timeline``."""
    mhz = known.used_mhz
    return {
        "latency": {"frames": measured.frames, "sequence": measured.length} | times(measured.alone, mhz),
        "interval": times(measured.intervals, mhz),
        "rate": rate(measured.intervals, mhz, known.link),
        "verified": verified(known.checked, network, measured),
        "limiting": limiting(design, measured),
        "timeline": timeline(design, measured),
    }


def verified(checked: Any, network: Network, measured: Measured) -> Json | None:
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


def _link(link: LinkFacts | None) -> Json | None:
    """Return what a frame takes on the line."""
    if link is None:
        return None
    by = "header, checksum and stuffing included"
    return {
        "kind": link.kind,
        "baud": quantity(link.baud, "baud", "setting"),
        "request_bytes": quantity(link.request_bytes, "bytes", "formula", by),
        "reply_bytes": quantity(link.reply_bytes, "bytes", "formula", by),
        "rate": quantity(link.frames_per_second, "frames/s", "formula", "baud / 10 / bytes of the longer packet"),
    }


def _build(build: BuildRecord | None, folder: str | None) -> Json | None:
    """Return what the build was made by, and its critical path."""
    if build is None:
        return None
    path = build.timing.critical_path if build.timing else None
    return {
        "folder": folder or "",
        "critical_path": str(path) if path else None,
        "flow": build.flow,
        "digest": build.digest,
        "bitstream": build.bitstream,
        "missing": list(build.missing),
        "tools": build.tools,
    }
