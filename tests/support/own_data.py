"""Small data as users have it: a table of two classes, folders of pictures, arrays; and recipes for them."""

import csv

import numpy as np
from PIL import Image

NAMES = ("bad", "good")
FEATURES = ("length", "width", "ratio", "noise")


def two_classes(count=240, seed=0):
    """Return features ``(count, 4)`` of very different ranges, and labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    return rng.normal(size=(count, 4)) * [1, 10, 0.1, 3] + labels[:, None] * [3, -25, 0.3, 0], labels


def write_csv(path, values, labels, names=NAMES, separator=","):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, delimiter=separator)
        writer.writerow([*FEATURES, "kind"])
        writer.writerows([*map(repr, row), names[label]] for row, label in zip(values.tolist(), labels, strict=True))


def bars(count=60, size=(7, 6), seed=0, channels=1):
    """Return uint8 pictures of one light row (class 0) or column (class 1), and labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    images = rng.integers(0, 60, (count, *size, *([3] if channels == 3 else [])))
    for image, label in zip(images, labels, strict=True):
        place = rng.integers(0, size[label])
        image[place if label == 0 else slice(None), slice(None) if label == 0 else place] += 150
    return images.astype(np.uint8), labels


def write_folder(folder, images, labels, names=("row", "column"), suffix=".png"):
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        place = folder / names[label]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{number:03}{suffix}")


def recipe_text(keys, *, bits=4, layers="[[layers]]\nneurons = 12\nbits = 4\n", epochs=8):
    lines = "\n".join(f"{key} = {value}" for key, value in keys.items())
    return (
        f"[data]\npixel_bits = {bits}\n{lines}\n{layers}[readout]\nbits = 4\n"
        f"[training]\nepochs = {epochs}\nbatch = 16\nlearning_rate = 0.02\n"
    )
