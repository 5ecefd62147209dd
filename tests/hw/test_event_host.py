"""The host with a device that takes events: results, first spikes, faults on the line, and what the command says."""

from types import SimpleNamespace

import numpy as np
import pytest

from s2nn_hw.errors import UserError
from s2nn_hw.hw.link import protocol
from s2nn_hw.hw.link.event_packets import EventPackets
from s2nn_hw.hw.link.host import Device, open_device
from s2nn_hw.hw.link.protocol import Damaged, ErrorCode, Identity, Result
from s2nn_hw.network.address_events import EventFormat, Events, output_values
from s2nn_hw.network.store import save
from tests.support.commands import command, refused  # noqa: F401
from tests.support.device_model import DeviceModel
from tests.support.fake_port import FakePort
from tests.support.lossy_line import KINDS, Faults, LossyLine
from tests.support.networks import random_images
from tests.support.ttfs_networks import NETWORKS, image_network, network_of

BAUD = 1_000_000


def model_of(network, *, events=True):
    group = network.input.shape[-1]
    design = SimpleNamespace(network=network, pixels_per_beat=5, pixels_per_group=group, score_width=12)
    return DeviceModel(Identity.of(design, window=4, clock_hz=12_000_000), network, cycles=17, events=events)


def check(network, images, answers):
    golden = network.forward(images)
    assert answers.classes.tolist() == golden.classes.tolist()
    assert answers.scores.tolist() == golden.scores.tolist()
    assert answers.spikes.format == EventFormat.of_output(network)
    assert (answers.spikes.values == output_values(network, images)).all()


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("known", [True, False])
def test_classify(name, known):
    network = NETWORKS[name]()
    model, images = model_of(network), random_images(network, 12, 1)
    held = network if known else None
    with FakePort(lambda p: protocol.encode(model.reply(p))) as port, open_device(port.name, BAUD, held) as device:
        assert device.packets == model.packets
        check(network, images, device.classify(images))
        assert device.classify(images[:0]).spikes.values.shape == (0, model.packets.leaving.addresses)


@pytest.mark.parametrize("rate", [0.01, 0.3])
def test_every_answer_is_right_whatever_the_line_does(rate):
    network = network_of(20, 9, bits=4, slots=15)
    model, images = model_of(network), random_images(network, 100, 2)
    there, back = (Faults(KINDS, rate, seed) for seed in (1, 2))
    with Device(LossyLine(model, there=there, back=back), network, retries=1000) as device:
        answers = device.classify(images, limit=10_000)
    check(network, images, answers)
    assert answers.repeats > 0


def test_answers_that_can_t_be():
    packets = model_of(network_of()).packets
    good = packets.pack_result(Result(1, (1, 2, 3), 9, packets.leaving.encode(np.array([0, 3, 1, 7, 0]))), bytes(4))
    assert packets.unpack_result(good).spikes[-3:] == b"\xff\3\0"
    for payload, code in (
        (good[: packets.identity.result_bytes - 1], ErrorCode.SHORT),
        (good[:-3], ErrorCode.END),
        (good + b"\0", ErrorCode.END),
        (good[:-6] + good[-3:], ErrorCode.END),
        (good[:-9] + good[-6:-3] + good[-9:-6] + good[-3:], ErrorCode.ORDER),
    ):
        with pytest.raises(Damaged) as damaged:
            packets.unpack_result(payload)
        assert damaged.value.args == (code,)
    assert EventPackets.unpack(packets.pack()) == packets
    with pytest.raises(UserError, match="1 to 255 slots"):
        EventPackets.unpack(packets.pack()[:-1] + b"\0")


def test_command(tmp_path, command, monkeypatch):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    network = image_network()
    model, plain = model_of(network), model_of(network, events=False)
    images = random_images(network, 6, 1)
    save(network, "net.s2nn")
    np.save("x.npy", images)
    Events.of(network.input, images).write("x.events")
    with FakePort(lambda p: protocol.encode(model.reply(p))) as port:
        for given in ("x.npy", "x.events"):
            for words in (("--network", "net.s2nn"), ()):
                words = ("--images", given, "-o", "out.npz", "--spikes", "out.events", *words)
                code, out, err = command("run", "--port", port.name, *words)
                assert code == 0, err
                assert "first spikes of what the readout reads are in out.events" in out
                with np.load("out.npz") as arrays:
                    assert arrays["scores"].tolist() == network.forward(images).scores.tolist()
                assert (Events.read("out.events").values == output_values(network, images)).all()
        refused(command("run", "--port", port.name, "--images", "x.npy", "--spikes", "out.npy"), "must end in .events")
    with FakePort(lambda p: protocol.encode(plain.reply(p))) as port:
        words = ("--images", "x.events", "-o", "out.npz")
        code, _, err = command("run", "--port", port.name, *words)
        assert code == 0, err
        refused(command("run", "--port", port.name, *words, "--spikes", "no.events"), "gives no events; build one")
    words = ("--port", "port", "--images", "x.npy", "--spikes", "no/x.events")
    refused(command("run", *words), "folder no does not exist")
