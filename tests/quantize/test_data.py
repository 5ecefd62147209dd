import gzip
import struct

import numpy as np
import pytest

from s2nn_hw.errors import UserError
from s2nn_hw.quantize.data import sets

FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


def idx(array):
    return gzip.compress(struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes())


def fill(folder, images, labels):
    folder.mkdir(parents=True)
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(idx(images))
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(idx(labels))


@pytest.mark.parametrize("name", sets.SETS)
def test_samples_are_labelled_images(name):
    images, labels = sets.samples(name)
    count = 100 if name == "cifar10" else 300
    assert (images.shape, labels.shape) == ((count, *sets.SETS[name].shape), (count,))
    assert images.dtype == labels.dtype == np.uint8
    assert set(labels.tolist()) == set(range(len(sets.SETS[name].classes)))
    assert images.max() == 255


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_every_file_has_a_checksum_and_two_mirrors(name):
    info = sets.SETS[name]
    assert tuple(info.checksums) == FILES
    assert all(len(digest) == len("sha256:") + 64 for digest in info.checksums.values())
    assert len(info.mirrors) == 2
    assert len(info.classes) == 10


def test_files_come_from_the_chosen_folder(tmp_path, monkeypatch):
    images = np.arange(10_000 * 784, dtype=np.uint32).astype(np.uint8).reshape(10_000, 28, 28)
    labels = (np.arange(10_000) % 10).astype(np.uint8)
    fill(tmp_path / "mnist", images, labels)
    monkeypatch.setenv(sets.FOLDER_VARIABLE, str(tmp_path))
    came = sets.load("mnist", "test")
    assert np.array_equal(came[0], images)
    assert np.array_equal(came[1], labels)


def test_files_of_the_wrong_count_are_refused(tmp_path, monkeypatch):
    fill(tmp_path / "mnist", np.zeros((3, 28, 28), np.uint8), np.zeros(3, np.uint8))
    monkeypatch.setenv(sets.FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(UserError, match=r"10000 images of \(28, 28\)"):
        sets.load("mnist", "test")


def test_labels_beyond_the_classes_are_refused(tmp_path, monkeypatch):
    fill(tmp_path / "mnist", np.zeros((10_000, 28, 28), np.uint8), np.full(10_000, 10, np.uint8))
    monkeypatch.setenv(sets.FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(UserError, match=r"labels must lie in 0 \.\. 9"):
        sets.load("mnist", "test")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda b: b[:-20], "not a whole gzip"),
        (lambda b: b[:30] + bytes([b[30] ^ 255]) + b[31:], "not a whole gzip"),
        (lambda b: b"<html>", "not a whole gzip"),
        (lambda b: b"", "not an IDX file"),
        (lambda b: gzip.compress(b"\0\0\x08"), "not an IDX file"),
        (lambda b: gzip.compress(b"\0\0\x0d\x03" + gzip.decompress(b)[4:]), "not an IDX file"),
        (lambda b: gzip.compress(gzip.decompress(b)[:-5]), "must hold 8 bytes"),
        (lambda b: gzip.compress(gzip.decompress(b)[:4] + b"\xff" * 12), "must hold"),
    ],
)
def test_damaged_files_are_named(tmp_path, damage, words):
    path = tmp_path / "images.gz"
    path.write_bytes(damage(idx(np.arange(8, dtype=np.uint8).reshape(2, 2, 2))))
    with pytest.raises(UserError, match=words) as error:
        sets.read_idx(path, 3)
    assert str(path) in str(error.value)


def test_missing_files_are_downloaded_checked_and_kept(tmp_path, monkeypatch):
    import pooch
    import requests

    asked = []

    def retrieve(url, known_hash, fname, path, downloader):
        asked.append(url)
        assert known_hash == sets.SETS["mnist"].checksums[fname]
        if url.startswith(sets.SETS["mnist"].mirrors[0]):
            raise requests.ConnectionError("mirror is down")
        (path / fname).write_bytes(b"whole")

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    monkeypatch.setenv(sets.FOLDER_VARIABLE, str(tmp_path / "new"))
    path = sets.file_of(sets.SETS["mnist"], FILES[0])
    assert path.read_bytes() == b"whole"
    assert asked == [mirror + FILES[0] for mirror in sets.SETS["mnist"].mirrors]
    sets.file_of(sets.SETS["mnist"], FILES[0])
    assert len(asked) == 2


def test_download_that_fails_everywhere_says_where_to_put_the_file(tmp_path, monkeypatch):
    import pooch

    def retrieve(*args, **options):
        raise ValueError("SHA256 hash of downloaded file does not match")

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    monkeypatch.setenv(sets.FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(UserError, match=r"can't be downloaded .*S2NN_DATA"):
        sets.load("fashion-mnist", "train")


def test_unknown_sets_are_refused():
    with pytest.raises(UserError, match="known: mnist, fashion-mnist"):
        sets.load("imagenet", "test")
