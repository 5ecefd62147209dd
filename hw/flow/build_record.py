"""What ``s2nn-hw bitstream`` left in a folder: found, read and checked."""

from pathlib import Path

from s2nn_hw.errors import UserError
from s2nn_hw.texts import read_json

RECORD, NETWORK, PLAN = "build.json", "network.s2nn", "plan.json"
BUILD_FORMAT = "s2nn-build"
RESOURCES = ("luts", "ffs", "brams", "dsps")


def read_build(folder, network):
    """Return the ``build.json`` that ``s2nn-hw bitstream`` left in ``folder``, checked to be of ``network``."""
    path = Path(folder) / RECORD
    if not path.is_file():
        raise UserError(f"{path} does not exist: {folder} is no finished build; make one with `s2nn-hw bitstream`")
    build = read_json(path, what="build record", limit=1 << 24)
    if not isinstance(build, dict) or build.get("format") != BUILD_FORMAT or build.get("version") != 1:
        raise UserError(f"build record {path} must have format '{BUILD_FORMAT}', version 1")
    wanted = {
        "board": dict,
        "network": dict,
        "clock": dict,
        "resources": dict,
        "resources_source": str,
        "digest": str,
        "flow": str,
        "missing": list,
        "tools": dict,
    }
    for name, kind in wanted.items():
        if not isinstance(build.get(name), kind):
            raise UserError(f"build record {path}: field '{name}' is missing or of the wrong kind")
    rows, clock = build["resources"], build["clock"].get("wanted_mhz")
    whole = all(isinstance(row, dict) and {"kind", "used", "budget"} <= set(row) for row in rows.values())
    if not whole or set(rows) != set(RESOURCES):
        raise UserError(f"build record {path}: 'resources' needs {', '.join(RESOURCES)}, each with kind, used, budget")
    if not isinstance(clock, (int, float)) or not clock > 0:
        raise UserError(f"build record {path}: field 'clock.wanted_mhz' must be a positive number, not {clock!r}")
    runs = build["clock"].get("clock_mhz")
    if runs is not None and (not isinstance(runs, (int, float)) or not runs > 0):
        raise UserError(f"build record {path}: field 'clock.clock_mhz' must be a positive number, not {runs!r}")
    made = build.get("synthesis")
    if made is not None and not (
        isinstance(made, dict)
        and set(made) == set(RESOURCES)
        and all(isinstance(count, (int, float)) for count in made.values())
    ):
        raise UserError(f"build record {path}: 'synthesis' must count {', '.join(RESOURCES)}, or be null")
    if build.get("self_test"):
        raise UserError(
            f"build record {path} is of a self-test, whose vectors and comparison are not part of the "
            "accelerator; give a build made without --self-test"
        )
    if build["network"].get("digest") != network.digest:
        raise UserError(
            f"build record {path} is of another network ({build['network'].get('name')}, digest "
            f"{str(build['network'].get('digest'))[:12]}, wanted {network.digest[:12]}); build it anew"
        )
    return build


def running_mhz(build):
    """Return the clock that the bitstream of ``build`` runs at: what was wanted, or less if that was missed."""
    return build["clock"].get("clock_mhz") or build["clock"]["wanted_mhz"]


def packed_luts(build):
    """Return the LUT6 that nextpnr-xilinx would pack of a build that was only synthesised, None if not known."""
    count = (build.get("resources_detail") or {}).get("packed_luts_predicted")
    return count if build["flow"] == "synthesis" and isinstance(count, int) and count > 0 else None


def find_build(root, network, board, plan):
    """Return ``(folder, build record)`` of the newest build of ``network`` and ``plan`` for ``board``, else None."""
    records = sorted(Path(root).glob(f"{network.name}-{board}-*/{RECORD}"), key=lambda p: -p.stat().st_mtime)
    for path in records:
        try:
            build = read_build(path.parent, network)
        except UserError:
            continue
        if build.get("plan") == plan.to_json() and build["board"].get("name") == board:
            return path.parent, build
    return None
