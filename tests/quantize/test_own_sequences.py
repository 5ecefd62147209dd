import io
import json

import numpy as np
import pytest
from rich.console import Console

from s2nn_hw.errors import UserError
from s2nn_hw.network.over_time import forward_sequences
from s2nn_hw.network.sequences import Sequences, read_sequences, write_sequences
from s2nn_hw.quantize.data import source
from s2nn_hw.quantize.data.reading import reading_of
from s2nn_hw.quantize.recipe import as_dict, from_dict
from s2nn_hw.quantize.sequences.checkpoint import read_over_time
from s2nn_hw.quantize.sequences.summary import quantize, show
from s2nn_hw.quantize.train import train
from tests.quantize.test_recordings import wav

LAYERS = [
    {"neurons": 6, "bits": 4, "neuron": "sigma_delta_encoder"},
    {"neurons": 6, "bits": 4, "neuron": "sigma_delta", "recurrent": True, "leak": 3},
]


def recipe(folder, **data):
    table = {
        "name": "own",
        "data": {"path": "x.npz", "pixel_bits": 4} | data,
        "layers": LAYERS,
        "readout": {"bits": 4},
        "sequence": {"ticks": 2},
        "training": {"epochs": 2, "batch": 8},
    }
    return from_dict(table, folder=folder)


def some(count=40, classes=3, channels=5, seed=0, **entries):
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    parts = [rng.integers(0, 60 + 60 * label, (rng.integers(2, 9), channels)).astype(np.uint8) for label in labels]
    return Sequences.of(parts, labels=labels, **entries)


def shares(data):
    return source.sequences_of(data, "train"), source.sequences_of(data, "test")


def same(one, other):
    return np.array_equal(one.frames, other.frames) and np.array_equal(one.labels, other.labels)


def test_a_fifth_is_the_test_drawn_from_every_class(tmp_path):
    whole = some()
    write_sequences(tmp_path / "x.npz", whole)
    found = recipe(tmp_path).data
    train, test = shares(found)
    assert (len(train), len(test)) == (32, 8)
    assert set(test.labels.tolist()) == {0, 1, 2}
    assert source.shape(found) == (5,)
    assert source.classes(found) == ("0", "1", "2")
    assert sorted(train.lengths.tolist() + test.lengths.tolist()) == sorted(whole.lengths.tolist())
    assert same(shares(recipe(tmp_path).data)[1], test)
    assert not same(shares(recipe(tmp_path, seed=1).data)[1], test)
    assert len(shares(recipe(tmp_path, test_share=0.5).data)[1]) == 20


def test_a_group_may_be_the_test(tmp_path):
    groups = np.array([f"speaker {k % 4}" for k in range(40)])
    write_sequences(tmp_path / "x.npz", some(groups=groups))
    found = recipe(tmp_path, left_out="speaker 3", validation=6).data
    train, test = shares(found)
    assert set(test.groups.tolist()) == {"speaker 3"}
    assert "speaker 3" not in train.groups.tolist()
    assert source.title(found).endswith("(speaker 3 left out)")
    rest, held = source.sequences(found)
    assert (len(rest), len(held)) == (24, 6)


def test_labels_of_another_file_go_by_their_names(tmp_path):
    write_sequences(tmp_path / "x.npz", some(classes=2, **{"seed": 1}))
    write_sequences(tmp_path / "named.npz", Sequences(*_parts(some(classes=2)), classes=("no", "yes")))
    turned = some(10, classes=2, seed=3)
    write_sequences(tmp_path / "test.npz", Sequences(*_parts(turned), classes=("yes", "no")))
    _, test = shares(recipe(tmp_path, path="named.npz", test="test.npz").data)
    assert test.classes == ("no", "yes")
    assert test.labels.tolist() == (1 - turned.labels).tolist()
    _, test = shares(recipe(tmp_path, test="test.npz", classes=["yes", "no"]).data)
    assert test.labels.tolist() == turned.labels.tolist()


def _parts(sequences):
    return sequences.frames, sequences.offsets, sequences.labels


def test_values_of_fewer_bits_are_the_top_ones(tmp_path):
    frames = some().frames >> 4
    write_sequences(tmp_path / "x.npz", Sequences(frames, some().offsets, some().labels, bits=4))
    train, test = shares(recipe(tmp_path).data)
    assert sorted(np.concatenate([train.frames, test.frames]).ravel()) == sorted((frames << 4).ravel())


def recordings(folder, seconds=(0.1, 0.3), count=10):
    rng = np.random.default_rng(2)
    for name in ("no", "yes"):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            samples = rng.normal(size=int(8000 * rng.uniform(*seconds))) * (500 if name == "no" else 8000)
            (folder / name / f"{number}.wav").write_bytes(wav(samples.clip(-32767, 32767).astype(np.int16)))


def test_a_folder_of_recordings_becomes_a_network(tmp_path):
    recordings(tmp_path / "words")
    (tmp_path / "words" / ".DS_Store").write_text("")
    made = recipe(tmp_path, path="words", validation=4)
    assert made.over_time
    assert source.shape(made.data) == (32,)
    said = io.StringIO()
    checkpoint = train(made, tmp_path / "run", console=Console(file=said, width=120))
    assert "yes       8 50.0 %    2 50.0 %" in said.getvalue()
    log = json.loads((tmp_path / "run" / "own.log.json").read_text())
    assert log["classes"]["train"] == [8, 8]
    network, figures = quantize(read_over_time(checkpoint))
    assert network.classes == ("no", "yes")
    assert (figures.sequences, figures.validation.sequences) == (4, 4)
    test = read_sequences(tmp_path / "run" / "own.test.npz")
    found = forward_sequences(network, test.frames, test.offsets).classes
    assert (found == test.labels).mean() == pytest.approx(figures.accuracy_integer)
    reading = reading_of(network)
    assert (reading.kind, reading.title) == ("recordings", "words")
    assert str(tmp_path) not in json.dumps(network.provenance)
    assert as_dict(read_over_time(checkpoint).recipe)["data"]["found"]["shape"] == (32,)


def test_folders_may_say_what_the_test_is(tmp_path):
    recordings(tmp_path / "words" / "train")
    recordings(tmp_path / "words" / "test", count=2)
    train, test = shares(recipe(tmp_path, path="words").data)
    assert (len(train), len(test)) == (20, 4)
    refused(tmp_path, "say", path="words", test_share=0.3)
    refused(tmp_path, "has parts of its own", path="words", test="words")
    refused(tmp_path, "has parts of its own", path="words", left_out="x")


def test_the_test_part_is_cut_to_what_the_network_takes(tmp_path):
    groups = np.array(["slow" if k < 10 else "quick" for k in range(40)])
    lengths = [20 if k < 10 else 6 for k in range(40)]
    rng = np.random.default_rng(3)
    parts = [rng.integers(0, 255, (length, 5)).astype(np.uint8) for length in lengths]
    write_sequences(tmp_path / "x.npz", Sequences.of(parts, labels=np.arange(40) % 2, groups=groups))
    said = io.StringIO()
    checkpoint = train(recipe(tmp_path, left_out="slow"), tmp_path / "run", console=Console(file=said, width=120))
    assert "10 of 10 test sequences are cut to the 6 frames that the network takes" in said.getvalue()
    test = read_sequences(tmp_path / "run" / "own.test.npz")
    assert test.lengths.tolist() == [6] * 10
    network, figures = quantize(read_over_time(checkpoint))
    found = forward_sequences(network, test.frames, test.offsets).classes
    assert (found == test.labels).mean() == pytest.approx(figures.accuracy_integer)
    said = io.StringIO()
    show(figures, Console(file=said, width=120))
    assert "10 of these are longer than the network takes" in said.getvalue()


def test_files_that_are_left_alone_change_nothing(tmp_path):
    recordings(tmp_path / "words")
    made = recipe(tmp_path, path="words").data
    (tmp_path / "words" / "no" / "readme.txt").write_text("hi")
    assert len(shares(made)[0]) == 16
    assert recipe(tmp_path, path="words").data.found == made.found


def test_data_that_changed_is_noticed(tmp_path):
    write_sequences(tmp_path / "x.npz", some())
    made = recipe(tmp_path)
    write_sequences(tmp_path / "x.npz", some(seed=5))
    with pytest.raises(UserError, match="has changed since the recipe was read"):
        shares(made.data)
    (tmp_path / "x.npz").unlink()
    with pytest.raises(UserError, match="is not here"):
        shares(made.data)


def refused(folder, words, **data):
    with pytest.raises(UserError) as caught:
        recipe(folder, **data)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"signed": True}, "'data.signed'"),
        ({"pixel_bits": 12}, "'data.pixel_bits'"),
        ({"label": "x"}, "key 'data.label' is not for sequences"),
        ({"range": "minmax"}, "key 'data.range' is not for sequences"),
        ({"size": [2, 2]}, "key 'data.size' is not for sequences"),
        ({"left_out": "a"}, "wants an array 'groups'"),
        ({"left_out": "a", "test": "y.npz"}, "both say what the test is"),
        ({"test": "y.npz", "test_share": 0.2}, "has no place"),
        ({"test": "y.npz"}, "frames of 5 channels are wanted, not of 4"),
        ({"test": "images.npz"}, "must hold sequences as key 'data.path' does"),
        ({"test": "nothing.npz"}, "nothing.npz"),
        ({"test_share": 0.9}, "key 'data.test_share' must hold out at most half"),
        ({"validation": 30}, "key 'data.validation' must hold out at most half of the 32"),
        ({"classes": ["a", "b"]}, "must lie in 0 .. 1"),
        ({"classes": ["a", "b", "a"]}, "of different names"),
        ({"classes": ["a", "b", "c", "d"]}, "class 'd' has nothing to train on"),
        ({"left_out": "a\nb"}, "must be a name that can be printed"),
        ({"path": "frames.npz"}, "offsets"),
        ({"path": "bare.npz"}, "must have an array 'labels'"),
        ({"path": "grouped.npz", "left_out": "z"}, "must be one of several groups, a, b, not 'z'"),
    ],
)
def test_what_is_refused(tmp_path, keys, words):
    write_sequences(tmp_path / "x.npz", some())
    write_sequences(tmp_path / "y.npz", some(channels=4))
    write_sequences(tmp_path / "bare.npz", Sequences(some().frames, some().offsets))
    write_sequences(tmp_path / "grouped.npz", some(groups=np.array(["a", "b"] * 20)))
    np.savez(tmp_path / "frames.npz", frames=some().frames, labels=some().labels)
    np.savez(tmp_path / "images.npz", images=np.zeros((4, 2)), labels=[0, 1, 0, 1])
    refused(tmp_path, words, **keys)


def test_folders_that_are_refused(tmp_path):
    recordings(tmp_path / "words", count=1)
    refused(tmp_path, "has nothing to train on", path="words")
    (tmp_path / "words" / "stray.wav").write_bytes(wav())
    refused(tmp_path, "must lie in the folder of a class", path="words")
    (tmp_path / "words" / "stray.wav").unlink()
    (tmp_path / "words" / "no" / "below").mkdir()
    (tmp_path / "words" / "no" / "below" / "stray.wav").write_bytes(wav())
    refused(tmp_path, "and in none below it", path="words")
    (tmp_path / "words" / "no" / "below" / "stray.wav").unlink()
    (tmp_path / "words" / "train").mkdir()
    refused(tmp_path, "train and test are parts where both are there", path="words")
    (tmp_path / "words" / "train").rmdir()
    (tmp_path / "words" / "maybe").mkdir()
    refused(tmp_path, "there is none in it", path="words")
    (tmp_path / "words" / "maybe" / "broken.wav").write_bytes(b"RIFF")
    refused(tmp_path, "is not a .wav file", path="words")


def test_a_first_layer_that_is_recurrent_is_refused(tmp_path):
    write_sequences(tmp_path / "x.npz", some())
    table = {
        "name": "own",
        "data": {"path": "x.npz", "pixel_bits": 1},
        "layers": [{"neurons": 4, "bits": 4, "neuron": "lif", "recurrent": True}],
        "readout": {"bits": 4},
        "training": {"epochs": 1},
    }
    with pytest.raises(UserError, match="the first layer reads the input, and so nothing of its own"):
        from_dict(table, folder=tmp_path)
