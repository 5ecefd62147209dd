"""The whole report of a network on a board: one dictionary, everything measured or labelled an estimate."""

import json
from pathlib import Path

import numpy as np

from .. import __version__
from ..accelerator import Design
from ..errors import UserError
from ..files import read_bytes
from .energy import energy
from .latency import SEQUENCE, figures, measure
from .overview import stage_overview
from .resources import LABEL, estimate

RESOURCES = ("luts", "ffs", "brams", "dsps")
BUILD_FORMAT = "s2nn-build"


def read_build(folder, network):
    """Return the ``report.json`` that ``s2nn-hw bitstream`` left in ``folder``, checked to be of ``network``."""
    path = Path(folder) / "report.json"
    try:
        build = json.loads(read_bytes(path, what="build report", limit=1 << 24))
    except ValueError as error:
        raise UserError(f"build report {path} is not JSON ({error})") from None
    if not isinstance(build, dict) or build.get("format") != BUILD_FORMAT or build.get("version") != 1:
        raise UserError(f"build report {path} must have format '{BUILD_FORMAT}', version 1")
    wanted = {"board": dict, "network": dict, "clock": dict, "resources": dict, "resources_source": str}
    for name, kind in wanted.items():
        if not isinstance(build.get(name), kind):
            raise UserError(f"build report {path}: field '{name}' is missing or of the wrong kind")
    rows, clock = build["resources"], build["clock"].get("wanted_mhz")
    if not all(isinstance(row, dict) and {"kind", "used", "budget"} <= set(row) for row in rows.values()):
        raise UserError(f"build report {path}: every row of 'resources' needs kind, used and budget")
    if not isinstance(clock, (int, float)) or not clock > 0:
        raise UserError(f"build report {path}: field 'clock.wanted_mhz' must be a positive number, not {clock!r}")
    if build["network"].get("digest") != network.digest:
        raise UserError(f"build report {path} is of another network ({build['network'].get('name')}, digest "
                        f"{str(build['network'].get('digest'))[:12]}, wanted {network.digest[:12]}); build it anew")
    return build


def find_build(root, network, board, plan):
    """Return ``(folder, build report)`` of the newest build of ``network`` and ``plan`` for ``board``, else None."""
    reports = sorted(Path(root).glob(f"{network.name}-{board}-*/report.json"), key=lambda p: -p.stat().st_mtime)
    for path in reports:
        try:
            build = read_build(path.parent, network)
        except UserError:
            continue
        if build.get("plan") == plan.to_json() and build["board"].get("name") == board:
            return path.parent, build
    return None


def resources(network, plan, board, build=None):
    """Return ``{"resources", "resources_source", "resources_detail"}`` as a build's report has them.

    From the build if there is one, else the estimate against the budget of ``board``.
    """
    if build:
        return {name: build.get(name) for name in ("resources", "resources_source", "resources_detail")}
    guess = estimate(network, plan, board["family"], link=True)
    return {
        "resources": {name: {"kind": board["budget"][name]["kind"], "used": guess[name],
                             "budget": board["budget"][name]["budget"]} for name in RESOURCES},
        "resources_source": f"{LABEL}, accelerator and host link",
        "resources_detail": {},
    }


def verified(checked, network, result):
    """Return what a simulation of these images said, from the file of ``s2nn-hw verify``, else None.

    ``checked``: that file's content. It counts if it is of this network, of as many images, and its latencies,
    read from the simulated circuit, are the ones in ``result``.
    """
    if not isinstance(checked, dict) or checked.get("digest") != network.digest:
        return None
    mine, theirs = result["latency_cycles"], checked.get("latency_cycles") or {}
    same = all(abs(theirs.get(name, -1) - mine[name]) < 1e-3 for name in ("min", "mean", "max"))
    if checked.get("images") != result["frames"] or not same:
        return None
    keys = ("simulator", "simulated_frames", "compared", "differences", "accuracy")
    return {name: checked.get(name) for name in keys}


def build_report(network, plan, images, labels, build=None, *, board=None, link=None, source=None, checked=None,
                 clock_mhz=None, sequence=SEQUENCE):
    """Return the JSON-able report of ``network`` under ``plan`` on uint8 ``images`` and ``labels`` (or None).

    ``board``: name, title, device, family, clock_mhz, budget (:func:`hw.figures.board_figures`), or None; ``build``:
    its ``report.json``; ``link``: bytes and frames/s of the host link (:func:`hw.figures.link_figures`); ``source``:
    where the images are from; ``checked``: see :func:`verified`; ``clock_mhz``: instead of the build's or the
    board's. ``docs/report.md`` describes every field.
    """
    if not len(images):
        raise UserError("images: at least one is needed for a report")
    if labels is not None:
        labels = np.asarray(labels)
        if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
            raise UserError(f"labels must be {len(images)} integers, not {labels.dtype} of shape {labels.shape}")
        if labels.min() < 0 or labels.max() >= len(network.classes):
            raise UserError(f"labels must lie in 0 .. {len(network.classes) - 1}, not {labels.min()} .. {labels.max()}")
    design = Design(network, plan)
    clock = _clock(board, build, clock_mhz)
    measured = measure(design, images, sequence=sequence)
    result = figures(design, measured, clock_mhz=clock and clock["used_mhz"], link=link)
    rows = [stage_overview(network, stage) | row
            for stage, row in zip(design.stages, result.pop("layers"), strict=True)]
    for stage, row in zip(design.stages, rows, strict=True):
        row["spikes_out"] = None if stage.is_readout else round(float(measured.ones[stage.output].sum()), 3)
    report = {
        "format": "s2nn-report",
        "version": 1,
        "tool": f"s2nn-hw {__version__}",
        "network": {"name": network.name, "digest": network.digest},
        "images": {"count": len(images), "source": source},
        "accuracy": None if labels is None else round(float((measured.classes == labels).mean()), 6),
        "plan": design.plan.to_json(),
        "board": {name: board[name] for name in ("name", "title", "device", "family")} if board else None,
        "clock": clock,
        "latency": result,
        "verified": verified(checked, network, result),
        "link": link,
        "energy": energy(rows),
        "synaptic_operations": round(sum(row["synaptic_operations"] for row in rows), 1),
        "layers": rows,
    }
    if board:
        report |= resources(network, design.plan, board, build)
    if build:
        report["build"] = {name: build.get(name) for name in
                           ("flow", "digest", "bitstream", "missing", "timing", "tools", "seconds")}
    return report


def _clock(board, build, clock_mhz):
    """Return wanted, reached and used MHz; the circuit runs at the wanted clock, reached is what it could do."""
    wanted = build["clock"].get("wanted_mhz") if build else board["clock_mhz"] if board else None
    used = clock_mhz or wanted
    if used is None:
        return None
    return {"wanted_mhz": wanted, "reached_mhz": build["clock"].get("reached_mhz") if build else None,
            "used_mhz": used}
