"""How the batch of :mod:`.speakers` was chosen: pairs of speakers are left out of training, and each of the two tested.

What a training gave is kept in the output folder: an interrupted run goes on.
"""

import dataclasses
from pathlib import Path

from rich.console import Console
from rich.progress import track

from benchmarks.frame import Row, Rows, Setting
from benchmarks.speakers import BATCH, RECIPE
from s2nn_hw.files import write_json
from s2nn_hw.records import convert
from s2nn_hw.texts import read_json

TITLE = "spoken digits, integers, two speakers left out of training, by batch"
PAIRS = (("george", "jackson"), ("jackson", "lucas"), ("lucas", "nicolas"), ("theo", "yweweler"))


def run(setting: Setting) -> list[Row]:
    """Return a row a pair, batch and speaker, and the means."""
    from s2nn_hw.quantize.recipe import load_recipe

    batches = (BATCH, load_recipe(RECIPE).training.batch)
    jobs = [(pair, batch) for pair in PAIRS for batch in batches]
    found: dict[int, list[Row]] = {batch: [] for batch in batches}
    for pair, batch in track(jobs, "training", console=Console(stderr=True)):
        found[batch] += _kept(setting.output / "speaker-pairs", pair, batch)
    mine, other = (sum(row.measured for row in rows) / len(rows) for rows in found.values())
    rows = [row for part in found.values() for row in part]
    mean = Row(f"mean, batches of {batches[0]}", mine, "%", other, f"mean, batches of {batches[1]}", better="higher")
    return [*rows, mean]


def _kept(folder: Path, pair: tuple[str, str], batch: int) -> list[Row]:
    """Return the rows of the training without ``pair``, from the file in ``folder`` where they are there."""
    kept = folder / f"{'-'.join(pair)}-{batch}.json"
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_json(kept, {"rows": [row.to_json() for row in _tested(pair, batch)], "seconds": 0.0})
    return convert(read_json(kept, what="training"), Rows, f"training {kept}").rows


def _tested(pair: tuple[str, str], batch: int) -> list[Row]:
    """Return the accuracy of integers on all recordings of each of ``pair``, neither of them trained on."""
    from s2nn_hw.quantize.data import sequence_sets
    from s2nn_hw.quantize.loss import make_optimiser
    from s2nn_hw.quantize.recipe import load_recipe
    from s2nn_hw.quantize.sequences.held import Held
    from s2nn_hw.quantize.sequences.measure import evaluate
    from s2nn_hw.quantize.sequences.model import build
    from s2nn_hw.quantize.sequences.training import most_frames, train_epoch

    recipe = load_recipe(RECIPE)
    recipe = dataclasses.replace(
        recipe,
        training=dataclasses.replace(recipe.training, batch=batch),
        sequence=dataclasses.replace(recipe.sequence, exact_from=1.0),
    )
    longest = most_frames(recipe)
    whole = sequence_sets.load("fsdd", "train", pair[0])
    assert whole.groups is not None  # of that set
    others = Held.of(whole.chosen(whole.groups != pair[1]), longest)
    model = build(recipe)
    optimiser = make_optimiser(model, recipe.training)
    for epoch in range(recipe.training.epochs):
        train_epoch(model, optimiser, others, recipe, epoch)
    rows = []
    for speaker, other in (pair, pair[::-1]):
        share = evaluate(model, Held.of(sequence_sets.load("fsdd", "test", speaker), longest))[0]
        rows.append(Row(f"{speaker}, without {other} too, batches of {batch}", 100 * share, "%"))
    return rows
