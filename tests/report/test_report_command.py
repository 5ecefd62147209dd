"""The command report: a build beside the network, the same bytes again, and what it refuses."""

import json
import sys

import numpy as np
import pytest

from s2nn_hw.network.store import save
from tests.support.made_reports import build_record
from tests.support.networks import random_images


def test_report_of_one_image_has_no_interval(monkeypatch, tmp_path, command, network):
    monkeypatch.chdir(tmp_path)
    save(network, "net.s2nn")
    np.save("x.npy", random_images(network, 1))
    status, _, err = command("report", "net.s2nn", "-b", "ulx3s", "--images", "x.npy", "--html", "-o", "r.json")
    assert status == 0, err
    assert "interval" not in json.loads((tmp_path / "r.json").read_text())["bounds"]["device"]
    assert (tmp_path / "r.html").is_file()


@pytest.fixture
def folder(tmp_path, network):
    save(network, tmp_path / "net.s2nn")
    images = random_images(network, 5)
    np.save(tmp_path / "x.npy", images)
    np.save(tmp_path / "y.npy", network.forward(images).classes)
    build = tmp_path / "build" / f"{network.name}-ulx3s-0123456789ab"
    build.mkdir(parents=True)
    (build / "build.json").write_text(json.dumps(build_record(network)))
    save(network, build / "network.s2nn")
    return tmp_path


def call(monkeypatch, capsys, folder, *arguments):
    """Run the command in this process; return ``(status, stdout, stderr)``."""
    from s2nn_hw.cli import main

    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["s2nn-hw", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main.main()
    out, err = capsys.readouterr()
    return stop.value.code, out, err


def test_command_merges_the_build(folder, network, monkeypatch, capsys):
    status, out, err = call(
        monkeypatch,
        capsys,
        folder,
        "report",
        "net.s2nn",
        "--board",
        "ulx3s",
        "--images",
        "x.npy",
        "--labels",
        "y.npy",
        "-o",
        "r.json",
    )
    assert status == 0, err
    data = json.loads((folder / "r.json").read_text())
    used = data["resources"]["luts"]["used"]
    assert (used["value"], used["source"], used["by"]) == (11, "tool report", "nextpnr after packing")
    assert data["resources"]["brams"]["synthesised"]["value"] == 3
    assert [data["clock"][name]["value"] for name in ("wanted", "reached", "used")] == [80.0, 93.5, 80.0]
    assert data["link"]["baud"]["value"] == 500_000
    assert data["build"]["folder"] == "random-ulx3s-0123456789ab"
    assert data["images"] == {"count": 5, "source": "x.npy"}
    assert "nextpnr after packing" in out
    assert "93.5 MHz reached" in out
    status, out, _ = call(
        monkeypatch,
        capsys,
        folder,
        "report",
        "net.s2nn",
        "--images",
        "x.npy",
        "--json",
        "--build",
        "build/random-ulx3s-0123456789ab",
    )
    assert status == 0
    assert json.loads(out)["board"]["name"] == "ulx3s"
    assert json.loads(out)["accuracy"] is None


LOWERED = {"from_mhz": 80.0, "to_mhz": 62.5, "after": "routing", "reached_mhz": 66.1, "critical_path": None}


def test_clock_that_was_lowered_is_the_one_used(folder, network, monkeypatch, capsys):
    path = folder / "build" / "random-ulx3s-0123456789ab" / "build.json"
    clock = {"wanted_mhz": 80.0, "reached_mhz": 66.1, "clock_mhz": 62.5, "lowered": [LOWERED]}
    path.write_text(json.dumps(build_record(network, {"clock": clock})))
    status, out, err = call(
        monkeypatch, capsys, folder, "report", "net.s2nn", "--board", "ulx3s", "--images", "x.npy", "-o", "r.json"
    )
    assert status == 0, err
    data = json.loads((folder / "r.json").read_text())
    assert [data["clock"][name]["value"] for name in ("wanted", "reached", "used")] == [80.0, 66.1, 62.5]
    assert data["clock"]["used"]["by"] == "lowered, the wanted one was missed"
    latency = data["latency"]
    assert latency["us"]["mean"] == pytest.approx(latency["cycles"]["mean"] / 62.5, rel=1e-4)
    assert "clock 62.5 MHz, 66.1 MHz reached; 80 MHz wanted and missed" in out


def test_packed_luts_of_a_build_without_placement(folder, network, monkeypatch, capsys):
    path = folder / "build" / "random-ulx3s-0123456789ab" / "build.json"
    detail = {
        "resources_detail": {"packed_luts_predicted": 15},
        "flow": "synthesis",
        "clock": {"wanted_mhz": 80.0, "reached_mhz": None, "clock_mhz": 80.0, "lowered": []},
    }
    path.write_text(json.dumps(build_record(network, detail)))
    status, out, err = call(
        monkeypatch, capsys, folder, "report", "net.s2nn", "--board", "ulx3s", "--images", "x.npy", "-o", "r.json"
    )
    assert status == 0, err
    luts = json.loads((folder / "r.json").read_text())["resources"]["luts"]
    assert (luts["used"]["value"], luts["packed"]["value"], luts["packed"]["source"]) == (11, 15, "estimate")
    assert "15 LUT4 (14.7 to 15.3) once packed (estimate: nextpnr-xilinx, half-LUTs / 2, from the netlist)" in out


def test_the_same_inputs_give_the_same_bytes(folder, monkeypatch, capsys):
    found = []
    for name, moment in (("a", "1000000000"), ("b", "1000000000"), ("c", "1000000001")):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", moment)
        assert (
            call(
                monkeypatch,
                capsys,
                folder,
                "report",
                "net.s2nn",
                "--board",
                "ulx3s",
                "--images",
                "x.npy",
                "--labels",
                "y.npy",
                "--html",
                "-o",
                f"{name}.json",
            )[0]
            == 0
        )
        found.append([(folder / f"{name}{end}").read_bytes() for end in (".json", ".html")])
    assert found[0] == found[1]
    first, other = (json.loads(files[0]) for files in (found[0], found[2]))
    assert first.pop("created") == "2001-09-09T01:46:40Z"
    assert other.pop("created") == "2001-09-09T01:46:41Z"
    assert first == other


def test_a_build_folder_is_reported_on_in_place(folder, monkeypatch, capsys):
    place = folder / "build" / "random-ulx3s-0123456789ab"
    status, out, _ = call(monkeypatch, capsys, folder, "report", place, "--images", "x.npy", "--html")
    assert status == 0
    assert f"page: {place / 'report.html'}" in out
    assert json.loads((place / "report.json").read_text())["build"]["folder"] == place.name
    status, _, err = call(monkeypatch, capsys, folder, "report", folder / "build", "--images", "x.npy")
    assert status == 2
    assert "is no finished build; make one with `s2nn-hw bitstream`" in err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["missing.s2nn"], "missing.s2nn does not exist"),
        (["net.s2nn"], "does not say which data set it is for; give --images X.npy"),
        (["net.s2nn", "--images", "none.npy"], "images none.npy does not exist"),
        (["net.s2nn", "--labels", "y.npy"], "labels y.npy need --images"),
        (["net.s2nn", "--images", "y.npy"], "images must have shape (count, 20), not (5,)"),
        (["net.s2nn", "--images", "x.npy", "--labels", "x.npy"], "labels x.npy must be 5 integers, not uint8 of"),
        (["net.s2nn", "--images", "x.npy", "--board", "zx81"], "board 'zx81' is unknown"),
        (["net.s2nn", "--images", "x.npy", "--build", "nowhere"], "nowhere is no finished build; make one with"),
        (
            ["net.s2nn", "--images", "x.npy", "--build", "build/random-ulx3s-0123456789ab", "--board", "arty_a7"],
            "is for board ulx3s, not arty_a7",
        ),
        (["net.s2nn", "--images", "x.npy", "-o", "r.txt"], "output r.txt must end in .json"),
        (["net.s2nn", "--images", "x.npy", "-o", "no/r.json"], "folder no does not exist"),
        (["net.s2nn", "--images", "x.npy", "--plan", "x.npy"], "plan x.npy is not JSON"),
    ],
)
def test_bad_input_is_one_line_and_status_2(folder, monkeypatch, capsys, arguments, text):
    status, _, err = call(monkeypatch, capsys, folder, "report", *arguments)
    assert status == 2
    assert err.startswith("error: ")
    assert text in err
    assert err.count("\n") == 1
    assert not (folder / "r.json").exists()
