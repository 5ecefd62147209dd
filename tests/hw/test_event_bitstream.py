"""`bitstream --events` with a stand-in for yosys: what is built, what its folder says, and what is refused."""

import json

import pytest

from s2nn_hw.network.store import load, save
from s2nn_hw.plan.defaults import event_plan
from tests.support.flow_tools import FAKE_YOSYS, run_cli
from tests.support.ramps import ramp_plan
from tests.support.standin import tiny_network
from tests.support.ttfs_networks import network_of


@pytest.fixture
def place(tools, tmp_path):
    tools("yosys", FAKE_YOSYS)
    save(network_of(), tmp_path / "net.s2nn")
    event_plan(network_of()).save(tmp_path / "event.json")
    return tmp_path


@pytest.fixture
def bitstream(place, monkeypatch, capsys):
    def run(*arguments, network="net.s2nn", plan="event.json"):
        words = ("bitstream", place / network, "--board", "arty_a7", "--native", "--plan", place / plan)
        status = run_cli(monkeypatch, *words, "-o", place / "build", *arguments)
        return status, capsys.readouterr()

    return run


def test_it_is_a_build_of_its_own_whose_link_takes_events(place, bitstream):
    assert bitstream("--events")[0] == 3
    (folder,) = (place / "build").iterdir()
    assert json.loads((folder / "build.json").read_text())["link"]["events"] is True
    assert load(folder / "network.s2nn").digest == network_of().digest
    assert "module \\top.design.link.spikes " in (folder / "top.v").read_text()
    status, said = bitstream("--events")
    assert (status, "nothing to build" in said.out) == (3, True)
    assert bitstream()[0] == 3
    (other,) = set((place / "build").iterdir()) - {folder}
    assert "events" not in json.loads((other / "build.json").read_text())["link"]
    assert "module \\top.design.link.spikes " not in (other / "top.v").read_text()


def test_layers_slot_by_slot_give_their_spikes_too(place, bitstream):
    ramp_plan(network_of(), width=4).save(place / "ramp.json")
    assert bitstream("--events", plan="ramp.json")[0] == 3
    (folder,) = (place / "build").iterdir()
    assert json.loads((folder / "build.json").read_text())["link"]["events"] is True


def test_what_has_no_events_is_refused_in_one_line_and_nothing_is_left(place, bitstream):
    plain = tiny_network()
    save(plain, place / "plain.s2nn")
    event_plan(plain).save(place / "plain.json")
    for arguments, files, message in (
        (["--events", "--self-test"], {}, "leave --events or --self-test out"),
        (["--events"], {"network": "plain.s2nn", "plan": "plain.json"}, "ttfs"),
    ):
        status, said = bitstream(*arguments, **files)
        assert status == 2
        assert message in said.err
        assert said.err.count("\n") == 1
    assert not (place / "build").exists()
