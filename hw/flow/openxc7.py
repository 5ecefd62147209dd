"""openXC7 for Xilinx 7 series: our own command lines as lists of arguments (docs/boards.md says why each option)."""

import mmap
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from amaranth.build import Platform

from s2nn_hw.errors import UserError

TOP = "top"
FOLDERS = {"a": "artix7", "k": "kintex7", "s": "spartan7", "z": "zynq7"}
TOOLS = ("yosys", "nextpnr-xilinx", "fasm2frames", "xc7frames2bit")
SYNTHESIS = "synth_xilinx -flatten -abc9 -nodsp -arch xc7"
# UG470, table 1-1, without the version in the four highest bits
IDCODES = {
    "xc7a12t": 0x37C3093,
    "xc7a15t": 0x362E093,
    "xc7a25t": 0x37C2093,
    "xc7a35t": 0x362D093,
    "xc7a50t": 0x362C093,
    "xc7a75t": 0x3632093,
    "xc7a100t": 0x3631093,
    "xc7a200t": 0x3636093,
    "xc7s25": 0x37C4093,
    "xc7s50": 0x362F093,
    "xc7z010": 0x3722093,
    "xc7z020": 0x3727093,
    "xc7k325t": 0x3651093,
}


@dataclass(frozen=True)
class Databases:
    """Where the chip database (nextpnr-xilinx) and the Project X-Ray database of the part are."""

    chipdb: str
    family: str
    part: str


def part_name(platform: Platform) -> str:
    """Return the Project X-Ray name of the part on ``platform``: the commercial twin with the same fabric."""
    device = re.sub(r"(?<=t)[il]$", "", platform.device.lower())
    return f"{device}{platform.package.lower()}-{_start('[0-9]', platform.speed)}"


def family_folder(part: str) -> str:
    """Return the folder of prjxray-db that has ``part``."""
    return FOLDERS[part[3]]


def chipdb_names(part: str) -> tuple[str, str, str]:
    """Return the names the part's chip database goes by in different installations, most exact first."""
    return (f"{part}.bin", f"{part.rpartition('-')[0]}.bin", f"{device_name(part)}.bin")


def device_name(part: str) -> str:
    """Return the device of ``part``, without package and speed grade."""
    return _start(r"xc7[aksz]\d+[ts]?", part)


def _start(pattern: str, text: str) -> str:
    """Return the part of ``text`` that ``pattern`` finds at its start."""
    found = re.match(pattern, text)
    assert found is not None, text
    return found[0]


def find_databases(
    part: str, chipdb: Path | str | None, prjxray_db: Path | str | None
) -> tuple[Databases | None, list[str]]:
    """Return ``(Databases or None, missing)`` for ``part`` (:func:`part_name`); ``missing`` says what is not there.

    ``chipdb``: the database file or a folder with it; ``prjxray_db``: the folder ``prjxray-db`` or its ``artix7``.
    :class:`UserError` if one of them is there and of another part.
    """
    missing: list[str] = []
    found = None
    if chipdb:
        chipdb = Path(chipdb)
        candidates = [chipdb] if chipdb.is_file() else [chipdb / name for name in chipdb_names(part)]
        found = next((path.resolve() for path in candidates if path.is_file()), None)
        if found is None:
            missing.append(f"chip database {' or '.join(chipdb_names(part))} in {chipdb}")
        else:
            check_chipdb(found, part)
    else:
        missing.append("chip database (--chipdb or CHIPDB_DIR)")
    family = None
    if prjxray_db:
        folders = [Path(prjxray_db) / family_folder(part), Path(prjxray_db)]
        family = next((path.resolve() for path in folders if (path / part / "part.yaml").is_file()), None)
        if family is None:
            missing.append(f"{part}/part.yaml in {prjxray_db}")
        else:
            check_part_file(family / part / "part.yaml", part)
    else:
        missing.append("Project X-Ray database (--prjxray-db or PRJXRAY_DB_DIR)")
    return (None if missing else Databases(str(found), str(family), part)), missing


def check_chipdb(path: Path, part: str) -> None:
    """:class:`UserError` if the chip database in file ``path`` names parts and none is ``part`` in any speed grade."""
    if not path.stat().st_size:
        raise UserError(f"chip database {path} is empty; export it for {part} again")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        names = {name.decode() for name in re.findall(rb"\bxc7[akszv]x?\d+[a-z]*\d*(?=-\d|\0)", data)}
    if names and not any(part.startswith(name) for name in names):
        raise UserError(
            f"chip database {path} is of {', '.join(sorted(names)[:3])}, not of {part}; give that of the "
            "board's part with --chipdb"
        )


def check_part_file(path: Path, part: str) -> None:
    """:class:`UserError` if Project X-Ray's ``part.yaml`` has no identity code, or that of another device."""
    code = re.search(r"^idcode:\s*(0x[0-9a-fA-F]+|\d+)\s*$", path.read_text(errors="replace"), re.MULTILINE)
    if not code:
        raise UserError(f"{path} is no part file of Project X-Ray: it has no idcode; get its database again")
    came, wanted = int(code[1], 0) & 0x0FFFFFFF, IDCODES.get(device_name(part))
    if wanted is not None and came != wanted:
        raise UserError(
            f"{path} is of another part: its idcode is {came:#x}, that of {device_name(part)} is "
            f"{wanted:#x}; give the database of the board's part with --prjxray-db"
        )


def synthesis_arguments() -> list[str]:
    """Return yosys's arguments: Verilog in, ``top.json`` and ``top_stat.json`` out.

    No DSP (nextpnr-xilinx places none of ours), block RAM kept, ``$scopeinfo`` cells deleted (it can't place them).
    """
    script = (
        # abc9's most thorough script: 0.5 to 6 % fewer LUTs for a fifth more time
        "scratchpad -copy abc9.script.flow3 abc9.script",
        # what a routed wire takes here, ps, not the 300 of one to the neighbour: else rows of small LUTs look as good
        "scratchpad -set synth_xilinx.abc9.W 800",
        f"read_verilog {TOP}.v",
        f"{SYNTHESIS} -top {TOP}",
        "delete t:$scopeinfo",
        f"tee -q -o {TOP}_stat.json stat -json",
        f"write_json {TOP}.json",
    )
    return ["-q", "-l", f"{TOP}.rpt", "-p", "; ".join(script)]


def place_arguments(databases: Databases, clock_mhz: float, seed: int, *, report: bool = True) -> list[str]:
    """Return nextpnr-xilinx's arguments; without ``--freq`` it would aim at 12 MHz."""
    arguments = [
        "--chipdb",
        databases.chipdb,
        "--xdc",
        f"{TOP}_openxc7.xdc",
        "--json",
        f"{TOP}.json",
        "--fasm",
        f"{TOP}.fasm",
        "--write",
        f"{TOP}_routed.json",
        "--freq",
        f"{clock_mhz:g}",
        "--seed",
        str(seed),
        "--timing-allow-fail",
        "--log",
        f"{TOP}.tim",
        "--quiet",
    ]
    return arguments + (["--report", f"{TOP}_nextpnr.json"] if report else [])


def frames_arguments(databases: Databases) -> list[str]:
    """Return fasm2frames's arguments; the frames come on its standard output."""
    return ["--part", databases.part, "--db-root", databases.family, f"{TOP}.fasm"]


def bitstream_arguments(databases: Databases, output: str = f"{TOP}.bit") -> list[str]:
    """Return xc7frames2bit's arguments; the bitstream goes to ``output``."""
    return [
        "--part_file",
        f"{databases.family}/{databases.part}/part.yaml",
        "--part_name",
        databases.part,
        "--frm_file",
        f"{TOP}.frames",
        "--output_file",
        output,
    ]


def constraints(platform: Platform) -> str:
    """Return the XDC text that nextpnr-xilinx reads: pins and I/O standards of single-bit ports; no clocks."""
    lines = []
    for port, pin, attributes in platform.iter_port_constraints_bits():
        if "[" in port:
            raise UserError(f"board port {port} has more than one bit, which nextpnr-xilinx can't read")
        lines.append(f"set_property LOC {pin} [get_ports {port}]")
        lines += [f"set_property {name} {value} [get_ports {port}]" for name, value in attributes.items()]
    return "\n".join(lines) + "\n"


def shell_script(part: str, clock_mhz: float, seed: int) -> str:
    """Return ``run_openxc7.sh``: the same commands for a machine that has the tools, databases by variable.

    A netlist that is there already is taken: what was done to it after synthesis is in no script.
    """
    marks = Databases("@CHIPDB@", "@FAMILY@", part)
    place = [word for word in place_arguments(marks, clock_mhz, seed, report=False) if word != "--timing-allow-fail"]
    lines = [
        f"[ -s {TOP}.json ] || " + shlex.join(["yosys", *synthesis_arguments()]),
        shlex.join(["nextpnr-xilinx", *place]) + " || {",
        "    echo 'place and route failed; if the clock was missed, make this folder anew, --freq lower' >&2",
        "    exit 2",
        "}",
        shlex.join(["fasm2frames", *frames_arguments(marks)]) + f" > {TOP}.frames",
        shlex.join(["xc7frames2bit", *bitstream_arguments(marks)]),
    ]
    text = "\n".join(lines).replace("@CHIPDB@", '"$chipdb"')
    text = text.replace("@FAMILY@", f'"$PRJXRAY_DB_DIR/{family_folder(part)}"')
    exact, package, device_file = chipdb_names(part)
    return (
        "#!/bin/sh\n# CHIPDB_DIR: folder with the chip databases; PRJXRAY_DB_DIR: folder prjxray-db\nset -e\n"
        ': "${CHIPDB_DIR:?set it to the folder with the chip databases}"\n'
        ': "${PRJXRAY_DB_DIR:?set it to the folder prjxray-db}"\n'
        'cd "$(dirname "$0")"\n'
        f"for name in {device_file} {package} {exact}; do\n"
        '    if [ -f "$CHIPDB_DIR/$name" ]; then chipdb="$CHIPDB_DIR/$name"; fi\ndone\n'
        ': "${chipdb:?no chip database of this part is in CHIPDB_DIR}"\n'
        f"{text}\n"
    )
