"""Files of strangers and places that can't be written: one line, names as they are, nothing half-written."""

import io
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from s2nn_hw.cli import main
from s2nn_hw.compiled import private_folder
from s2nn_hw.errors import MOST_SAID, UserError, listed, one_line, quoted, readable
from s2nn_hw.files import read_bytes, read_npy, write_bytes
from s2nn_hw.network.labels import checked_labels
from s2nn_hw.network.network import Network
from s2nn_hw.network.store import save
from s2nn_hw.quantize.data.cifar10 import eight_bits
from s2nn_hw.quantize.recipe import from_dict, load_recipe
from s2nn_hw.terminal import terminal
from s2nn_hw.texts import parse_json, read_json, read_toml
from tests.support.networks import random_images, random_network

ROOT = Path(__file__).parents[2]


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["s2nn-hw", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            main.main()
        streams = capsys.readouterr()
        return stop.value.code, streams.out, streams.err

    return call


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 100_000, "nested deeper than 32 levels"),
        ("[" * 40 + "]" * 40, "nested deeper than 32 levels"),
        ('{"a": 1, "b": 2, "a": 3}', "key 'a' is there twice"),
        ('{"a": NaN}', "NaN is no JSON number"),
        ("[1e999]", "'1e999' is too large a number"),
        ("[" + "9" * 5000 + "]", "is too large a number"),
        ("[9223372036854775808]", "is too large a number"),
        ('["\\ud800"]', "half a character"),
        ('{"\\udfff": 1}', "half a character"),
        (b"\xff", "is not JSON"),
        ("", "is not JSON"),
    ],
)
def test_json_that_is_refused(text, words):
    with pytest.raises(UserError, match=words) as error:
        parse_json(text, "thing")
    assert len(str(error.value)) < 300


def test_json_that_is_taken():
    assert parse_json("[" * 31 + "1" + "]" * 31, "thing")
    value = parse_json('{"a": [1, -9223372036854775807, 1e300, "\\ud83d\\ude00", null, true]}', "x")
    assert value["a"][3] == "\U0001f600"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a." * 8000 + "b = 1", "a dotted key of more than 16 parts"),
        ("x = 1\n[" + "'a b' . " * 9000 + "b]", "has .* bytes|a dotted key of more than 16 parts"),
        ("a = " + "[" * 30_000, "nested deeper than 32 levels"),
        ("a = " + "9" * 5000, "a number of thousands of digits"),
        ("a = 1\na = 2", "is not TOML"),
        ("a = 10000000000000000000", "is too large a number"),
        ("x" * 70_000, "more than the limit of 65,536"),
    ],
)
def test_toml_that_is_refused(tmp_path, text, words):
    (tmp_path / "r.toml").write_text(text)
    start = time.monotonic()
    with pytest.raises(UserError, match=words) as error:
        read_toml(tmp_path / "r.toml", what="recipe")
    assert time.monotonic() - start < 10  # the dotted keys took as long
    assert len(str(error.value)) < 300 + len(str(tmp_path))


def header(text, *, version=b"\x01\x00", data=bytes(5)):
    return b"\x93NUMPY" + version + len(text).to_bytes(2 if version[0] == 1 else 4, "little") + text + data


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (header(b"{'descr': ('|u1',), 'fortran_order': False, 'shape': (5,)}"), "does not name one plain type"),
        (header(b"{'descr': '|O', 'fortran_order': False, 'shape': (5,)}"), "values of type '|O'"),
        (header(b"{'descr': '<i3', 'fortran_order': False, 'shape': (5,)}"), "type '<i3' is unknown"),
        (header(b"{'descr': '|u1', 'descr': '|u1', 'shape': (5,)}"), "does not name one plain type"),
        (header(b"{'descr': '|u1', 'fortran_order': False, 'shape': (6,)}"), "6 bytes wanted .* 5 came"),
        (header(b"{'descr': '|u1', 'fortran_order': False, 'shape': (4,)}"), "4 bytes wanted .* 5 came"),
        (header(b"{'descr': '|u1', 'fortran_order': False, 'shape': (5)}"), "its shape is no tuple"),
        (header(b"{'descr': '|u1', 'fortran_order': False, 'shape': (-5,)}"), "does not name one plain type"),
        (header(b"{'descr': '|u1', 'fortran_order': False, 'shape': (" + b"1," * 40 + b")}"), "its shape"),
        (header(b"{'descr': '|u1', 'fortran_order': False, 'shape': (9999999999,9999999999)}"), "beyond the limit"),
        (header(b"(" * 9000), "does not name one plain type"),
        (header(b"x", version=b"\x09\x00"), "format version"),
        (b"\x93NUMPY\x01\x00\xff\xff{", "cut off or too long"),
        (b"", "it is empty"),
        (b"hello", "does not begin like one"),
    ],
)
def test_arrays_that_are_refused(tmp_path, content, words):
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(UserError, match=words) as error:
        read_npy(tmp_path / "x.npy")
    assert str(tmp_path / "x.npy") in str(error.value)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 5), np.uint8),
        np.array(3.5),
        np.arange(3, dtype=">i4"),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.array([True, False]),
        np.arange(4, dtype=np.float16),
        np.zeros((1, 2, 3, 4), np.uint8),
    ],
)
def test_arrays_come_back(tmp_path, array):
    np.save(tmp_path / "x.npy", array)
    came = read_npy(tmp_path / "x.npy")
    assert came.shape == array.shape
    assert came.dtype == array.dtype
    assert came.tolist() == array.tolist()


def test_folders_and_devices_are_no_files(tmp_path):
    with pytest.raises(UserError, match="is a folder, not a file"):
        read_npy(tmp_path)
    with pytest.raises(UserError, match="is a folder, not a file"):
        read_json(tmp_path, what="plan")
    (tmp_path / "long").write_bytes(bytes(101))
    with pytest.raises(UserError, match="101 bytes, more than the limit of 100"):
        read_bytes(tmp_path / "long", what="recipe", limit=100)
    with pytest.raises(UserError, match="recipe /dev/zero is no plain file"):
        read_bytes("/dev/zero", what="recipe", limit=100)
    with pytest.raises(UserError, match="is no plain file"):
        read_npy("/dev/zero")


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.arange(1, 9), r"must lie in 0 .. 7, not 1 .. 8; classes count from 0, subtract 1"),
        (np.arange(8.0), r"must be 8 integers, not float64 of shape \(8,\)"),
        (np.arange(7), r"of shape \(7,\)"),
        (np.full(8, np.nan), "must be 8 integers"),
        (np.array(list("abcdefgh")), "must be 8 integers, not <U1"),
        (np.arange(8) > 3, "not bool"),
        (np.arange(8) - 1, "not -1 .. 6"),
        (np.zeros((8, 1), int), r"\(8, 1\)"),
    ],
)
@pytest.mark.parametrize("name", ["verify", "report", "explore"])
def test_labels_are_checked_by_every_command(command, tmp_path, labels, words, name):
    with pytest.raises(UserError, match=words):
        checked_labels(labels, 8, 8)
    network = random_network((6, 8))
    save(network, tmp_path / "n.s2nn")
    np.save(tmp_path / "x.npy", random_images(network, 8))
    np.save(tmp_path / "y.npy", labels)
    more = ["-b", "ulx3s"] if name == "explore" else []
    code, _, err = command(name, "n.s2nn", "--images", "x.npy", "--labels", "y.npy", *more)
    assert code == 2
    assert "labels y.npy" in err
    assert len(err.splitlines()) == 1


def test_names_of_others_are_printed_as_they_are(command, tmp_path, capsys):
    made = random_network((6, 2))
    odd = Network("n", made.input, made.layers, ("[/x]", "[red]b :smile:"))
    folder = tmp_path / "run [2024] [b]"
    folder.mkdir()
    save(odd, folder / "n.s2nn")
    np.save(folder / "x.npy", random_images(odd, 4))
    code, out, err = command("inspect", folder / "n.s2nn")
    assert code == 0, err
    assert "classes [/x], [red]b :smile:" in out
    code, out, err = command("report", folder / "n.s2nn", "--images", folder / "x.npy", "-o", folder / "r.json")
    assert code == 0, err
    assert f"report: {folder / 'r.json'}" in out
    terminal().print("\x1b[2J[b]\ud800\u202e.")
    assert capsys.readouterr().out == "\\x1b[2J[b]\\ud800\\u202e.\n"


def test_messages_are_cut():
    assert len(quoted("x" * 10_000)) < 100
    assert quoted([[[[[[1]]]]]]) == "[[[[...]]]]"
    assert listed(range(100)) == "0, 1, 2, 3, 4, 5, 6, 7 and 92 more"
    assert readable("a\x1b[2J\x85\u2028b\n") == "a\\x1b[2J\\x85\\u2028b\n"
    assert len(one_line("x" * 100_000)) < MOST_SAID + 10


def test_a_recipe_that_no_circuit_could_have_is_refused_when_it_is_read(tmp_path):
    text = (
        'name = "p"\n[data]\nset = "mnist"\npixel_bits = 1\n[[layers]]\n{}\n[readout]\nbits = 4\n'
        "[training]\nepochs = 1\n"
    )
    for layer, words in [
        ('kind = "conv"\nchannels = 4\nkernel = 1\npadding = 1\nbits = 3', "layer conv1: padding must be .* not 1"),
        ("neurons = 65536\nbits = 3\n[[layers]]\nneurons = 65536\nbits = 3", "hidden2: with it the tables have more"),
        ('kind = "conv"\nchannels = 65536\nkernel = 1\nbits = 3', "layer readout: with it the tables have more than"),
    ]:
        (tmp_path / "r.toml").write_text(text.format(layer))
        with pytest.raises(UserError, match=words):
            load_recipe(tmp_path / "r.toml")
    with pytest.raises(UserError, match=r"keys 'data.pixel_bits', 'layers', 'readout', 'training' are missing"):
        from_dict({"name": "x", "data": {"set": "mnist"}})


def test_grey_pictures_of_16_bits_keep_their_upper_eight():
    values = np.array([[0, 255, 256, 40_000], [65_535, 32_768, 1, 512]], np.uint16)
    content = io.BytesIO()
    Image.fromarray(values).save(content, "PNG")
    with Image.open(content) as picture:
        came = eight_bits(picture)
    assert (came == (values >> 8)[..., None]).all()
    assert came.shape == (2, 4, 3)


def test_a_full_disk_is_one_line(tmp_path):
    """A limit of a file's size stands for the disk: training ends in one line and leaves no temporary file."""
    program = (
        "import resource, sys, torch; from pathlib import Path; from s2nn_hw.quantize import train as t; "
        "from s2nn_hw.quantize.recipe import from_dict; from s2nn_hw.errors import UserError\n"
        "recipe = from_dict({'name': 'x', 'data': {'set': 'magic', 'pixel_bits': 1}, "
        "'layers': [{'neurons': 200, 'bits': 2}], 'readout': {'bits': 2}, 'training': {'epochs': 1}})\n"
        "pixels, labels = torch.zeros(64, 10, dtype=torch.uint8), torch.zeros(64).long()\n"
        "t._split = lambda recipe, device: t.Parts(*[(pixels, labels)] * 3)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try: t.train(recipe, Path('out'))\n"
        "except UserError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == "out/state.pt can't be written: File too large"
    assert list((tmp_path / "out").iterdir()) == []


def test_writing_where_there_is_no_room_leaves_nothing(tmp_path):
    with pytest.raises(UserError, match=r"folder .* does not exist"):
        write_bytes(tmp_path / "none" / "x", b"1")
    write_bytes(tmp_path / "x", b"12")
    assert (tmp_path / "x").read_bytes() == b"12"


def test_compiled_code_goes_elsewhere_where_neither_home_nor_checkout_can_be_written(tmp_path):
    """A file where numba wants its cache folder stands for a folder that can't be written, for root too."""
    shutil.copytree(ROOT / "s2nn_hw", tmp_path / "s2nn_hw", ignore=shutil.ignore_patterns("__pycache__"))
    for folder in (tmp_path / "s2nn_hw", tmp_path / "s2nn_hw" / "cycles", tmp_path / "s2nn_hw" / "circuit" / "unroll"):
        (folder / "__pycache__").touch()
    (tmp_path / "temporary").mkdir()
    (tmp_path / "s2nn_hw" / "small.py").write_text(
        "from .compiled import njit\n\n@njit()\ndef twice(x):\n    return 2 * x\n"
    )
    program = (
        "import s2nn_hw, s2nn_hw.cycles.recurrences; "
        "from s2nn_hw.circuit.unroll import chains, compress, search; "
        "from s2nn_hw.small import twice; print(s2nn_hw.__file__, twice(21))"
    )
    environment = os.environ | {
        "PYTHONPATH": str(tmp_path),
        "HOME": "/dev/null",
        "XDG_CACHE_HOME": "/dev/null",
        "TMPDIR": str(tmp_path / "temporary"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }

    def run():
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False, env=environment
        )
        assert done.stdout == f"{tmp_path / 's2nn_hw' / '__init__.py'} 42\n", done.stderr

    run()
    (private,) = (tmp_path / "temporary").glob("s2nn-hw-*")
    assert private.stat().st_mode & 0o777 == 0o700
    assert list(private.rglob("*.nbi"))
    private.chmod(0o777)  # others could put code there: not used, and still no traceback
    run()


def test_a_folder_that_others_can_write_is_not_private(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert private_folder() is not None
    private_folder().chmod(0o755)
    assert private_folder() is None
