"""What ``s2nn-hw train`` and ``s2nn-hw quantize`` do with their options: files in, files and text out."""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

from s2nn_hw.errors import UserError, counted, quoted
from s2nn_hw.extras import require
from s2nn_hw.files import checked_place, write_json
from s2nn_hw.network.store import save
from s2nn_hw.quantize.recipe import load_recipe
from s2nn_hw.terminal import Terminal, next_step, terminal

if TYPE_CHECKING:
    from s2nn_hw.quantize.sequences.checkpoint import SequenceCheckpoint


def train_recipe(path: Path, folder: Path | None = None, *, epochs: int | None = None, fresh: bool = False) -> None:
    """Train the recipe at ``path`` into ``folder`` (default ``runs/NAME``) and say what came out."""
    require("train")
    from s2nn_hw.quantize.train import train
    from s2nn_hw.quantize.training_state import read_tested

    recipe, console = load_recipe(path), terminal()
    if epochs is not None:
        recipe = dataclasses.replace(recipe, training=dataclasses.replace(recipe.training, epochs=epochs))
    checkpoint = train(recipe, folder or Path("runs") / recipe.name, fresh=fresh, console=console)
    log = checkpoint.with_suffix(".log.json")
    result = read_tested(log)
    what = "sequence" if recipe.over_time else "image"
    activity, luts, budget = result.activity, result.activity.luts, recipe.area.lut_budget
    for name, spikes, rate in zip(activity.names, activity.spikes, activity.spike_rates, strict=True):
        console.print(f"{name}: {spikes:,.1f} spikes per {what}, rate {100 * rate:.1f} %")
    console.print(
        f"accuracy {100 * result.accuracy:.2f} % on {counted(result.images, f'test {what}')} of "
        f"{result.data_set}; checkpoint {checkpoint}, log {log}"
    )
    if luts is not None:
        against = f", the budget is {budget:,}" if budget else ""
        console.print(f"about {luts:,} LUTs (an estimate){against}")
    if luts is not None and budget and luts > budget:
        console.print(
            f"over budget by {luts - budget:,} LUTs: fewer neurons, a smaller fan_in or a larger "
            "key 'area.weight' bring it down"
        )
    next_step("quantize", checkpoint, "-o", f"{recipe.name}.s2nn")


def quantize_checkpoint(
    path: Path,
    output: Path,
    *,
    bits: str | None = None,
    recipe: Path | None = None,
    check: tuple[Path, Path] | None = None,
    as_json: bool = False,
) -> None:
    """Convert the checkpoint at ``path`` to ``output`` (``.s2nn``), figures beside it as ``.json``.

    ``check``: two ``.npy`` files, images and what the owner's model gave for them.
    """
    require("train")
    from s2nn_hw.quantize.check import read_check
    from s2nn_hw.quantize.checkpoint import meaning, read_checkpoint
    from s2nn_hw.quantize.sequences.checkpoint import read_over_time
    from s2nn_hw.quantize.summary import quantize, show

    output, own = Path(output), load_recipe(recipe) if recipe else None
    if output.suffix != ".s2nn":
        raise UserError(f"output {output} must end in .s2nn")
    checked_place(output)
    console = terminal(stderr=as_json)
    if own is not None and own.over_time:
        raise UserError(f"--recipe: {recipe} is for sequences, and weights of another program can't be read for those")
    if own is None and (over_time := read_over_time(path)):
        if bits or check:
            raise UserError("--bits and --check are for networks of images: those over time have the bits of training")
        _quantize_sequences(over_time, path, output, console, as_json=as_json)
        return
    checkpoint = read_checkpoint(path, own)
    if checkpoint.foreign:
        console.print(meaning(checkpoint))
    pair = read_check(*check, checkpoint.recipe) if check else None
    network, report = quantize(
        checkpoint, bits=parse_bits(bits, len(checkpoint.recipe.bits)), console=console, check=pair
    )
    save(network, output)
    write_json(output.with_suffix(".json"), report.to_json())
    if as_json:
        print(json.dumps(report.to_json(), indent=2))
    else:
        show(report, console)
        console.print(f"network {output}, figures {output.with_suffix('.json')}")
        next_step("verify", output, *images_words(path))
    for text in report.warnings:
        console.print(f"WARNING: {text}", style="bold red")


def _quantize_sequences(
    checkpoint: "SequenceCheckpoint", path: Path, output: Path, console: Terminal, *, as_json: bool
) -> None:
    from s2nn_hw.quantize.sequences.summary import quantize, show

    network, report = quantize(checkpoint, console)
    save(network, output)
    write_json(output.with_suffix(".json"), report.to_json())
    if as_json:
        print(json.dumps(report.to_json(), indent=2))
    else:
        show(report, console)
        console.print(f"network {output}, figures {output.with_suffix('.json')}")
        next_step("verify", output, *images_words(path))
    for text in report.warnings:
        console.print(f"WARNING: {text}", style="bold red")


def images_words(checkpoint: Path | str) -> list[str | Path]:
    """Return the words for the test part of the user's own data that training has left beside ``checkpoint``, if it
    has."""
    from s2nn_hw.quantize.data.balance import TEST_SUFFIX

    path = Path(checkpoint).with_suffix(TEST_SUFFIX)
    return ["--images", path] if path.is_file() else []


def parse_bits(text: str | None, layers: int) -> list[int] | None:
    """Return the weight bits of each of ``layers`` from ``"N"`` or ``"N,N,.."``; None stays None."""
    if text is None:
        return None
    parts = text.split(",")
    if not all(part.strip() in set("12345678") for part in parts) or len(parts) not in (1, layers):
        raise UserError(f"--bits must be one number from 1 to 8, or {layers} of them with commas, not {quoted(text)}")
    return [int(part) for part in parts] * (layers if len(parts) == 1 else 1)
