"""Commands on the user's own files: classes by name, accuracy, and what a command without data says."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from s2nn_hw.network.layer import Input
from s2nn_hw.network.scaling import Scaling
from s2nn_hw.network.store import load, save
from tests.support.commands import refused
from tests.support.networks import random_images, random_network
from tests.support.own_data import FEATURES, bars, recipe_text, two_classes, write_csv, write_folder

DATA = {"title": "two.csv", "sha256": "ab" * 32}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A network of a table and one of pictures, and files for both."""
    monkeypatch.chdir(tmp_path)
    values, labels = two_classes(40)
    write_csv("two.csv", values, labels)
    table = random_network((4, 9, 2), input_bits=4, name="two")
    scaling = Scaling.of_range(values.min(axis=0), values.max(axis=0), 0, 15, [0, 0, 0, 1])
    reading = DATA | {"kind": "table", "features": list(FEATURES), "label": "kind"}
    save(
        replace(table, input=Input((4,), 4, scaling=scaling), classes=("bad", "good"), provenance={"data": reading}),
        "two.s2nn",
    )
    write_folder(tmp_path / "bars", *bars(20))
    pictures = random_network((42, 9, 2), input_bits=4, name="bars")
    save(
        replace(
            pictures,
            input=Input((7, 6), 4),
            classes=("column", "row"),
            provenance={"data": DATA | {"kind": "folder", "title": "bars"}},
        ),
        "bars.s2nn",
    )
    return tmp_path


def golden(command, *words):
    code, out, err = command("golden", *words, "-o", "out.npz", "--json")
    assert code == 0, err
    with np.load("out.npz") as arrays:
        return json.loads(out), arrays["class"]


def test_golden_names_classes(place, command):
    code, out, _ = command("golden", "two.s2nn", "--images", "two.csv", "-o", "out.npz")
    assert code == 0
    with np.load("out.npz") as arrays:
        counts = np.bincount(arrays["class"], minlength=2)
    for name, count in zip(("bad", "good"), counts, strict=True):
        assert (f"{name}: {count}" in out) == bool(count)
    assert "accuracy" in out


def test_a_table_in_any_form_gives_the_same(place, command):
    network, (values, labels) = load("two.s2nn"), two_classes(40)
    wanted = network.forward(values).classes
    right = float((wanted == labels).mean())
    np.save("x.npy", values)
    np.save("y.npy", labels)
    np.savez("a.npz", images=values.astype(np.float64), labels=labels)
    np.savez("b.npz", test_images=values, test_labels=np.array(["bad", "good"])[labels])
    np.savez("c.npz", images=values, labels=1 - labels, classes=["good", "bad"])
    order = [3, 0, 2, 1]
    lines = [line.split(",") for line in (place / "two.csv").read_text().split()]
    (place / "turned.csv").write_text("\n".join(",".join([row[4], *(row[n] for n in order)]) for row in lines))
    for words in (["two.csv"], ["turned.csv"], ["a.npz"], ["b.npz"], ["c.npz"], ["x.npy", "--labels", "y.npy"]):
        said, classes = golden(command, "two.s2nn", "--images", *words)
        assert (classes == wanted).all()
        assert said["accuracy"] == pytest.approx(right)
        assert said["images"] == 40
    assert golden(command, "two.s2nn", "--images", "x.npy")[0]["accuracy"] is None
    np.savez("d.npz", images=values, labels=labels, split=[0] * 30 + [1] * 10)
    assert (golden(command, "two.s2nn", "--images", "d.npz")[1] == wanted[30:]).all()


def test_tables_without_labels_and_with_missing_values(place, command):
    (place / "m.csv").write_text("noise,length,width,ratio\n,1,2,0.3\n1,1,2,0.3\n")
    said, classes = golden(command, "two.s2nn", "--images", "m.csv")
    assert said["accuracy"] is None
    assert classes[0] == classes[1]


def test_pictures_in_any_form_give_the_same(place, command):
    network, (images, labels) = load("bars.s2nn"), bars(20)
    said, classes = golden(command, "bars.s2nn", "--images", "bars")
    order = np.argsort(np.array(["row", "column"])[labels], kind="stable")
    assert (classes == network.forward(images[order]).classes).all()
    assert said["accuracy"] == pytest.approx((classes == (labels == 0)[order]).mean())
    one = place / "bars" / "row" / "000.png"
    assert golden(command, "bars.s2nn", "--images", one)[1].tolist() == [classes[10]]
    flat = golden(command, "bars.s2nn", "--images", place / "bars" / "row")
    assert (flat[1] == classes[10:]).all()
    assert flat[0]["accuracy"] is None


def test_a_table_of_integers_for_a_network_without_a_record(place, command):
    network = random_network((4, 9, 2), name="plain")
    save(network, "plain.s2nn")
    images = random_images(network, 6)
    (place / "i.csv").write_text("a,b,c,d,label\n" + "".join(f"{','.join(map(str, row))},1\n" for row in images))
    said, classes = golden(command, "plain.s2nn", "--images", "i.csv")
    assert (classes == network.forward(images).classes).all()
    assert said["accuracy"] == pytest.approx(float(classes.mean()))
    words = "i.csv must hold integers: the network records no offset"
    (place / "i.csv").write_text("a,b,c,d\n1,2,3,4.5\n")
    refused(command("golden", "plain.s2nn", "--images", "i.csv", "-o", "o.npz"), words)


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (("two.s2nn", "bars"), ("bars are pictures, and the network takes [4] values",)),
        (("bars.s2nn", "two.csv"), ("two.csv line 2, column 'kind': a number is wanted",)),
        (("two.s2nn", "none.csv"), ("table none.csv does not exist",)),
        (("two.s2nn", "none.npz"), ("images none.npz does not exist",)),
        (("two.s2nn", "less.csv"), ("less.csv has no column 'ratio' (a feature); it has length, width",)),
        (("two.s2nn", "text.csv"), ("text.csv line 3, column 'width': a number is wanted, not 'wide'",)),
        (("two.s2nn", "strange.csv"), ("column 'kind': label 'ugly' is of no class; the classes are bad, good",)),
        (("two.s2nn", "big.npz"), ("beyond the limit",)),
        (("two.s2nn", "inf.npy"), ("value 1 of frame 0 is not finite",)),
        (("bars.s2nn", "other"), ("folder other: label 'dot' is of no class",)),
        (("bars.s2nn", "wide"), ("has 9 rows of 6 pixels, 7 of 6 are wanted",)),
        (("bars.s2nn", "broken"), ("picture broken/row/1.png can't be decoded",)),
        (("bars.s2nn", "sound.wav"), ("sound.wav is sound, which is not taken as it is",)),
    ],
)
def test_files_that_are_refused(place, command, words, texts):
    (place / "less.csv").write_text("length,width\n1,2\n")
    (place / "text.csv").write_text(f"{','.join(FEATURES)}\n1,2,3,4\n1,wide,3,4\n")
    (place / "strange.csv").write_text(f"{','.join(FEATURES)},kind\n1,2,3,4,ugly\n")
    np.save("inf.npy", np.array([[0, np.inf, 0, 0]]))
    write_folder(place / "other", *bars(4), names=("row", "dot"))
    write_folder(place / "wide", *bars(4, size=(9, 6)))
    write_folder(place / "broken", *bars(2))
    (place / "broken" / "row" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    (place / "sound.wav").write_bytes(b"RIFF")
    _huge(place / "big.npz")
    result = command("golden", words[0], "--images", words[1], "-o", "o.npz")
    refused(result)
    assert any(part in result[2] for text in texts for part in text.split("|")), result[2]
    assert not (place / "o.npz").exists()


def _huge(path):
    """An archive whose array says that it has 2^40 values."""
    import zipfile

    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627, 1000), }"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head)


def test_commands_without_data_say_what_is_wanted(place, command):
    for words in (("verify",), ("report",), ("plan", "--board", "ulx3s"), ("selftest", "--simulate")):
        name, *rest = words
        refused(
            command(name, "two.s2nn", *rest),
            "network two.s2nn was trained on own data, two.csv (abababababab): give --images, a table with columns "
            "length, width, ratio, noise, or the .test.npz",
        )
    refused(command("verify", "bars.s2nn"), "give --images, a folder of pictures")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"kind": 3}, "provenance.data"),
        ({"sha256": "ab"}, "provenance.data"),
        ({"separator": ";;"}, "provenance.data"),
        ({"alpha": "pink"}, "alpha must be black or white"),
        ({"title": "a" * 300}, "provenance.data"),
    ],
)
def test_provenance_that_is_no_reading(place, command, change, text):
    network = load("bars.s2nn")
    save(replace(network, provenance={"data": network.provenance["data"] | change}), "odd.s2nn")
    refused(command("golden", "odd.s2nn", "--images", "bars", "-o", "o.npz"), text)


def test_the_other_commands_take_raw_values(place, command):
    code, out, err = command("plan", "two.s2nn", "--board", "ulx3s", "--images", "two.csv")
    assert code == 0, err
    assert "two.csv" in out
    code, out, err = command("report", "two.s2nn", "--images", "two.csv", "-o", "r.json")
    assert code == 0, err
    report = json.loads((place / "r.json").read_text())
    assert report["network"]["data_set"] == "two.csv (abababababab)"
    wanted = golden(command, "two.s2nn", "--images", "two.csv")[0]["accuracy"]
    assert report["accuracy"]["value"] == pytest.approx(wanted, abs=1e-3)
    code, out, err = command("verify", "two.s2nn", "--images", "two.csv", "--limit", "10")
    assert code == 0, err
    assert "equal the golden model" in out
    code, out, err = command("simulate", "two.s2nn", "--images", "two.csv", "-o", "s.npz")
    assert code == 0, err
    with np.load("s.npz") as arrays:
        assert (arrays["class"] == golden(command, "two.s2nn", "--images", "two.csv")[1]).all()


def test_inspect_tells_of_raw_values(place, command):
    assert "4 pixels of 4 bits from raw values by 4 offsets" in command("inspect", "two.s2nn")[1]
    assert json.loads(command("inspect", "two.s2nn", "--json")[1])["input"]["offsets"] == 4
    assert "offset" not in command("inspect", "bars.s2nn")[1]


def test_a_self_test_of_raw_values(place, command):
    code, _, err = command("selftest", "two.s2nn", "--simulate", "--images", "two.csv", "--vectors", "8")
    assert code == 0, err


def test_convert_takes_own_data(place, command):
    (place / "own.toml").write_text(recipe_text({"path": '"two.csv"', "label": '"kind"'}, epochs=2))
    words = ("--work", "work", "--steps", "3", "--epochs", "0")
    code, out, err = command("convert", "own.toml", "-o", "own.s2nn", *words)
    assert code == 0, err
    assert "next: s2nn-hw verify own.s2nn --images work/own.test.npz" in out
    assert load("own.s2nn").input.scaling is not None
    assert golden(command, "own.s2nn", "--images", "work/own.test.npz")[0]["images"] == 8


def test_train_and_quantize_as_documented(place, command):
    (place / "own.toml").write_text(recipe_text({"path": '"two.csv"', "label": '"kind"'}, epochs=2))
    code, out, err = command("train", "own.toml", "-o", "run")
    assert code == 0, err
    assert "class" in out
    code, out, err = command("quantize", "run/own.safetensors", "-o", "own.s2nn")
    assert code == 0, err
    assert "next: s2nn-hw verify own.s2nn --images run/own.test.npz" in out
    assert golden(command, "own.s2nn", "--images", "run/own.test.npz")[0]["images"] == 8
    (place / "own.toml").write_text(recipe_text({"path": '"two.csv"', "label": '"nothing"'}))
    refused(command("train", "own.toml", "-o", "run2"), "own.toml: table", "has no column 'nothing' (the labels)")
    assert not (place / "run2").exists()


def test_sixteen_bit_and_palette_pictures_enter_as_documented(place, command):
    network = load("bars.s2nn")
    wide = (np.arange(42).reshape(7, 6) * 1500).astype(np.uint16)
    Image.fromarray(wide).save("wide.png")
    _, classes = golden(command, "bars.s2nn", "--images", "wide.png")
    assert classes.tolist() == network.forward((wide >> 8).astype(np.uint8)[None]).classes.tolist()
