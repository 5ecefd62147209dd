"""CIFAR-10 in its four forms, made small here; damaged ones are refused by name."""

import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from s2nn_hw.errors import UserError
from s2nn_hw.quantize.data import cifar10, sets


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    monkeypatch.setattr(cifar10, "RECORDS", 4)
    monkeypatch.setenv(sets.FOLDER_VARIABLE, str(tmp_path / "data"))
    monkeypatch.setattr(sets, "cache", lambda: tmp_path / "cache")
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def binary(seed):
    """Four records, and the images and labels in them."""
    draw = np.random.default_rng(seed)
    images, labels = draw.integers(0, 256, (4, 32, 32, 3), np.uint8), draw.integers(0, 10, 4, np.uint8)
    planes = images.transpose(0, 3, 1, 2).reshape(4, -1)
    return np.concatenate([labels[:, None], planes], axis=1).tobytes(), images, labels


def picture(value, kind="PNG", size=(32, 32)):
    file = io.BytesIO()
    Image.new("RGB", size, (value, 2 * value, 3 * value)).save(file, kind)
    return file.getvalue()


def archive(path, members, mode="w:xz"):
    """Write ``members``, a dict from name to bytes (None: a link to /etc/passwd), to the tar file ``path``."""
    with tarfile.open(path, mode) as file:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            if content is None:
                entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
            else:
                entry.size = len(content)
            file.addfile(entry, io.BytesIO(content or b""))


def pictures(split, kind="JPEG", suffix="jpg"):
    """Two pictures of each class: their names and bytes."""
    return {
        f"{split}/{name}/{n}.{suffix}": picture(4 * label + n, kind)
        for label, name in enumerate(cifar10.CLASSES)
        for n in (1, 0)
    }


def test_binary_files_are_read_in_their_order(small):
    (small / cifar10.BATCHES).mkdir()
    parts = [binary(n) for n in range(6)]
    for name, part in zip((*cifar10.FILES["train"], *cifar10.FILES["test"]), parts, strict=True):
        (small / cifar10.BATCHES / name).write_bytes(part[0])
    images, labels = sets.load("cifar10", "train")
    assert np.array_equal(images, np.concatenate([part[1] for part in parts[:5]]))
    assert np.array_equal(labels, np.concatenate([part[2] for part in parts[:5]]))
    assert np.array_equal(sets.load("cifar10", "test")[0], parts[5][1])
    assert sets.title("cifar10") == "CIFAR-10"
    assert sets.present("cifar10", "test")


def test_binary_archive_is_read_without_unpacking(small):
    part = binary(0)
    archive(small / cifar10.ARCHIVE, {f"{cifar10.BATCHES}/test_batch.bin": part[0], "../evil.bin": b"x"}, "w:gz")
    images, labels = sets.load("cifar10", "test")
    assert np.array_equal(images, part[1])
    assert np.array_equal(labels, part[2])
    assert [p.name for p in small.iterdir()] == [cifar10.ARCHIVE]
    with pytest.raises(UserError, match=r"must hold cifar-10-batches-bin/data_batch_1\.bin"):
        sets.load("cifar10", "train")


def test_picture_archive_is_decoded_once_and_called_jpeg(small, monkeypatch):
    archive(small / cifar10.JPEG, pictures("train") | pictures("test") | {"README.md": b"x", "train/dog/9.jpg": None})
    images, labels = sets.load("cifar10", "train")
    assert (images.shape, images.dtype) == ((20, 32, 32, 3), np.uint8)
    assert np.bincount(labels).tolist() == [2] * 10
    assert (abs(images[:, 5, 5, 0].astype(int) - 4 * labels) <= 5).all()  # JPEG moves colours a little
    assert sets.title("cifar10") == "CIFAR-10 (JPEG)"
    monkeypatch.setattr(cifar10, "pictures", None)
    again = sets.load("cifar10", "train")
    assert np.array_equal(images, again[0])
    assert np.array_equal(labels, again[1])


def test_a_damaged_cache_is_made_anew(small, tmp_path):
    archive(small / cifar10.JPEG, pictures("test"))
    images, _ = sets.load("cifar10", "test")
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_bytes(kept.read_bytes()[:100])
    assert np.array_equal(sets.load("cifar10", "test")[0], images)


def test_a_cache_that_can_not_be_written_is_done_without(small, tmp_path):
    archive(small / cifar10.JPEG, pictures("test"))
    (tmp_path / "cache").write_bytes(b"a file is in the way")
    assert len(sets.load("cifar10", "test")[0]) == 20


@pytest.mark.parametrize(("kind", "suffix", "title"), [("PNG", "png", "CIFAR-10"), ("JPEG", "jpg", "CIFAR-10 (JPEG)")])
def test_folder_of_pictures(small, kind, suffix, title):
    for name, content in pictures("test", kind, suffix).items():
        path = small / cifar10.FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    images, labels = sets.load("cifar10", "test")
    assert len(images) == 20
    assert sets.title("cifar10") == title
    if kind == "PNG":
        assert set(images[:, 0, 0, 0].tolist()) == {4 * label + n for label in range(10) for n in (0, 1)}
        assert (images[:, 3, 4, 2] // 3 // 4 == labels).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda m: m.update({"test/dog/1.jpg": picture(1, size=(33, 32))}),
            "test/?.*dog/1.jpg must be a whole 32 x 32",
        ),
        (lambda m: m.update({"test/dog/1.jpg": b"GIF89a"}), "dog/1.jpg must be a whole"),
        (lambda m: m.update({"test/dog/1.jpg": m["test/dog/1.jpg"][:300]}), "dog/1.jpg must be a whole"),
        (lambda m: m.update({"test/wolf/1.jpg": picture(1)}), "class folders must be among airplane, .*not 'wolf'"),
        (lambda m: m.update({"test/dog/1.jpg": bytes(cifar10.LARGEST_PICTURE + 1)}), "must be at most 1,048,576 bytes"),
        (lambda m: [m.pop(name) for name in list(m) if "/ship/" in name], "must hold pictures of all of"),
    ],
)
def test_bad_pictures_are_named(small, change, words):
    members = pictures("test")
    change(members)
    archive(small / cifar10.JPEG, members)
    with pytest.raises(UserError, match=words) as error:
        sets.load("cifar10", "test")
    assert cifar10.JPEG in str(error.value)


@pytest.mark.parametrize("name", [cifar10.JPEG, cifar10.ARCHIVE])
def test_truncated_archives_are_named(small, name):
    members = pictures("test") if name == cifar10.JPEG else {f"{cifar10.BATCHES}/test_batch.bin": binary(0)[0]}
    archive(small / name, members, "w:xz" if name == cifar10.JPEG else "w:gz")
    whole = (small / name).read_bytes()
    for content in (whole[: len(whole) // 2], b"<html>", b""):
        (small / name).write_bytes(content)
        with pytest.raises(UserError, match="is not a whole archive"):
            sets.load("cifar10", "test")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda b: b[:-1], "must hold 12,292 bytes, not 12,291"),
        (lambda b: b"\x0a" + b[1:], r"labels must lie in 0 \.\. 9, not reach 10"),
    ],
)
def test_bad_binary_files_are_named(small, content, words):
    (small / cifar10.BATCHES).mkdir()
    (small / cifar10.BATCHES / "test_batch.bin").write_bytes(content(binary(0)[0]))
    with pytest.raises(UserError, match=words) as error:
        sets.load("cifar10", "test")
    assert "test_batch.bin" in str(error.value)


def test_a_missing_binary_file_is_named(small):
    (small / cifar10.BATCHES).mkdir()
    with pytest.raises(UserError, match=r"test_batch\.bin can't be read"):
        sets.load("cifar10", "test")


def test_absent_files_are_downloaded_with_the_public_checksum(small, monkeypatch):
    import pooch

    def retrieve(url, known_hash, fname, path, downloader):
        assert known_hash == "md5:c32a1d4ab5d03f1284b67883e8d87530"
        archive(path / fname, {f"{cifar10.BATCHES}/test_batch.bin": binary(0)[0]}, "w:gz")

    assert not sets.present("cifar10", "test")
    monkeypatch.setattr(pooch, "retrieve", retrieve)
    assert len(sets.load("cifar10", "test")[0]) == 4
