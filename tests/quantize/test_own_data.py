"""Data of the user's in recipes: parts, labels, ranges, what is refused; and from file to classes and back."""

import dataclasses
import io
import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import torch
from rich.console import Console

from s2nn_hw.errors import UserError
from s2nn_hw.explore.variants import make_variant
from s2nn_hw.network.layer import Input
from s2nn_hw.network.scaling import Scaling
from s2nn_hw.network.store import load, save
from s2nn_hw.quantize.check import read_check
from s2nn_hw.quantize.checkpoint import read_checkpoint
from s2nn_hw.quantize.data import own, source
from s2nn_hw.quantize.data.images import Taker, read_frames
from s2nn_hw.quantize.data.own_files import digest_of
from s2nn_hw.quantize.data.reading import Reading
from s2nn_hw.quantize.model import encode
from s2nn_hw.quantize.recipe import as_dict, from_dict, load_recipe
from s2nn_hw.quantize.summary import quantize
from s2nn_hw.quantize.train import train
from tests.support.own_data import FEATURES, bars, recipe_text, two_classes, write_csv, write_folder

CONV = '[[layers]]\nkind = "conv"\nchannels = 6\nkernel = 3\nbits = 4\n'


def recipe(tmp_path, keys, **options):
    (tmp_path / "own.toml").write_text(recipe_text(keys, **options))
    return load_recipe(tmp_path / "own.toml")


def refused(tmp_path, keys, words, **options):
    with pytest.raises(UserError, match=words) as error:
        recipe(tmp_path, keys, **options)
    assert "\n" not in str(error.value)


def as_table(tmp_path):
    values, labels = two_classes()
    write_csv(tmp_path / "two.csv", values, labels)
    return {"path": '"two.csv"', "label": '"kind"'}


def as_parquet(tmp_path):
    values, labels = two_classes()
    columns = {name: values[:, n] for n, name in enumerate(FEATURES)} | {"kind": np.array(["bad", "good"])[labels]}
    parquet.write_table(pa.table(columns), tmp_path / "two.parquet")
    return {"path": '"two.parquet"', "label": '"kind"', "range": '"percentile"'}


def as_arrays(tmp_path):
    values, labels = two_classes()
    np.savez(tmp_path / "two.npz", images=values.astype(np.float32), labels=labels, classes=["bad", "good"])
    return {"path": '"two.npz"'}


def as_bytes(tmp_path):
    images, labels = bars()
    np.savez(
        tmp_path / "bars.npz",
        train_images=images[:40],
        train_labels=labels[:40],
        test_images=images[40:],
        test_labels=labels[40:],
    )
    return {"path": '"bars.npz"'}


def as_folder(tmp_path):
    write_folder(tmp_path / "bars", *bars())
    return {"path": '"bars"'}


def as_colours(tmp_path):
    write_folder(tmp_path / "colours", *bars(160, channels=3))
    return {"path": '"colours"', "range": '"minmax"', "size": "[6, 5]"}


KINDS = {f.__name__: f for f in (as_table, as_parquet, as_arrays, as_bytes, as_folder, as_colours)}


@pytest.mark.parametrize("kind", KINDS)
def test_from_a_file_to_classes_and_back(tmp_path, kind):
    """Train, quantize, save, load: the file itself gives the float model's classes, and the test's accuracy."""
    conv = kind in ("as_bytes", "as_colours")
    found = recipe(tmp_path, KINDS[kind](tmp_path), layers=CONV if conv else "[[layers]]\nneurons = 12\nbits = 4\n")
    console = Console(file=io.StringIO())
    path = train(found, tmp_path / "run", console=console)
    checkpoint = read_checkpoint(path)
    network, figures = quantize(checkpoint)
    save(network, tmp_path / "own.s2nn")
    network = load(tmp_path / "own.s2nn")
    assert network.digest == figures.digest
    assert network.classes == source.classes(found.data)
    assert figures.accuracy_integer > 0.8
    values, labels, _ = read_frames(tmp_path / found.data.path, Taker.of(network))
    classes = network.forward(values).classes
    codes = torch.tensor(source.codes(found.data, values))
    with torch.inference_mode():
        theirs = checkpoint.model(encode(codes, found.data.pixel_bits)).argmax(dim=1).numpy()
    assert (classes == theirs).mean() > 0.99  # a sum may meet its threshold to within rounding
    assert (classes == labels).mean() > 0.8
    kept, wanted, _ = read_frames(tmp_path / "run" / "own.test.npz", Taker.of(network))
    assert (network.forward(kept).classes == wanted).mean() == pytest.approx(figures.accuracy_integer)
    assert (source.codes(found.data, kept) >> 4 == network.encode(kept).reshape(kept.shape)).all()
    said = network.provenance["data"]
    assert said["title"] == found.data.path.rpartition("/")[2]
    assert len(said["sha256"]) == 64
    assert str(tmp_path) not in json.dumps(network.provenance)
    log = json.loads((tmp_path / "run" / "own.log.json").read_text())
    assert log["classes"]["classes"] == list(network.classes)
    assert sum(log["classes"]["test"]) == len(kept)
    assert "share" in console.file.getvalue()


def test_a_recipe_says_what_was_found_and_stands_without_its_data(tmp_path):
    found = recipe(tmp_path, as_table(tmp_path) | {"missing": '"mean"'})
    table = json.loads(json.dumps(as_dict(found)))
    assert from_dict(table) == found
    (tmp_path / "two.csv").unlink()
    assert from_dict(table) == found
    with pytest.raises(UserError, match=r"two.csv of the recipe is not here: put it there again \(SHA-256"):
        source.raw(found.data, "test")
    write_csv(tmp_path / "two.csv", *two_classes(seed=1))
    with pytest.raises(UserError, match=r"two.csv has changed since the recipe was read"):
        source.raw(found.data, "test")
    del table["data"]["found"]
    with pytest.raises(UserError, match=r"key 'data.found', what the data held, is missing"):
        from_dict(table)


def test_recipes_of_known_sets_are_as_before(tmp_path):
    (tmp_path / "own.toml").write_text(recipe_text({"set": '"mnist"'}))
    assert as_dict(load_recipe(tmp_path / "own.toml"))["data"] == {"set": "mnist", "pixel_bits": 4, "validation": 0}


def test_shares_are_stratified_and_repeatable(tmp_path):
    images = np.arange(100, dtype=np.uint8)[:, None]
    np.savez(tmp_path / "x.npz", images=np.hstack([images, images]), labels=(np.arange(100) >= 80).astype(int))
    keys = {"path": '"x.npz"', "test_share": 0.25}
    found = recipe(tmp_path, keys)
    train_part, test_part = (source.raw(found.data, part) for part in ("train", "test"))
    assert np.bincount(test_part[1]).tolist() == [20, 5]
    assert sorted(np.concatenate([train_part[0], test_part[0]])[:, 0].tolist()) == list(range(100))
    assert ((train_part[0][:, 0] >= 80) == train_part[1]).all()
    assert (np.diff(train_part[0][:, 0].astype(int)) < 0).any()  # not in the order of the file
    again, other = recipe(tmp_path, keys), recipe(tmp_path, keys | {"seed": 1})
    assert (source.raw(again.data, "test")[0] == test_part[0]).all()
    assert (source.raw(other.data, "test")[0] != test_part[0]).any()


def test_given_parts(tmp_path):
    values, labels = two_classes(40)
    words = np.array(["train", "test"])[(np.arange(40) % 4 == 0).astype(int)]
    np.savez(tmp_path / "a.npz", images=values, labels=labels, split=words)
    np.savez(tmp_path / "b.npz", images=values, labels=np.array(["x", "y"])[labels], split=(words == "test") * 1)
    for name, names in (("a", ("0", "1")), ("b", ("x", "y"))):
        found = recipe(tmp_path, {"path": f'"{name}.npz"'})
        assert source.classes(found.data) == names
        assert sorted(source.raw(found.data, "test")[0][:, 0]) == sorted(values[::4, 0])
    write_csv(tmp_path / "train.csv", values[:30], labels[:30])
    write_csv(tmp_path / "test.csv", values[30:], labels[30:])
    found = recipe(tmp_path, {"path": '"train.csv"', "test": '"test.csv"', "label": '"kind"'})
    assert len(source.raw(found.data, "test")[0]) == 10
    text = (tmp_path / "train.csv").read_text().splitlines()
    parts = ["part", *(["train", "test"] * 15)]
    (tmp_path / "s.csv").write_text("\n".join(f"{line},{word}" for line, word in zip(text, parts, strict=True)))
    found = recipe(tmp_path, {"path": '"s.csv"', "label": '"kind"', "split": '"part"'})
    assert source.shape(found.data) == (4,)
    assert len(source.raw(found.data, "test")[0]) == 15
    taker = Taker(
        Input((4,), 4, scaling=Scaling(np.zeros(1), np.ones(1))), source.classes(found.data), Reading.of(found.data)
    )
    taken, theirs, _ = read_frames(tmp_path / "s.csv", taker)
    wanted = zip(*(array.tolist() for array in source.raw(found.data, "test")), strict=True)
    assert sorted(zip(taken.tolist(), theirs.tolist(), strict=True)) == sorted(wanted)
    assert len(read_frames(tmp_path / "train.csv", taker)[0]) == 30  # without the column all rows are new
    (tmp_path / "only.csv").write_text("\n".join((tmp_path / "s.csv").read_text().splitlines()[:2]))
    (tmp_path / "new.csv").write_text((tmp_path / "s.csv").read_text().replace("train", "test"))
    assert len(read_frames(tmp_path / "new.csv", taker)[0]) == 30
    with pytest.raises(UserError, match="column 'part': no row is for the test"):
        read_frames(tmp_path / "only.csv", taker)
    images, labels = bars()
    write_folder(tmp_path / "f" / "train", images[:50], labels[:50])
    write_folder(tmp_path / "f" / "test", images[50:], labels[50:])
    found = recipe(tmp_path, {"path": '"f"'})
    assert [len(source.raw(found.data, part)[0]) for part in ("train", "test")] == [50, 10]


def test_ranges_are_those_of_training_alone(tmp_path):
    values, labels = np.array([[0.0, 5], [4, 5], [2, 5], [100, -100]]), np.array([0, 1, 0, 1])
    np.savez(tmp_path / "x.npz", images=values, labels=labels, split=[0, 0, 0, 1])
    found = recipe(tmp_path, {"path": '"x.npz"'}).data.found
    assert (found.low, found.high) == ((0, 5), (4, 5))
    assert own.constant(recipe(tmp_path, {"path": '"x.npz"'}).data) == ["2"]
    given = recipe(tmp_path, {"path": '"x.npz"', "range": "[-1, 1]", "missing": 7}).data
    assert (given.found.low, given.found.high, given.found.missing) == ((-1, -1), (1, 1), (7, 7))
    assert source.codes(given, values)[:2].tolist() == [[128, 240], [240, 240]]
    rng = np.random.default_rng(0)
    images = rng.normal(size=(200, 3, 4, 2)) * [1, 50]
    np.savez(tmp_path / "y.npz", images=images, labels=np.arange(200) % 2, split=np.arange(200) % 2 * 0)
    refused(tmp_path, {"path": '"y.npz"'}, "no image in it")
    np.savez(tmp_path / "y.npz", images=images, labels=np.arange(200) % 2)
    data = recipe(tmp_path, {"path": '"y.npz"', "range": '"percentile"'}).data
    shown = source.raw(data, "train")[0].reshape(-1, 2)
    assert data.found.low == tuple(np.percentile(shown, 1, axis=0))
    assert data.found.high == tuple(np.percentile(shown, 99, axis=0))
    np.savez(tmp_path / "z.npz", images=images[..., 0], labels=np.arange(200) % 2)
    assert len(recipe(tmp_path, {"path": '"z.npz"'}).data.found.low) == 1


def test_missing_values(tmp_path):
    text = "a,b,k\n1,2,x\n3,,y\n5,4,x\n?,6,y\n"
    (tmp_path / "m.csv").write_text(text)
    keys = {"path": '"m.csv"', "label": '"k"', "test": '"m.csv"'}
    refused(tmp_path, keys, r"line 3, column 'b': the value is missing \(2 in all\); key 'data.missing'")
    data = recipe(tmp_path, keys | {"missing": '"mean"'}).data
    assert data.found.missing == (3, 4)
    assert (data.found.low, data.found.high) == ((1, 2), (5, 6))
    values = source.raw(data, "train")[0]
    order = np.argsort(values[:, 0])  # NaN last
    assert (source.codes(data, values)[order] >> 4).tolist() == [[0, 0], [8, 8], [15, 8], [8, 15]]
    assert recipe(tmp_path, keys | {"missing": -9}).data.found.missing == (-9, -9)
    np.savez(tmp_path / "m.npz", images=np.array([[1.0, np.nan]] * 8), labels=np.arange(8) % 2)
    refused(tmp_path, {"path": '"m.npz"'}, "m.npz: 6 values are missing; key 'data.missing' fills them")
    refused(tmp_path, {"path": '"m.npz"', "missing": '"mean"'}, "feature 2 has no value at all")


def test_classes(tmp_path):
    text = "a,k\n" + "\n".join(f"{n},{word}" for n, word in enumerate(["10", "9", "2"] * 4))
    (tmp_path / "c.csv").write_text(text)
    keys = {"path": '"c.csv"', "label": '"k"'}
    assert source.classes(recipe(tmp_path, keys).data) == ("2", "9", "10")
    given = recipe(tmp_path, keys | {"classes": '["10", "9", "2"]'})
    assert source.classes(given.data) == ("10", "9", "2")
    refused(tmp_path, keys | {"classes": '["10", "9"]'}, "label '2' is of no class; the classes are 10, 9")
    refused(tmp_path, keys | {"classes": '["10", "9", "2", "x"]'}, "class 'x' has nothing to train on|one image")
    refused(tmp_path, keys | {"classes": '["1", "1"]'}, "2 to 4,096 classes of different names")


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        (
            {"images": np.zeros((4, 2)), "labels": [1, 2, 1, 2]},
            r"labels must be 0 .. 2, and 0 .*; classes count from 0",
        ),
        ({"images": np.zeros((4, 2)), "labels": [0, 2, 0, 2]}, "and 1 is of no image; give names"),
        ({"images": np.zeros((4, 2)), "labels": [0, -1, 0, 1]}, "labels must lie in 0"),
        ({"images": np.zeros((4, 2)), "labels": [0, 10**9, 0, 1]}, "labels must lie in 0"),
        ({"images": np.zeros((4, 2)), "labels": [0.0, 1, 0, 1]}, "labels must be integers or texts"),
        ({"images": np.zeros((4, 2)), "labels": [0, 1, 0]}, "4 images and 3 labels"),
        ({"images": np.zeros((0, 2)), "labels": np.zeros(0, int)}, "there is no image in it"),
        ({"images": np.zeros((4, 2)), "labels": [0, 0, 0, 0]}, "2 to 4,096 classes"),
        ({"images": np.zeros((4, 2)), "labels": [0, 1, 1, 1]}, "class '0' has one image"),
        ({"images": np.zeros(4), "labels": [0, 1, 0, 1]}, "must be numbers"),
        ({"images": np.zeros((4, 0)), "labels": [0, 1, 0, 1]}, "must be numbers"),
        ({"images": np.zeros((4, 2), complex), "labels": [0, 1, 0, 1]}, "must be numbers"),
        ({"images": np.full((4, 2), np.inf), "labels": [0, 1, 0, 1]}, "holds infinities"),
        ({"images": np.zeros((4, 300, 300)), "labels": [0, 1, 0, 1]}, "more than 65,536 pixels"),
        ({"images": np.zeros((4, 2))}, "with an array 'images'|labels"),
        ({"labels": [0, 1]}, "must have arrays 'images' and 'labels'"),
        ({"frames": np.zeros((4, 2), np.uint8), "offsets": [0, 4]}, "x.npz must have an array 'labels'"),
        ({"train_images": np.zeros((4, 2)), "train_labels": [0, 1, 0, 1], "images": 1}, "not both"),
        ({"images": np.zeros((4, 2)), "labels": ["a", "b"] * 2, "split": ["x"] * 4}, "must be train or test"),
        ({"images": np.zeros((4, 2)), "labels": ["a", "b"] * 2, "split": [0]}, "array 'split' must say train or test"),
        ({"images": np.zeros((4, 2)), "labels": [0, 1, 2, 0], "classes": ["a", "b"]}, "as there are 2 classes"),
        ({"images": np.zeros((4, 2)), "labels": [0, 1] * 2, "classes": [1, 2]}, "'classes' must be a list of texts"),
        ({"images": np.zeros((4, 2)), "labels": np.array([None] * 4)}, "values of type"),
    ],
)
def test_arrays_that_are_refused(tmp_path, arrays, words):
    np.savez(tmp_path / "x.npz", **arrays)
    refused(tmp_path, {"path": '"x.npz"'}, words)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"set": '"mnist"'}, "'data.set' is missing, or 'data.path'"),
        ({"path": '"none.csv"'}, "none.csv does not exist|key 'data.label'"),
        ({"path": '"none.xyz"'}, "must be a folder of pictures by class, a .npz file or a table.*nothing of this name"),
        ({"path": '"none.wav"'}, "is sound, which is not taken as it is"),
        ({"label": '"nothing"'}, "has no column 'nothing'"),
        ({"columns": '["length", "kind"]'}, "must not name the column of labels"),
        ({"columns": '["length", "length"]'}, "each once"),
        ({"columns": "[]"}, "key 'data.columns' must be a list of texts"),
        ({"columns": '["length", "what"]'}, "has no column 'what'"),
        ({"separator": '";;"'}, "key 'data.separator' must be one character"),
        ({"separator": '";"'}, "has no column|fields"),
        ({"range": '"all"'}, "key 'data.range' must be minmax, percentile or two numbers, not 'all'"),
        ({"range": "[3, 1]"}, "key 'data.range' must be two numbers that rise"),
        ({"range": "[1, 2, 3]"}, "key 'data.range' must be two numbers"),
        ({"range": '["a", "b"]'}, "key 'data.range' must be a list of numbers"),
        ({"missing": '"median"'}, "key 'data.missing' must be mean or a number"),
        ({"size": "[4, 4]"}, "key 'data.size' is for a folder of pictures, and .*two.csv is a table"),
        ({"channels": 1}, "key 'data.channels' is for a folder of pictures"),
        ({"channels": 2}, "key 'data.channels' must be one of 1, 3"),
        ({"test_share": 2}, "key 'data.test_share' must lie in"),
        ({"test": '"two.csv"', "test_share": 0.5}, "key 'data.test_share' has no place"),
        ({"test": '"two.csv"', "split": '"kind"'}, "key 'data.test' does not go with 'data.split'"),
        ({"split": '"noise"'}, "must be train or test"),
        ({"validation": 1000}, "key 'data.validation' must be below the 192 images"),
        ({"found": '{ kind = "table" }'}, "key 'data.found' says other things than"),
        ({"nonsense": 1}, "key 'data.nonsense' is unknown"),
    ],
)
def test_recipes_that_are_refused(tmp_path, keys, words):
    refused(tmp_path, as_table(tmp_path) | keys, words)


@pytest.mark.parametrize("key", ["label", "columns", "range", "missing", "classes", "test", "test_share", "size"])
def test_known_sets_take_no_keys_of_own_data(tmp_path, key):
    value = {"columns": '["a"]', "classes": '["a"]', "test_share": 0.5, "size": "[2, 2]"}.get(key, '"mean"')
    refused(tmp_path, {"set": '"mnist"', key: value}, f"key 'data.{key}' is for your own data")


def test_folders_in_recipes(tmp_path):
    images, labels = bars(size=(5, 4))
    write_folder(tmp_path / "f", images, labels)
    assert source.shape(recipe(tmp_path, {"path": '"f"'}).data) == (5, 4)
    data = recipe(tmp_path, {"path": '"f"', "channels": 3, "size": "[3, 2]"}).data
    assert source.shape(data) == (3, 2, 3)
    assert source.scaling(data) is None
    refused(tmp_path, {"path": '"f"', "label": '"x"'}, "key 'data.label' is for a table")
    refused(tmp_path, {"path": '"f"', "size": "[3]"}, "key 'data.size' must be rows and columns")
    refused(tmp_path, {"path": '"f"', "size": "[3.5, 2.0]"}, "key 'data.size' must be a list of integers")
    write_folder(tmp_path / "g" / "train", images, labels)
    write_folder(tmp_path / "g" / "test", images, labels, names=("row", "other"))
    refused(tmp_path, {"path": '"g"'}, "'other' is no class of .*train")


def test_uneven_classes_are_told(tmp_path):
    images = np.zeros((100, 3), np.uint8)
    np.savez(tmp_path / "x.npz", images=images, labels=(np.arange(100) >= 90).astype(int), classes=["many", "few"])
    console = Console(file=io.StringIO(), width=200)
    train(recipe(tmp_path, {"path": '"x.npz"'}, epochs=1), tmp_path / "run", console=console)
    said = console.file.getvalue()
    assert re.search(r"many +72 +90.0 % +18 +90.0 %", said)
    assert "class many has 9.0 times the training examples of class few" in said
    assert "right for 90.00 % of the test" in said


def test_checks_of_the_owners_outputs_take_raw_values(tmp_path):
    found = recipe(tmp_path, as_table(tmp_path))
    checkpoint = read_checkpoint(train(found, tmp_path / "run", console=Console(file=io.StringIO())))
    values = source.raw(found.data, "train")[0]
    np.save(tmp_path / "x.npy", values)
    with torch.inference_mode():
        scores = checkpoint.model(encode(torch.tensor(source.codes(found.data, values)), 4))
    np.save(tmp_path / "out.npy", scores.numpy())
    pair = read_check(tmp_path / "x.npy", tmp_path / "out.npy", found)
    assert pair[0].dtype == np.uint8
    assert quantize(checkpoint, check=pair)[1].check.float_share == 1
    np.save(tmp_path / "x.npy", values.astype(complex))
    with pytest.raises(UserError, match="must be numbers"):
        read_check(tmp_path / "x.npy", tmp_path / "out.npy", found)


def test_fewer_bits_of_a_network_and_of_a_recipe(tmp_path):
    found = recipe(tmp_path, as_table(tmp_path))
    values = source.raw(found.data, "train")[0]
    network, _ = quantize(read_checkpoint(train(found, tmp_path / "run", console=Console(file=io.StringIO()))))
    coarse = make_variant(network, input_bits=2, calibration=values)
    assert (coarse.encode(values) == network.encode(values) >> 2).all()
    same = np.asarray(coarse.forward(values).classes) == np.asarray(network.forward(values).classes)
    assert same.mean() > 0.8
    data = dataclasses.replace(found.data, pixel_bits=1)
    assert set(np.unique(source.codes(data, values)).tolist()) == {0, 128}


def test_digests_are_those_of_sha256sum(tmp_path):
    import hashlib

    (tmp_path / "a").mkdir()
    for name in ("a/2", "a/1", "a/.DS_Store"):
        (tmp_path / name).write_bytes(name.encode())
    lines = "".join(f"{hashlib.sha256(f'a/{n}'.encode()).hexdigest()}  {n}\n" for n in (1, 2))
    assert digest_of([tmp_path / "a" / "1"]) == hashlib.sha256(b"a/1").hexdigest()
    assert digest_of([tmp_path / "a"]) == hashlib.sha256(lines.encode()).hexdigest()
