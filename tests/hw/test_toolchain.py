"""Tools: their versions, why they failed, how long they may take, and what is said meanwhile."""

import json
import re
import time
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from s2nn_hw.errors import UserError
from s2nn_hw.hw.flow.toolchain import Narrator, find_tool, last_error
from tests.support.flow_tools import LOGS, build_count, fake_openxc7


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Info: x\nERROR: Unable to place cell\nwarning: y\n", "ERROR: Unable to place cell"),
        ("top.ys:3: error: no module\n1 error\n", "top.ys:3: error: no module"),
        ("ERROR: no such bel\nERROR: Packing design failed.\n2 warnings, 2 errors\n", "ERROR: no such bel"),
        ("nothing helpful\n\n", "nothing helpful"),
        ("", "it printed nothing"),
    ],
)
def test_last_error(text, line):
    assert last_error(text) == line


NO_VERSION = 'echo "nextpnr-xilinx -- Next Generation Place and Route (Version )" >&2'


@pytest.mark.parametrize("says", [NO_VERSION, "exit 1", "true"])
def test_tool_without_a_version_is_known_by_its_file(says, tools):
    tools("nextpnr-xilinx", says + "\n")
    first = find_tool("nextpnr-xilinx").version
    assert first.startswith("file ")
    tools("other", says + "\n# changed\n")
    (tools.folder / "nextpnr-xilinx").unlink()
    (tools.folder / "nextpnr-xilinx").symlink_to(tools.folder / "other")
    assert find_tool("nextpnr-xilinx").version not in (first, "")
    tools("other", 'echo "nextpnr-xilinx (Version 0.8.2)"\n')
    assert find_tool("nextpnr-xilinx").version == "nextpnr-xilinx (Version 0.8.2)"


FOREVER = """
case "$1" in --version) echo "nextpnr-xilinx 0.8"; exit 0;; --help) echo "--report"; exit 0;; esac
echo half > top.fasm
head -n 42 {log} > top.tim
i=0
while true; do
    i=$((i + 1)); echo "Info:     iter=$i wires=402931 overused=203 overuse=203 archfail=NA" >> top.tim; {pause}
done
"""


def forever(pause=":"):
    return FOREVER.format(log=LOGS / "nextpnr-xilinx.tim", pause=pause)


def test_router_that_never_ends_is_noticed(tools, databases, tmp_path, monkeypatch):
    monkeypatch.setattr("s2nn_hw.hw.flow.progress.STALL_SECONDS", 0.1)
    fake_openxc7(tools, place=forever("sleep 0.01"))
    with pytest.raises(
        UserError,
        match=r"^nextpnr-xilinx was ended: its router no longer improves, 203 overused wires "
        r"at iteration \d+ and 203 at 1, 0 minutes before; try another --seed",
    ):
        build_count("arty_a7", tmp_path / "build", native=True, freq_mhz=100, **databases)
    (folder,) = (tmp_path / "build").iterdir()
    assert (folder / "top.tim").is_file()
    assert not [name for name in ("top.fasm", "top.bit", "build.json", "tmp") if (folder / name).exists()]
    size = (folder / "top.tim").stat().st_size
    time.sleep(0.2)
    assert (folder / "top.tim").stat().st_size == size  # nobody writes any more


def test_step_that_takes_too_long(tools, databases, tmp_path, monkeypatch):
    monkeypatch.setattr("s2nn_hw.hw.flow.toolchain.HEARTBEAT_SECONDS", 0.3)
    fake_openxc7(tools, place=forever("sleep 0.1"))
    said = StringIO()
    message = (
        r"^nextpnr-xilinx was ended after 0\.02 minutes \(--timeout\) at: routing, iteration \d+, 203 overused "
        r"wires, 80\.8 MHz estimated of 100; give it more, or try another --seed, a lower clock with --freq, or "
        r"a larger board; its log is \S+top\.tim$"
    )
    with pytest.raises(UserError, match=message):
        build_count(
            "arty_a7", tmp_path / "build", native=True, freq_mhz=100, timeout_minutes=0.02, said=said, **databases
        )
    assert "placed: 80.8 MHz estimated, 100 MHz wanted" in said.getvalue()
    assert re.search(r"place and route \(nextpnr-xilinx\): \d s; routing, iteration", said.getvalue())


def test_timeout_does_not_make_another_build(tools, databases, tmp_path):
    fake_openxc7(tools)
    build_count("arty_a7", tmp_path / "build", native=True, **databases)
    again = build_count("arty_a7", tmp_path / "build", native=True, timeout_minutes=5, **databases)
    assert again.reused
    assert "timeout_minutes" not in json.loads((Path(again.folder) / "build.json").read_text())["options"]


def test_stage_that_runs_again_is_summed_and_shows_what_it_is_given():
    narrator = Narrator(Console(file=StringIO(), force_terminal=True))
    for _ in range(2):
        with narrator.stage("place", "place") as tick:
            tick("[odd] text [/]")
            time.sleep(0.02)
    assert narrator.seconds["place"] >= 0.04
