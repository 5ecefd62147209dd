"""What `s2nn-hw activity` does and says."""

import contextlib
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from s2nn_hw.errors import UserError, counted
from s2nn_hw.hw.flow.build_record import running_mhz
from s2nn_hw.network.store import load
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.plan.plan import load_plan, parse_plan
from s2nn_hw.sim.netlist.activity import (
    NETLIST,
    RECORD,
    SAIF,
    circuit_identity,
    digest_of,
    make_circuit,
    run,
    write_activity,
)
from s2nn_hw.terminal import Terminal, next_step, terminal

HEADINGS = {
    "lut": "LUT",
    "carry": "carry",
    "ff": "FF",
    "bram": "BRAM",
    "bram_reads": "reads",
    "bram_writes": "writes",
    "clock_ff": "FF clocks",
    "clock_ff_enabled": "enabled",
    "io": "ports",
}


def activity(
    source,
    *,
    find_flow,
    find_build,
    vivado_power,
    test_images,
    board=None,
    plan=None,
    frames=20,
    idle=1000,
    output=None,
    build="build",
    as_json=False,
):
    """Count the toggles of a synthesised accelerator on images; write them, print them, return the JSON.

    ``source``: a network's file or the folder of a finished build. ``find_flow``: a function ``(board's name) ->``
    :class:`s2nn_hw.hw.flow.accelerator_netlist.NetlistFlow`; ``find_build``: one ``(folder) -> (network's file, build
    record)``; ``vivado_power``: :func:`s2nn_hw.hw.flow.power.vivado_power`; ``test_images``: one ``(network's file) ->
    (images, source)``. ``output``: the folder for the files, by default the build's own, else one below ``build``.
    """
    path, record = Path(source), None
    if path.is_dir():
        path, record = find_build(path)
    network = load(path)
    board = _board(source, record, board)
    flow = find_flow(board)
    chosen = _plan(network, plan, record, source, flow.board)
    pictures, where = test_images(path)
    network.encode(pictures[:1])
    pictures = np.array(pictures[:frames])
    images = {"count": len(pictures), "source": f"{where}, the first {len(pictures)}"}
    clock_mhz = running_mhz(record) if record else flow.board.clock_hz / 1e6
    identity = circuit_identity(network, chosen, flow)
    digest = digest_of(
        [
            identity,
            hashlib.sha256(pictures.tobytes()).hexdigest(),
            pictures.shape,
            images,
            idle,
            clock_mhz,
            record and record.digest,
            bool(record and shutil.which("vivado")),
        ]
    )
    folder = Path(
        output or (source if record else Path(build) / "activity" / f"{network.name}-{_plain(board)}-{digest[:12]}")
    )
    console = Terminal(stderr=True)
    data = _finished(folder, digest)
    if data is None:
        circuit = make_circuit(
            network,
            chosen,
            flow,
            identity,
            Path(build) / "activity" / "circuits",
            say=lambda text: _stage(console, text),
        )
        with _bar(console, len(pictures)) as progress:
            counts = run(circuit, pictures, idle=idle, progress=progress)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise UserError(f"output folder {folder} can't be made: a file is in its place") from None
        with _stage(console, "writing the figures") as tick:
            data = write_activity(
                circuit,
                counts,
                folder,
                images=images,
                clock_mhz=clock_mhz,
                record={
                    "digest": digest,
                    "network": {"name": network.name, "digest": network.digest},
                    "board": {"name": board, "device": flow.board.device, "family": flow.board.family},
                    "plan": chosen.to_json(),
                    "synthesis": flow.yosys.version,
                    "simulator": identity["simulator"],
                    "build": record,
                    "vivado": record and (lambda saif: vivado_power(source, saif, tick=tick)),
                },
            )
    else:
        console.print(f"{folder} has these figures already: nothing to do", soft_wrap=True)
    if as_json:
        print(json.dumps(data, indent=2, ensure_ascii=False))
    else:
        show(data, folder)
        words = [] if record else ["--board", board, *(["--plan", plan] if plan else [])]
        next_step("report", source, *words, "--html")
    return data


def _board(source, record, board):
    if record is None:
        if board is None:
            raise UserError("--board must say whose netlist to simulate; or give the folder of a finished build")
        return board
    name = record.board.name
    if board not in (None, name):
        raise UserError(f"build {source} is for board {name}, not {board}; leave --board out or build for {board}")
    return name


def _plan(network, plan, record, source, board):
    chosen = load_plan(plan, network) if plan else None
    if record and record.plan:
        if chosen and record.plan != chosen.to_json():
            raise UserError(f"build {source} was made with another plan than {plan}")
        return chosen or parse_plan(record.plan, network, f"build {source}")
    return chosen or default_plan(network, board.family)


def _plain(name):
    return name.replace(":", ".")


def _finished(folder, digest):
    """Return the figures in ``folder`` if they are those of ``digest`` and whole, else None."""
    try:
        data = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    whole = isinstance(data, dict) and data.get("digest") == digest
    return data if whole and all((folder / name).is_file() for name in (SAIF, NETLIST)) else None


@contextlib.contextmanager
def _stage(console, text):
    with console.status(f"{text} ..."):
        yield lambda _="": None


@contextlib.contextmanager
def _bar(console, total):
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("simulating the netlist", total=total)
        yield lambda done: bar.update(task, completed=done)


def show(data, folder):
    """Print the figures of ``activity.json``, per frame."""
    console = terminal(tables=True)
    table = Table(
        title=f"{data['network']['name']} on {data['board']['name']} ({data['board']['device']}): activity "
        f"per frame, mean of {data['frames']}"
    )
    table.add_column("layer")
    for heading in HEADINGS.values():
        table.add_column(heading, justify="right")
    frame = data["frame"]["rows"]
    total = {"name": "all"} | {name: sum(row[name] for row in frame) for name in HEADINGS}
    for row in [*frame, total]:
        table.add_row(row["name"], *(f"{row[name]:,.0f}" for name in HEADINGS))
    console.print(table)
    idle = sum(row[name] for row in data["idle"]["rows"] for name in ("lut", "carry", "ff", "bram"))
    cycles = data["cycles"]
    lines = [
        f"{counted(data['frames'], 'frame')} back to back, {cycles['per_frame']:,.1f} cycles each; then "
        f"{cycles['idle']:,} idle cycles with {idle:,.1f} toggles each",
        f"netlist of {data['netlist']['tool']} in {data['simulator']}: class, scores and cycles equal the golden model",
        "toggles without glitches; the host link is not in them",
    ]
    if data["vivado"]:
        watts = data["vivado"]
        lines.append(
            f"Vivado with this activity: {watts['total_w']:g} W, dynamic {watts['dynamic_w']:g} W, static "
            f"{watts['static_w']:g} W"
        )
    lines.append(f"figures: {folder / RECORD}, {folder / SAIF}")
    for line in lines:
        console.print(line)
