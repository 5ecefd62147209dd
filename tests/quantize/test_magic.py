import io
import zipfile

import numpy as np
import pytest
import torch

from s2nn_hw.errors import UserError
from s2nn_hw.quantize.checkpoint import read_checkpoint
from s2nn_hw.quantize.convert import convert
from s2nn_hw.quantize.data import magic, sets
from s2nn_hw.quantize.data.augment import augment
from s2nn_hw.quantize.from_checkpoint import float_graph
from s2nn_hw.quantize.model import encode
from s2nn_hw.quantize.recipe import from_dict
from s2nn_hw.quantize.settings import Augment
from s2nn_hw.quantize.train import train


def text(count=40, header=True):
    """Events in the form of the file: a header, then ten numbers and a letter a line, class after class."""
    random = np.random.default_rng(1)
    values = random.normal(size=(count, 10)).round(4)
    values[count // 2 :] += 1.5
    lines = ["@relation magic", "@inputs FLength, FWidth", "@data"] if header else []
    lines += [", ".join(f"{v:.4f}" for v in row) + ", " + "gh"[n >= count // 2] for n, row in enumerate(values)]
    return "\n".join(lines) + "\n"


@pytest.fixture
def small(monkeypatch):
    """The checks of the module set to the small stand-in."""
    values, labels = magic.parse(text(), "x")
    monkeypatch.setattr(magic, "EVENTS", 40)
    monkeypatch.setattr(magic, "TRAINING", 30)
    monkeypatch.setattr(magic, "DIGEST", magic.digest(values, labels))


def test_headers_and_spaces_do_not_count():
    (values, labels), (again, same) = magic.parse(text(), "x"), magic.parse(text(header=False).replace(", ", ","), "x")
    assert values.shape == (40, 10)
    assert labels.tolist() == [0] * 20 + [1] * 20
    assert magic.digest(values, labels) == magic.digest(again, same)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("1,2,3,g", "line 2 must be 10 numbers and g or h, with commas .4 fields"),
        ("1,2,3,4,5,6,7,8,9,ten,g", "line 2 must be"),
        ("1,2,3,4,5,6,7,8,9,10,x", "line 2 must be"),
        ("1,2,3,4,5,6,7,8,9,inf,g", "not finite"),
    ],
)
def test_damaged_lines_are_named(line, words):
    with pytest.raises(UserError, match=words):
        magic.parse("@data\n" + line, "events")


def test_parts_are_fixed_whole_and_scaled_by_training_events():
    values, labels = magic.parse(text(400), "x")
    parts = {split: magic.divide(values, labels, 300, split) for split in ("train", "test")}
    assert {split: len(part[0]) for split, part in parts.items()} == {"train": 300, "test": 100}
    features, wanted = parts["train"]
    assert features.dtype == np.uint8
    assert 0.4 < wanted.mean() < 0.6
    assert np.unique(features[:, 0]).size > 200  # quantiles: evenly used
    assert abs(features.mean() - 127.5) < 3
    order = np.argsort(values[np.random.default_rng(magic.SEED).permutation(400)[:300], 3])
    assert (np.diff(features[order, 3].astype(int)) >= 0).all()
    again = magic.divide(values, labels, 300, "test")
    assert np.array_equal(again[0], parts["test"][0])


@pytest.mark.parametrize("packed", [False, True])
def test_events_come_from_the_chosen_folder(tmp_path, monkeypatch, small, packed):
    monkeypatch.setenv(sets.FOLDER_VARIABLE, str(tmp_path))
    assert not sets.present("magic", "test")
    (tmp_path / "magic").mkdir()
    if packed:
        with zipfile.ZipFile(tmp_path / "magic" / "magic.zip", "w") as archive:
            archive.writestr("magic/magic.dat", text())
    else:
        (tmp_path / "magic" / "magic.dat").write_text(text())
    assert sets.present("magic", "test")
    images, labels = sets.load("magic", "test")
    assert (images.shape, labels.shape) == ((10, 10), (10,))
    assert len(sets.load("magic", "train")[0]) == 30


def test_missing_files_are_downloaded(tmp_path, monkeypatch, small):
    import pooch

    asked = []

    def retrieve(url, known_hash, fname, path, downloader):
        asked.append(url)
        with zipfile.ZipFile(path / fname, "w") as archive:
            archive.writestr("magic.dat", text())

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    monkeypatch.setenv(sets.FOLDER_VARIABLE, str(tmp_path))
    assert len(sets.load("magic", "test")[0]) == 10
    assert asked == [sets.SETS["magic"].mirrors[0] + "magic.zip"]


def test_other_events_are_refused(tmp_path, small):
    path = tmp_path / "magic.dat"
    path.write_text(text(42))
    with pytest.raises(UserError, match="must hold the 40 events of the MAGIC set, these 42 are others; another copy"):
        magic.load(path, "test")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html>", "can't be read"),
        (b"", "can't be read"),
        ({"other.dat": b""}, "must hold magic.dat"),
        ({"magic.dat": b"\xff"}, "can't be read"),
    ],
)
def test_damaged_archives_are_named(tmp_path, content, words):
    path = tmp_path / "magic.zip"
    if isinstance(content, dict):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, inside in content.items():
                archive.writestr(name, inside)
        content = packed.getvalue()
    path.write_bytes(content)
    with pytest.raises(UserError, match=words) as error:
        magic.load(path, "test")
    assert str(path) in str(error.value)


def test_images_only_are_bent():
    features = torch.zeros(4, 10, dtype=torch.uint8)
    assert augment(features, Augment(), torch.Generator()) is features
    with pytest.raises(UserError, match=r"key 'augment' wants images, not values of shape \(10,\)"):
        augment(features, Augment(shift_pixels=1.0), torch.Generator())


def test_thresholds_of_single_features_train_and_convert(tmp_path, monkeypatch):
    from rich.console import Console

    monkeypatch.setattr(sets, "load", lambda name, split: sets.samples(name))
    recipe = from_dict(
        {
            "name": "events",
            "data": {"set": "magic", "pixel_bits": 8},
            "layers": [{"neurons": 40, "bits": 2, "fan_in": 1}, {"neurons": 20, "bits": 6, "fan_in": 6}],
            "readout": {"bits": 2, "groups": True},
            "training": {"epochs": 8, "batch": 20, "learning_rate": 1e-2},
            "teacher": {"weight": 0.5, "neurons": 32, "epochs": 2},
        }
    )
    checkpoint = read_checkpoint(train(recipe, tmp_path, console=Console(file=io.StringIO())))
    network, (events, labels) = convert(float_graph(checkpoint)), sets.samples("magic")
    assert (np.abs(network.layers[0].synapses[0].weights).sum(axis=1) == 1).all()
    assert network.input.shape == (10,)
    assert network.classes == ("gamma", "hadron")
    out = network.forward(events, trace="spikes")
    with torch.no_grad():
        scores, trace = checkpoint.model.trace(encode(torch.tensor(events), 8))
    assert all(np.array_equal(out.spikes[name], spikes.numpy()) for name, spikes in trace.items())
    assert np.array_equal(out.classes, scores.argmax(dim=1).numpy())
    assert (out.classes == labels).mean() > 0.65
