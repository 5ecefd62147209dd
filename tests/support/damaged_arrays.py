"""Damaged ``.npy`` files of images and of labels, and whether one that was taken is what numpy reads."""

import struct

import numpy as np

from s2nn_hw.files import read_npy
from s2nn_hw.network.labels import checked_labels
from tests.support.damage import Wrong, bent, pick


class Arrays:
    """``.npy`` files of images."""

    what = "images"

    def __init__(self, folder):
        rng = np.random.default_rng(1)
        self.files = []
        for number, array in enumerate(self.arrays(rng)):
            path = folder / f"{type(self).__name__}{number}.npy"
            np.save(path, array, allow_pickle=True)
            self.files.append(path.read_bytes())

    def arrays(self, rng):
        pixels = rng.integers(0, 256, (5, 4, 4), np.uint8)
        return [
            pixels,
            np.asfortranarray(pixels[:, :2, :3]),
            rng.random((4, 3)),
            np.zeros((0, 3), np.uint8),
            np.array([{}, {}], object),
            np.array(["a", "b"]),
            np.zeros(3, [("a", "u1"), ("b", "f4")]),
        ]

    def draw(self, rng):
        data = pick(self.files, rng)
        if rng.random() < 0.3:
            return bent(data, rng)
        end = 10 + int.from_bytes(data[8:10], "little")
        head = data[10:end]
        if rng.random() < 0.5:
            words = [b"'descr'", b"'shape'", b"False", b"(", b")", b"{", b"|u1", b"'", b",", b"1", b"5"]
            others = [
                b"('|u1',)",
                b"True",
                b"None",
                b"-1",
                b"9999999999999",
                b"'<U3'",
                b"'O'",
                b"[",
                b"__import__('os')",
                b"(" * 200,
                b"-" * 5000,
                b"u1",
                b"'<i3'",
                b"'V8'",
                b"1e5",
                b"",
            ]
            head = head.replace(pick(words, rng), pick(others, rng), 1)
        else:
            head = bent(head, rng)
        return data[:8] + struct.pack("<H", len(head) % 65536) + head + data[end:]

    def accepted(self, path):
        array = read_npy(path, what=self.what)
        with open(path, "rb") as file:
            wanted = np.load(file, allow_pickle=False)
            behind = file.read()
        if (
            behind
            or array.shape != wanted.shape
            or array.dtype != wanted.dtype
            or (np.array(array).tobytes() != wanted.tobytes())
        ):
            raise Wrong("an array is not what numpy reads, or more lies behind it")
        return array


class Labels(Arrays):
    """``.npy`` files of six labels below 8."""

    what = "labels"

    def arrays(self, rng):
        return [
            np.arange(6),
            np.arange(1, 7),
            np.arange(3, 9),
            np.array([0, 1, np.nan, 2, 3, 4]),
            np.array(list("abcdef")),
            np.arange(6) - 1,
            np.zeros((6, 1), int),
            np.arange(6, dtype=np.uint8),
            np.arange(6) > 2,
            np.arange(5),
            np.array([0, 1, 2, 3, 4, 2**63], np.uint64),
        ]

    def draw(self, rng):
        return pick(self.files, rng) if rng.random() < 0.3 else super().draw(rng)

    def accepted(self, path):
        array = super().accepted(path)
        labels = checked_labels(array, 6, 8, f"labels {path}")
        if array.dtype.kind not in "iu" or labels.tolist() != array.tolist() or not {*labels.tolist()} <= {*range(8)}:
            raise Wrong("labels that are no classes were accepted")
