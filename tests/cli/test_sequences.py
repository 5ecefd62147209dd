"""Commands on networks of sequences: Verilog, simulation, proof, report; and what they refuse."""

import json
from dataclasses import replace

import numpy as np
import pytest

from s2nn_hw.network.over_time import forward_sequences
from s2nn_hw.network.sequences import Sequences, write_sequences
from s2nn_hw.network.store import save
from s2nn_hw.plan.sequences import sequence_plan
from s2nn_hw.report.sequences import KnownOfSequences, build_sequence_report
from s2nn_hw.sequence_design import SequenceDesign
from tests.support.commands import command, refused  # noqa: F401
from tests.support.recurrent import recordings, recurrent_plan, spoken


@pytest.fixture
def files(tmp_path):
    """Return the files of a network and of recordings, and those."""
    network = spoken((4, 5, 5, 3))
    save(network, tmp_path / "spoken.s2nn")
    frames, offsets = recordings(network, [2, 6, 1])
    sequences = Sequences(frames, offsets, np.array([0, 1, 2]), classes=("c0", "c1", "c2"))
    write_sequences(tmp_path / "spoken.npz", sequences)
    return tmp_path / "spoken.s2nn", tmp_path / "spoken.npz", network, frames, offsets


def test_verilog_and_its_vectors(files, command, tmp_path):  # noqa: F811
    path, _, network, *_ = files
    status, out, _ = command("verilog", path, "-o", tmp_path / "v", "--name", "digits")
    assert status == 0
    assert "digits.v" in out
    interface = json.loads((tmp_path / "v" / "interface.json").read_text())
    assert interface["input"]["last_bit"] == interface["input"]["width"] - 1 == 16
    with np.load(tmp_path / "v" / "vectors.npz") as arrays:
        vectors = dict(arrays)
    output = forward_sequences(network, vectors["frames"], vectors["offsets"])
    assert vectors["scores"].tolist() == output.scores.tolist()
    listed = json.loads((tmp_path / "v" / "vectors.json").read_text())
    assert [len(one["beats"]) for one in listed] == np.diff(vectors["offsets"]).tolist()
    assert [int(one["beats"][-1], 16) >> 16 for one in listed] == [1] * 4
    assert "module digits(" in (tmp_path / "v" / "digits.v").read_text()


def test_simulate_and_verify(files, command, tmp_path):  # noqa: F811
    path, recorded, network, frames, offsets = files
    status, out, _ = command("simulate", path, "--images", recorded, "-o", tmp_path / "o.npz", "--build", tmp_path)
    assert status == 0
    assert "3 sequences through the Verilog" in out
    with np.load(tmp_path / "o.npz") as arrays:
        assert arrays["scores"].tolist() == forward_sequences(network, frames, offsets).scores.tolist()
    status, out, _ = command("verify", path, "--images", recorded, "--build", tmp_path, "--limit", 2)
    assert status == 0
    assert "24 ticks" in out
    (record,) = (tmp_path / "verify").glob("spoken-*.json")
    assert json.loads(record.read_text())["differences"] == 0


def test_outputs_do_not_take_the_place_of_inputs(files, command, tmp_path):  # noqa: F811
    path, recorded, *_ = files
    before = recorded.read_bytes()
    for words in (("golden",), ("simulate", "--build", tmp_path)):
        status, _, err = command(*words, path, "--images", recorded, "-o", recorded)
        assert status == 2
        assert err == f"error: output {recorded} is what is read; choose another\n"
    assert recorded.read_bytes() == before


def test_inspect(files, command):  # noqa: F811
    path, _, network, *_ = files
    status, out, _ = command("inspect", path)
    assert status == 0
    assert "sigma_delta_encoder" in out
    found = json.loads(command("inspect", path, "--json")[1])
    assert [row["neurons"] for row in found["layers"]] == [5, 5, 3]
    assert found["digest"] == network.digest


def test_report(files, command):  # noqa: F811
    path, recorded, network, frames, offsets = files
    status, out, _ = command("report", path, "--images", recorded, "--board", "arty_a7", "--json")
    assert status == 0
    report, design = json.loads(out), SequenceDesign(network, sequence_plan(network, "xc7"))
    pixels, output = network.encode(frames), forward_sequences(network, frames, offsets, trace=True)
    alone = design.timing.alone(design.ones(pixels, output), output.ticks)
    assert report["latency"]["max"]["value"] == alone.max()
    assert report["events"]["value"] == pytest.approx(sum(v.sum() for v in output.spikes.values()) / 3, rel=1e-5)
    assert report["real_time"] is None
    assert report["sequences"]["ticks"]["value"] == 9
    for option in (("--html",), ("--frames", "2")):
        refused(command("report", path, "--images", recorded, *option), f"leave {option[0]} out")


@pytest.mark.parametrize(
    "said", [{"data_set": ["x"]}, {"data_set": {}}, {"data_set": "mnist"}, {"recipe": "x", "data_set": None}]
)
def test_a_provenance_may_say_anything(said, files, command):  # noqa: F811
    path, _, network, *_ = files
    save(replace(network, provenance=said), path)
    refused(command("verify", path), "names no data set of sequences")
    refused(command("report", path), "names no data set of sequences")


@pytest.mark.parametrize("recipe", ["x", {"data": [1]}, {"data": {"left_out": ["z"]}}])
def test_a_recipe_in_it_may_be_anything(recipe, files, command):  # noqa: F811
    path, _, network, *_ = files
    save(replace(network, provenance={"data_set": "fsdd", "recipe": recipe}), path)
    refused(command("verify", path), "label '0' is of no class")


def test_real_time():
    network = spoken((4, 5, 5, 3))
    design = SequenceDesign(network, recurrent_plan(network, groups=2))
    frames, offsets = recordings(network, [5, 5])
    known = KnownOfSequences("here", frames_per_second=50.0, clock_mhz=1.0)
    report = build_sequence_report(design, frames, offsets, None, known)
    cycles = report["cycles_per_tick"]["back_to_back"]["value"]
    second = report["real_time"]["cycles_per_second"]["value"]
    assert second == pytest.approx(cycles * 3 * 50, rel=1e-5)
    assert report["real_time"]["channels"]["value"] == int(1e6 / second)
    low, high = report["energy"]["sequence"]["band"]
    assert 0 < low < report["energy"]["sequence"]["value"] < high


def test_refusals(files, command, tmp_path):  # noqa: F811
    path, _, network, frames, offsets = files
    long = tmp_path / "long.npz"
    write_sequences(long, Sequences(np.repeat(frames, 2, axis=0), offsets * 2))
    refused(command("verify", path, "--images", long), "sequence 1 has 12 frames; 1 to 6 are wanted")
    narrow = tmp_path / "narrow.npz"
    write_sequences(narrow, Sequences(frames[:, :3].copy(), offsets))
    refused(command("simulate", path, "--images", narrow, "-o", tmp_path / "o.npz"), "narrow.npz", "(count, 4)")
    refused(command("verify", path), "names no data set of sequences")
    for words in (("activity", path, "--board", "arty_a7"), ("ip", path, "-o", "x")):
        refused(command(*words), "this is for networks of single frames")
    refused(command("bitstream", path, "--self-test"), "leave --events and --self-test out")
    (tmp_path / "plan.json").write_text(
        json.dumps(recurrent_plan(network).to_json()).replace('"recurrent", "taps"', '"event", "taps"')
    )
    refused(command("verilog", path, "-o", tmp_path / "v", "--plan", tmp_path / "plan.json"), "'recurrent'")
