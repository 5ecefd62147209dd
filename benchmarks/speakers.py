"""Spoken digits of a speaker whom training has not heard: the recipe of ``digits-lprnn``, by rates alone, trained once
for each of the six, all of that one's recordings the test.

Trainings are kept in the output folder: an interrupted run goes on, and one that is done is not done again.
"""

import dataclasses
from pathlib import Path

from rich.console import Console

from benchmarks.frame import Row, Setting

TITLE = "spoken digits, integers, a speaker left out of training"
RECIPE = Path(__file__).parents[1] / "models" / "digits-lprnn.toml"
MEAN = 80.0  # %
BATCH = 32  # instead of the recipe's: the better one in benchmarks speaker-pairs


def run(setting: Setting) -> list[Row]:
    """Return a row a speaker and the mean."""
    from s2nn_hw.quantize.data.fsdd import SPEAKERS

    rows = [row for speaker in SPEAKERS for row in _left_out(speaker, setting.output / "speakers")]
    shares = [row.measured for row in rows if row.unit == "%"]
    return [*rows, Row("mean", sum(shares) / len(shares), "%", MEAN, "figure to reach", better="higher", binding=True)]


def _left_out(speaker: str, folder: Path) -> list[Row]:
    """Return the accuracy of integers on the recordings of ``speaker``, and their events."""
    from s2nn_hw.quantize.recipe import load_recipe
    from s2nn_hw.quantize.sequences.checkpoint import read_over_time
    from s2nn_hw.quantize.sequences.summary import quantize
    from s2nn_hw.quantize.train import train

    recipe = load_recipe(RECIPE)
    recipe = dataclasses.replace(
        recipe,
        name=f"{recipe.name}-{speaker}",
        data=dataclasses.replace(recipe.data, left_out=speaker),
        training=dataclasses.replace(recipe.training, batch=BATCH),
        sequence=dataclasses.replace(recipe.sequence, exact_from=1.0),
    )
    checkpoint = read_over_time(train(recipe, folder / speaker, console=Console(stderr=True)))
    assert checkpoint is not None  # it is of sequences
    figures = quantize(checkpoint)[1]
    return [
        Row(f"{speaker}: {figures.sequences} recordings", 100 * figures.accuracy_integer, "%"),
        Row(f"{speaker}: events", figures.events, ""),
    ]
