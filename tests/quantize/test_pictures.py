"""Folders of pictures: what each kind becomes, and every line that refuses one."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from s2nn_hw.errors import UserError
from s2nn_hw.quantize.data import pictures
from s2nn_hw.quantize.data.pictures import Form, read_folder, read_pictures
from tests.support.mutations import tried

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
COLOUR = np.arange(36, dtype=np.uint8).reshape(3, 4, 3) * 7


def read(tmp_path, picture, form=None, name="p.png", **options):
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(tmp_path / name, **options)
    return read_pictures([tmp_path / name], form or Form())


@pytest.mark.parametrize("name", ["p.png", "p.bmp", "p.pgm"])
def test_grey(tmp_path, name):
    values, form = read(tmp_path, GREY, name=name)
    assert (values[0] == GREY).all()
    assert form == Form((3, 4), False, 1)


@pytest.mark.parametrize("name", ["p.png", "p.bmp", "p.ppm"])
def test_colour(tmp_path, name):
    values, form = read(tmp_path, COLOUR, name=name)
    assert (values[0] == COLOUR).all()
    assert form.channels == 3
    grey, _ = read(tmp_path, COLOUR, Form(channels=1), name=name)
    assert abs(grey[0].astype(float) - COLOUR @ [0.299, 0.587, 0.114]).max() < 1
    assert (read(tmp_path, GREY, Form(channels=3))[0][0] == GREY[..., None]).all()


def test_jpeg_is_near(tmp_path):
    values, _ = read(tmp_path, np.full((8, 8), 77, np.uint8), name="p.jpg")
    assert abs(values[0].astype(int) - 77).max() <= 2


def test_sixteen_bits_keep_the_upper_eight(tmp_path):
    wide = np.array([[0, 255, 256], [0x1234, 0xFFFF, 0xFF00]], np.uint16)
    values, form = read(tmp_path, wide)
    assert values[0].tolist() == [[0, 0, 1], [0x12, 255, 255]]
    assert form.channels == 1
    assert read(tmp_path, wide, Form(channels=3))[0].shape == (1, 2, 3, 3)


def test_one_bit_and_palettes(tmp_path):
    dots = Image.fromarray(np.array([[0, 255], [255, 0]], np.uint8)).convert("1")
    assert read(tmp_path, dots)[0][0].tolist() == [[0, 255], [255, 0]]
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 200, 100, 50])
    palette.putpixel((1, 0), 1)
    values, form = read(tmp_path, palette)
    assert values[0].tolist() == [[[10, 20, 30], [200, 100, 50]]]
    assert form.channels == 3
    with pytest.raises(UserError, match=r"transparent in parts; key 'data.alpha'"):
        read(tmp_path, palette, transparency=1)
    values, _ = read(tmp_path, palette, Form(alpha="white"), transparency=1)
    assert values[0].tolist() == [[[10, 20, 30], [255, 255, 255]]]


def test_alpha(tmp_path):
    clear = np.dstack([COLOUR, np.full((3, 4), 255, np.uint8)])
    assert (read(tmp_path, clear)[0][0] == COLOUR).all()
    clear[0, 0, 3] = 0
    with pytest.raises(UserError, match=r"p.png is transparent in parts"):
        read(tmp_path, clear)
    assert read(tmp_path, clear, Form(alpha="white"))[0][0, 0, 0].tolist() == [255] * 3
    assert read(tmp_path, clear, Form(alpha="black"))[0][0, 0, 0].tolist() == [0] * 3
    both = Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(np.full((3, 4), 255, np.uint8))])
    values, form = read(tmp_path, both)
    assert (values[0] == GREY).all()
    assert form.channels == 1


def test_sizes(tmp_path):
    for number, size in enumerate([(3, 4), (6, 8)]):
        Image.fromarray(np.full(size, 90, np.uint8)).save(tmp_path / f"{number}.png")
    files = sorted(tmp_path.iterdir())
    with pytest.raises(UserError, match=r"1.png has 6 rows of 8 pixels, 3 of 4 are wanted.*key 'data.size'"):
        read_pictures(files, Form())
    values, _ = read_pictures(files, Form((5, 2), True))
    assert values.shape == (2, 5, 2)
    assert (values == 90).all()


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def bomb(columns, rows):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "can't be decoded"),
        (b"not a picture", "can't be decoded"),
        (bomb(3, 4)[:40], "can't be decoded"),
        (bomb(60_000, 60_000), "says that it has 60,000 x 60,000 pixels|more pixels than anyone decodes"),
        (bomb(1 << 30, 1 << 30), "pixels|can't be decoded"),
        (bomb(0, 4), "can't be decoded"),
        (bomb(100, 100), "can't be decoded"),
    ],
)
def test_pictures_that_are_refused(tmp_path, data, words):
    (tmp_path / "p.png").write_bytes(data)
    with pytest.raises(UserError, match=words) as error:
        read_pictures([tmp_path / "p.png"], Form())
    assert "p.png" in str(error.value)
    assert "\n" not in str(error.value)


def test_damaged_pictures_end_in_one_line(tmp_path):
    Image.fromarray(COLOUR).save(tmp_path / "p.png")
    whole, rng = (tmp_path / "p.png").read_bytes(), np.random.default_rng(0)
    for _ in range(200):
        data = bytearray(whole)
        data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
        (tmp_path / "p.png").write_bytes(data)
        tried(lambda: read_pictures([tmp_path / "p.png"], Form((3, 4), False, 3)))


def test_too_many_bytes_are_refused_before_they_are_decoded(tmp_path, monkeypatch):
    Image.fromarray(GREY).save(tmp_path / "p.png")
    monkeypatch.setattr(pictures, "MAX_BYTES", 20)
    with pytest.raises(UserError, match=r"2 pictures of \(3, 4\) are more than the limit of 20 bytes"):
        read_pictures([tmp_path / "p.png"] * 2, Form())


def make(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def test_folders(tmp_path):
    make(tmp_path / "a", "cat/2.png", "cat/1.JPG", "dog/1.png", "dog/.DS_Store", "Thumbs.db")
    found = read_folder(tmp_path / "a")
    assert [(name, path.name) for name, path in found.train] == [("cat", "1.JPG"), ("cat", "2.png"), ("dog", "1.png")]
    assert found.test is None
    make(tmp_path / "b", "train/cat/1.png", "test/cat/2.png")
    found = read_folder(tmp_path / "b")
    assert (found.train[0][0], found.test[0][1].name) == ("cat", "2.png")
    make(tmp_path / "c", "1.png")
    assert read_folder(tmp_path / "c").train[0][0] is None


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["cat/1.png", "2.png"], "2.png must lie in the folder of a class"),
        (["cat/1.wav"], "1.wav is sound, which is not taken as it is"),
        (["cat/notes.txt"], "notes.txt is no picture"),
        (["cat/.hidden"], "cat is empty"),
        (["cat/deep/1.png"], "deep is no picture"),
    ],
)
def test_folders_that_are_refused(tmp_path, names, words):
    make(tmp_path / "f", *names)
    with pytest.raises(UserError, match=words):
        read_folder(tmp_path / "f")


def test_classes(tmp_path):
    make(tmp_path, "cat/1.png")
    with pytest.raises(UserError, match="two classes or more are wanted, a folder each, not cat alone"):
        pictures.class_names(read_folder(tmp_path).train)
    with pytest.raises(UserError, match=r"1.png must lie in the folder of a class, FOLDER/CLASS/1.png"):
        pictures.class_names(read_folder(tmp_path / "cat").train)
    with pytest.raises(UserError, match="none can't be read: No such file"):
        read_folder(tmp_path / "none")
