"""Address events as bytes and as files: there and back, and everything that is none is refused."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2nn_hw.errors import UserError
from s2nn_hw.network.address_events import EventFormat, Events, Fault, Unfit, output_source, output_values
from s2nn_hw.network.first_spikes import first_spikes
from s2nn_hw.network.layer import Input
from s2nn_hw.network.scaling import Scaling
from s2nn_hw.network.store import save
from tests.network.test_ttfs import ttfs_network
from tests.support.commands import command, refused  # noqa: F401
from tests.support.networks import random_images

FORMATS = st.builds(EventFormat, st.one_of(st.integers(1, 40), st.sampled_from((255, 256, 257))), st.integers(1, 255))


@given(FORMATS, st.data())
def test_there_and_back(form, data):
    values = data.draw(st.lists(st.integers(0, form.slots), min_size=form.addresses, max_size=form.addresses))
    frame = form.encode(values)
    assert form.decode(frame).tolist() == values
    events = form.events(frame)
    assert list(events) == sorted((form.slots - q, place) for place, q in enumerate(values) if q)
    assert len(frame) == 3 * len(events) + 3 <= form.most_bytes
    assert form.encode(form.decode(frame)) == frame


def judged(form, frame):
    """Return the fault of ``frame`` and the number of its event, event by event, or its values: in plain Python."""
    events = [frame[k : k + 3] for k in range(0, len(frame), 3)]
    ends = [k for k, event in enumerate(events) if event[0] == 0xFF and len(event) == 3]
    if not ends or ends[0] != len(events) - 1 or len(frame) % 3:
        return Fault.END, len(frame) // 3
    values, latest = [0] * form.addresses, 0
    for number, (slot, low, high) in enumerate(events[:-1]):
        address = low + 256 * high
        if slot >= form.slots or address >= form.addresses:
            return Fault.RANGE, number
        if slot < latest:
            return Fault.ORDER, number
        if values[address]:
            return Fault.TWICE, number
        values[address], latest = form.slots - slot, slot
    if events[-1][1] + 256 * events[-1][2] != (len(events) - 1) % 65536:
        return Fault.END, len(events) - 1
    return values


@settings(max_examples=400)
@given(st.data(), st.integers(1, 6), st.integers(1, 4))
def test_what_is_wrong_first_is_told(data, addresses, slots):
    form = EventFormat(addresses, slots)
    near = st.tuples(st.integers(0, slots), st.integers(0, addresses), st.sampled_from((0, 0, 0, 1))).map(bytes)
    events = data.draw(st.lists(near, max_size=6))
    if data.draw(st.booleans()):
        events = sorted(events)
    count = data.draw(st.sampled_from((len(events), len(events), 1, 300)))
    ends = (bytes((255, count & 255, count >> 8)), b"", b"\xff\x01", b"\xff\x00\x00\x00", b"\xff\x00\x00\xff\x01\x00")
    frame = b"".join(events) + data.draw(st.sampled_from((ends[0], *ends)))
    try:
        found = form.decode(frame).tolist()
    except Unfit as error:
        found = error.fault, error.number
    assert found == judged(form, frame)


def test_a_whole_frame_of_65536():
    form = EventFormat(65536, 3)
    values = np.random.default_rng(0).integers(1, 4, 65536)
    frame = form.encode(values)
    assert frame[-3:] == b"\xff\0\0"
    assert (form.decode(frame) == values).all()


@pytest.mark.parametrize("seed", range(8))
def test_what_a_readout_reads(seed):
    network = ttfs_network(seed)
    images, form = random_images(network, 4, seed), EventFormat.of_output(network)
    times = first_spikes(network, images)[output_source(network)]
    assert output_values(network, images).shape == (4, form.addresses)
    assert (Events(form, output_values(network, images)).times == times.reshape(4, -1)).all()


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_files_and_images(bits, tmp_path):
    entering = Input((3, 4, 2), bits)
    images = np.random.default_rng(bits).integers(0, 256, (5, 3, 4, 2)).astype(np.uint8)
    events = Events.of(entering, images)
    events.write(tmp_path / "x.events")
    found = Events.read(tmp_path / "x.events")
    assert found.format == events.format == EventFormat(24, 2**bits - 1)
    assert (found.values == entering.encode(images)).all()
    assert (found.times == found.format.slots - found.values).all()
    assert (entering.encode(found.images(entering)) == entering.encode(images)).all()
    assert (found.images() == found.images(entering).reshape(5, -1)).all()
    (tmp_path / "y.events").write_bytes((tmp_path / "x.events").read_bytes()[:16] + b"\xff\0\0")
    assert Events.read(tmp_path / "y.events").values.tolist() == [[0] * 24]


def test_raw_values(tmp_path):
    entering = Input((4,), 3, scaling=Scaling(np.array([-1.0]), np.array([0.5])))
    images = np.array([[-1.0, 0, 1, 2.5], [-2, 9, 0.4, 0.1]])
    events = Events.of(entering, images)
    assert events.values.tolist() == entering.encode(images).tolist()
    assert entering.encode(events.images(entering)).tolist() == events.values.tolist()


HEAD = b"s2nn-aer\1\3\0\0\2\0\0\0"
DAMAGED = {
    "empty": (b"", "is not an event file"),
    "other": (b"\x93NUMPY\1\0v\0", "is not an event file"),
    "cut": (HEAD[:15], "is not an event file"),
    "version": (HEAD[:8] + b"\2" + HEAD[9:] + b"\xff\0\0", "format version 2"),
    "head": (HEAD[:10] + b"\5" + HEAD[11:] + b"\xff\0\0", "bytes 10 and 11 must be 0, not 5"),
    "slots": (HEAD[:9] + b"\0" + HEAD[10:] + b"\xff\0\0", "1 to 255 slots, not 0"),
    "addresses": (HEAD[:12] + bytes(4) + b"\xff\0\0", "1 to 65,536 values, not 0"),
    "many addresses": (HEAD[:12] + b"\1\0\1\0" + b"\xff\0\0", "1 to 65,536 values, not 65537"),
    "nothing": (HEAD, "0 whole frames, then one without end"),
    "no end": (HEAD + b"\xff\0\0\0\1\0", "1 whole frame, then one without end"),
    "half an event": (HEAD + b"\xff\0\0\0\1", "1 whole frame, then one without end"),
    "order": (HEAD + b"\xff\0\0\1\0\0\0\1\0\xff\2\0", "frame 1, event 1: its slot lies before"),
    "slot": (HEAD + b"\3\0\0\xff\1\0", "frame 0, event 0: its slot or its address is out of range"),
    "address": (HEAD + b"\0\2\0\xff\1\0", "frame 0, event 0: its slot or its address is out of range"),
    "twice": (HEAD + b"\0\1\0\1\1\0\xff\2\0", "frame 0, event 1: its address has spiked before"),
    "count": (HEAD + b"\0\1\0\xff\2\0", "frame 0, event 1: it has no end marker, more behind it, or one that counts"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_files_that_are_none(name, tmp_path, command):  # noqa: F811
    content, words = DAMAGED[name]
    (tmp_path / "x.events").write_bytes(content)
    with pytest.raises(UserError, match=words):
        Events.read(tmp_path / "x.events")
    refused(command("events", tmp_path / "x.events", "-o", tmp_path / "x.npy"), words)
    assert not (tmp_path / "x.npy").exists()


def test_a_file_that_asks_for_too_much(tmp_path):
    (tmp_path / "x.events").write_bytes(b"s2nn-aer\1\3\0\0\0\0\1\0" + b"\xff\0\0" * 40000)
    with pytest.raises(UserError, match="40,000 frames of 65,536 are over"):
        Events.read(tmp_path / "x.events")


@settings(max_examples=200)
@given(st.binary(max_size=40), st.integers(0, 20))
def test_any_bytes(tmp_path_factory, tail, cut):
    path = tmp_path_factory.getbasetemp() / "any.events"
    path.write_bytes((HEAD + tail)[: len(HEAD) + 24 - cut])
    with suppress(UserError):
        assert Events.read(path).values.max(initial=0) <= 3


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    network = ttfs_network(3, conv=True, bits=4)
    save(network, "net.s2nn")
    np.save("x.npy", random_images(network, 5, 1))
    return network


def test_commands(place, command):  # noqa: F811
    code, out, err = command("events", "x.npy", "-o", "x.events", "--network", "net.s2nn")
    assert (code, err) == (0, "")
    assert "5 frames of 60 addresses in 15 slots" in out
    for words in (("--network", "net.s2nn"), (), ("--times",)):
        code, _, err = command("events", "x.events", "-o", "y.npy", *words)
        assert code == 0, err
        back = ("--slots", 15, *words) if not words or words[0] == "--times" else words
        code, _, err = command("events", "y.npy", "-o", "y.events", *back)
        assert code == 0, err
        assert (Events.read("y.events").values == Events.read("x.events").values).all()
    assert np.load("y.npy").max() <= 15
    found = []
    for images in ("x.npy", "x.events"):
        code, out, err = command("golden", "net.s2nn", "--images", images, "-o", "g.npz", "--spikes", "g.events")
        assert code == 0, err
        with np.load("g.npz") as arrays:
            found.append(arrays["scores"].tolist())
    assert found[0] == found[1] == place.forward(np.load("x.npy")).scores.tolist()
    assert (Events.read("g.events").values == output_values(place, np.load("x.npy"))).all()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("x.npy", "-o", "y.events"), "give --network NAME.s2nn or --slots T"),
        (("x.npy", "-o", "y.npy", "--slots", 15), "must end in .events"),
        (("x.npy", "-o", "y.events", "--slots", 15), "values in x.npy must be from 0 to 15, not "),
        (("x.npy", "-o", "y.events", "--network", "net.s2nn", "--times"), "leave --slots and --times out"),
        (("x.npy", "-o", "no/y.events", "--slots", 255), "does not exist"),
        (("lack.events", "-o", "y.npy"), "does not exist"),
    ],
)
def test_command_s_bad_input(place, command, words, text):  # noqa: F811
    refused(command("events", *words), text)


def test_events_of_another_network(place, command):  # noqa: F811
    Events(EventFormat(60, 7), np.zeros((1, 60), np.uint8)).write("x.events")
    refused(
        command("golden", "net.s2nn", "--images", "x.events", "-o", "g.npz"),
        "takes events of 60 addresses in 15 slots, these have 60 in 7",
    )


def test_networks_without_first_spikes(tmp_path, command):  # noqa: F811
    with pytest.raises(UserError, match="unsigned pixels of 1 to 8 bits"):
        EventFormat.of_input(Input((4,), 4, signed=True))
    with pytest.raises(UserError, match="unsigned pixels of 1 to 8 bits"):
        EventFormat.of_input(Input((4,), 12))
    with pytest.raises(UserError, match="unsigned pixels of 1 to 8 bits"):
        EventFormat.of_input(Input((4,), 4, "steps"))


@pytest.mark.parametrize(
    ("array", "words", "text"),
    [
        (np.zeros((2, 0), np.uint8), (), "with a value or more a frame, not uint8 of shape (2, 0)"),
        (np.zeros(4, np.uint8), (), "with a value or more a frame, not uint8 of shape (4,)"),
        (np.zeros((2, 3)), (), "with a value or more a frame, not float64 of shape (2, 3)"),
        (np.array([[0, 8], [-1, 9]]), (), "values in x.npy must be from 0 to 7, not -1"),
        (np.array([[0, 8]], np.uint64), ("--times",), "slots in x.npy must be from 0 to 7, not 8"),
    ],
)
def test_arrays_that_are_no_values(array, words, text, tmp_path, monkeypatch, command):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", array)
    refused(command("events", "x.npy", "-o", "x.events", "--slots", 7, *words), text)
    assert not Path("x.events").exists()
