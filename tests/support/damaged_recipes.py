"""Damaged recipes in TOML, and whether one that was taken says what was read."""

import tomllib

from s2nn_hw.quantize.recipe import as_dict, from_dict, load_recipe
from tests.support.damage import Wrong, bent, pick


class Recipes:
    """Training recipes in TOML."""

    TEXT = """name = "tiny"
[data]
set = "mnist"
pixel_bits = 2
[[layers]]
kind = "conv"
channels = 4
kernel = 3
bits = 3
pool = 2
[[layers]]
neurons = 12
bits = 4
fan_in = 6
[readout]
bits = 3
average = 1
[training]
epochs = 2
learning_rate = 1e-3
[weights]
flatten = "channel-row-column"
input_scale = 1.0
input_mean = [0.5]
"""
    ODD = (
        "0",
        "-1",
        "7",
        "1e999",
        "nan",
        "9" * 5000,
        "true",
        '""',
        '"x"',
        "[]",
        "[1]",
        "[" * 400,
        "1979-05-27",
        "{a = 1}",
        '"\\u001b[2J"',
        "65536",
        "65537",
        "100000",
        "'input'",
        "[0.1, nan]",
        "0x10",
        '["input", "conv1"]',
    )

    KEYS = ("stride", "padding", "groups", "window", "seed", "shortcut", "x y", "neurons")

    def __init__(self, folder):
        pass

    def draw(self, rng):
        if rng.random() < 0.3:
            return bent(self.TEXT.encode(), rng)
        lines = self.TEXT.splitlines()
        for _ in range(int(rng.choice([1, 1, 2]))):
            at = int(rng.integers(len(lines)))
            what = rng.choice(["value", "value", "value", "drop", "double", "rename", "add", "long"])
            if what == "value" and "=" in lines[at]:
                lines[at] = f"{lines[at].split('=')[0]}= {pick(self.ODD, rng)}"
            elif what == "drop" and len(lines) > 1:
                del lines[at]
            elif what == "double":
                lines.insert(at, lines[int(rng.integers(len(lines)))])
            elif what == "rename":
                lines[at] = "x" + lines[at]
            elif what == "add":
                lines.insert(at, f"{pick(self.KEYS, rng)} = {pick(self.ODD, rng)}")
            else:
                lines.insert(
                    at,
                    pick(
                        [
                            "a." * 3000 + "b = 1",
                            "[" + "a." * 3000 + "b]",
                            "x = " + "{a = " * 300,
                            "# " + "x" * 70_000,
                            "'a' . " * 900 + "b = 1",
                        ],
                        rng,
                    ),
                )
        return "\n".join(lines).encode()

    def accepted(self, path):
        recipe, said = load_recipe(path), tomllib.loads(path.read_text())
        if from_dict(as_dict(recipe)) != recipe or not self.within(said, as_dict(recipe)):
            raise Wrong("a recipe says something that was not read")

    def within(self, said, read):
        if isinstance(said, dict):
            return all(key in read and self.within(value, read[key]) for key, value in said.items() if value != {})
        if isinstance(said, list) and isinstance(read, list | tuple):
            return len(said) == len(read) and all(map(self.within, said, read))
        return said == read
