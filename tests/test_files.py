"""Files read whole, and arrays in ``.npz`` files: judged by their headers before they are unpacked."""

import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from s2nn_hw import files
from s2nn_hw.errors import UserError
from s2nn_hw.files import npz_names, read_bytes, read_npz

X = np.arange(12, dtype=np.int16).reshape(3, 4)


def test_arrays_that_are_asked_for(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", x=X, turned=np.asfortranarray(X), names=["a", "bc"], odd=np.array([{}]))
    path = tmp_path / "a.npz"
    found = read_npz(path, ("x", "turned", "names", "none"), texts=("names",))
    assert set(found) == {"x", "turned", "names"}
    assert (found["x"] == X).all()
    assert (found["turned"] == X).all()
    assert found["names"].tolist() == ["a", "bc"]
    assert npz_names(path) == ["x", "turned", "names", "odd"]
    np.savez(tmp_path / "b.npz", empty=np.zeros((0, 5), np.float32))
    assert read_npz(tmp_path / "b.npz", ["empty"])["empty"].shape == (0, 5)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("names",), r"'names' is no array of numbers \(it holds values of type '<U2'\)$"),
        (("x", "odd"), r"'odd' is no array of numbers \(it holds values of type"),
        (("x", "more"), "it holds x, names, odd"),
    ],
)
def test_arrays_that_are_refused(tmp_path, names, words):
    np.savez(tmp_path / "a.npz", x=X, names=["a", "bc"], odd=np.array([{}]))
    with pytest.raises(UserError, match=words):
        read_npz(tmp_path / "a.npz", names, needed=names)


def test_what_is_too_large_is_not_unpacked(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros(10_000), y=np.zeros(3))
    assert (tmp_path / "a.npz").stat().st_size < 2000
    for limit, words in ((79_999, "'x.npy' of .10000,. is beyond the limit of 79,999"), (80_023, "'y.npy' of .3,. is")):
        monkeypatch.setattr(files, "MAX_ARRAY_BYTES", limit)
        with pytest.raises(UserError, match=words):
            read_npz(tmp_path / "a.npz", ("x", "y"))


def head(shape, kind="<f8"):
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (head((1 << 33, 9)), "beyond the limit"),
        (head((3,)), "has 0 bytes for"),
        (head((1,)) + bytes(9), "has 9 bytes for"),
        (head((1,), "<U5"), "values of type"),
        (b"", "it is empty"),
        (b"PK", "does not begin like one"),
    ],
)
def test_members_that_lie(tmp_path, content, words):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", content)
    with pytest.raises(UserError, match=words):
        read_npz(tmp_path / "a.npz", ["x"])


def test_archives_that_are_none(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"nothing")
    for read in (npz_names, lambda path: read_npz(path, ["x"])):
        with pytest.raises(UserError, match=r"is not a .npz file"):
            read(tmp_path / "a.npz")
        with pytest.raises(UserError, match=r"b.npz does not exist; .* holds a.npz"):
            read(tmp_path / "b.npz")
        with pytest.raises(UserError, match="is no plain file"):
            read(tmp_path)
    with zipfile.ZipFile(tmp_path / "c.npz", "w") as archive:
        archive.writestr("x.npy", head((1,)) + bytes(8))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("x.npy", head((1,)) + bytes(8))
    with pytest.raises(UserError, match="two of its arrays have one name"):
        read_npz(tmp_path / "c.npz", ["x"])


def test_no_more_is_asked_for_than_a_file_has(tmp_path):
    path = tmp_path / "small"
    path.write_bytes(bytes(1000))
    tracemalloc.start()
    try:
        assert len(read_bytes(path, what="data", limit=1 << 40)) == 1000
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    with pytest.raises(UserError, match="1,000 bytes, more than the limit of 999"):
        read_bytes(path, what="data", limit=999)


def test_files_that_say_they_are_empty():
    """Those of /proc do."""
    place = Path("/proc/self/status")
    if not place.is_file():
        pytest.skip("no /proc here")
    assert read_bytes(place, what="data").startswith(b"Name:")
    with pytest.raises(UserError, match="11 bytes, more than the limit of 10"):
        read_bytes(place, what="data", limit=10)
