"""Time to first spike: accuracy and spikes of the shipped networks, and what spikes are worth: the penalty swept.

The curve: the recipe of ``mnist-ttfs`` in short, trained anew for each penalty (kept in the output folder), as integers
on the test images. Without the data sets the networks are measured on the shipped samples, and there is no curve.
"""

import dataclasses
from pathlib import Path

import numpy as np

from benchmarks.frame import Row, Setting
from s2nn_hw.network.network import Network
from s2nn_hw.network.store import load
from s2nn_hw.quantize.checkpoint import read_checkpoint
from s2nn_hw.quantize.data.sets import load as load_set
from s2nn_hw.quantize.data.sets import present, samples
from s2nn_hw.quantize.recipe import load_recipe
from s2nn_hw.quantize.summary import integer_run, quantize
from s2nn_hw.quantize.train import train

TITLE = "time to first spike: accuracy, spikes a hidden neuron, and one against the other"
MODELS = Path(__file__).parents[1] / "models"
ACCURACY = {"mnist-ttfs": 98.0, "fashion-ttfs": 89.0, "mnist-cnn-ttfs": 99.0}  # percent, wanted
MOST_SPIKES = 0.3  # of a hidden neuron
PENALTIES = (0.0, 0.3, 1.0, 3.0, 10.0)
EPOCHS = 5


def run(setting: Setting) -> list[Row]:
    """Return the rows; networks that are not there are left out."""
    networks = [load(MODELS / f"{name}.s2nn") for name in ACCURACY if (MODELS / f"{name}.s2nn").is_file()]
    rows = [row for network in networks for row in measured(network)]
    return rows + (curve(setting.output / "ttfs") if present("mnist", "train") and present("mnist", "test") else [])


def measured(network: Network) -> list[Row]:
    """Return accuracy and spikes a hidden neuron of ``network`` on its test set, or on the shipped sample."""
    name = str(network.provenance["data_set"])
    whole = present(name, "test")
    images, labels = load_set(name, "test") if whole else samples(name)
    right, _, fired = integer_run(network, images, labels)
    what, wanted = f"{network.name}, {len(images):,} images", "wanted" if whole else "of the whole test set"
    reference = ACCURACY[network.name]
    return [
        Row(f"{what}: accuracy", 100 * right, "%", reference, wanted, "higher", binding=whole),
        Row(f"{what}: spikes a hidden neuron", mean_spikes(network, fired), "", MOST_SPIKES, wanted, binding=whole),
    ]


def mean_spikes(network: Network, fired: tuple[float | None, ...]) -> float:
    """Return the share of the neurons of ``network``, pools left out, that spike: ``fired`` by layer."""
    pairs = [(share, network.size(x.name)) for x, share in zip(network.layers, fired, strict=False) if x.neuron]
    values = [(share, size) for share, size in pairs if share is not None]
    return float(np.average([share for share, _ in values], weights=[size for _, size in values]))


def curve(folder: Path) -> list[Row]:
    """Return accuracy and spikes a hidden neuron for each of the penalties."""
    recipe, rows = load_recipe(MODELS / "mnist-ttfs.toml"), []
    for weight in PENALTIES:
        short = dataclasses.replace(
            recipe,
            training=dataclasses.replace(recipe.training, epochs=EPOCHS),
            penalty=dataclasses.replace(recipe.penalty, weight=weight),
        )
        network, figures = quantize(read_checkpoint(train(short, folder / f"penalty-{weight:g}")))
        what = f"{EPOCHS} epochs, penalty {weight:g}"
        rows.append(Row(f"{what}: accuracy", 100 * figures.accuracy_integer, "%"))
        rows.append(Row(f"{what}: spikes a hidden neuron", mean_spikes(network, figures.spikes_per_neuron), ""))
    return rows
