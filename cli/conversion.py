"""What ``s2nn-hw convert`` does with its options: a recipe or ReLU checkpoint in, a spiking network or a curve out."""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s2nn_hw.cli.training import images_words, parse_bits
from s2nn_hw.errors import UserError, quoted
from s2nn_hw.extras import require
from s2nn_hw.files import checked_place, write_bytes, write_json, write_text
from s2nn_hw.quantize.limits import limits
from s2nn_hw.quantize.recipe import load_recipe
from s2nn_hw.quantize.settings import Conversion
from s2nn_hw.terminal import Terminal, next_step, terminal

if TYPE_CHECKING:
    from s2nn_hw.quantize.conversion.curve import Curve
    from s2nn_hw.quantize.conversion.results import Job
    from s2nn_hw.quantize.settings import Recipe


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What the command line says: ``changes`` of the recipe's conversion (None: as the recipe has it), the weights'
    ``bits`` as text, the ``recipe`` of a foreign checkpoint, the folder of trained parts, and what is written."""

    changes: dict[str, Any]
    bits: str | None = None
    recipe: Path | None = None
    work: Path | None = None
    fresh: bool = False
    output: Path | None = None
    curve: Path | None = None
    counts: str | None = None
    as_json: bool = False


def convert_network(source: Path, wanted: Wanted) -> None:
    """Convert the recipe or checkpoint ``source``; say and write what is ``wanted``."""
    require("train")
    if wanted.curve:
        require("report")
    counts = _checked(wanted)
    console = terminal(stderr=wanted.as_json)
    job, options = _job(source, wanted, console)
    if wanted.curve:
        _curve(job, options, counts, wanted, console)
    if wanted.output:
        _network(job, options, wanted, console)


def _checked(wanted: Wanted) -> list[int]:
    """Return the numbers of spikes of the curve, none for its own; :class:`UserError` for outputs that can't be."""
    if not wanted.output and not wanted.curve:
        raise UserError("nothing is to be written: give -o NAME.s2nn, --curve NAME.json or both")
    for path, suffix in ((wanted.output, ".s2nn"), (wanted.curve, ".json")):
        if path is not None and path.suffix != suffix:
            raise UserError(f"output {path} must end in {suffix}")
        for made in _written(path):
            checked_place(made)
            if made.is_dir():
                raise UserError(f"output {made} is a folder, not a file")
    if wanted.output and wanted.curve and wanted.curve in _written(wanted.output):
        raise UserError(
            f"--curve {wanted.curve} is where the network's figures go; choose another name for one of them"
        )
    if wanted.work and wanted.work.exists() and not wanted.work.is_dir():
        raise UserError(f"--work {wanted.work} must be a folder, but a file is in the way")
    for entry in dataclasses.fields(Conversion):
        taken, came = limits(entry).choices, wanted.changes.get(entry.name)
        if taken and came is not None and came not in taken:
            raise UserError(f"--{entry.name} must be one of {', '.join(map(str, taken))}, not {quoted(came)}")
    if wanted.counts is not None and not wanted.curve:
        raise UserError("--counts is for --curve")
    parts = wanted.counts.split(",") if wanted.counts is not None else []
    if not all(part.strip() in map(str, range(1, 32)) for part in parts):
        raise UserError(f"--counts must be numbers from 1 to 31 with commas, not {quoted(wanted.counts)}")
    return sorted({int(part) for part in parts})


def _written(path: Path | None) -> list[Path]:
    """Return the files that are written for output ``path``: a network and its figures, or a curve and its plots."""
    if path is None:
        return []
    return [path, *map(path.with_suffix, [".json"] if path.suffix == ".s2nn" else [".svg", ".png"])]


def _job(source: Path, wanted: Wanted, console: Terminal) -> "tuple[Job, Conversion]":
    """Return the job of ``source``, its ReLU network trained first where it is a recipe, and the options."""
    from s2nn_hw.quantize.conversion.methods import check_recipe, resolved
    from s2nn_hw.quantize.conversion.pretrain import pictures, read_relu, train_relu
    from s2nn_hw.quantize.conversion.results import Job
    from s2nn_hw.quantize.conversion.tune import Trainer

    own: Recipe | None = load_recipe(wanted.recipe) if wanted.recipe else None
    if source.suffix == ".toml":
        if wanted.recipe:
            raise UserError("--recipe is for checkpoints of another program")
        own = load_recipe(source)
    options = own.conversion if own else Conversion()
    options = dataclasses.replace(options, **{key: value for key, value in wanted.changes.items() if value is not None})
    resolved(options)  # what does not go together is told before anything is trained
    folder = wanted.work
    if source.suffix == ".toml" and own:
        check_recipe(own, options if wanted.output else None)
        parse_bits(wanted.bits, len(own.bits))
        folder = folder or Path("runs") / f"{own.name}-relu"
        source = train_relu(own, folder, fresh=wanted.fresh, console=console)
        own = None
    checkpoint = read_relu(source, own)
    found = checkpoint.recipe
    trainer = Trainer(found, pictures(found, "train"), options.epochs, options.learning_rate, folder, console)
    bits = parse_bits(wanted.bits, len(found.bits))
    return Job(checkpoint, pictures(found, "test"), trainer, bits, console), options


def _network(job: "Job", options: Conversion, wanted: Wanted, console: Terminal) -> None:
    from s2nn_hw.network.store import save
    from s2nn_hw.quantize.conversion.results import convert
    from s2nn_hw.quantize.summary import show

    output = wanted.output
    assert output is not None
    network, figures, stages = convert(job, options)
    save(network, output)
    entries = figures.to_json() | {"stages": [stage.to_json() for stage in stages]}
    write_json(output.with_suffix(".json"), entries)
    if wanted.as_json:
        print(json.dumps(entries, indent=2))
    else:
        show(figures, console)
        console.print(f"network {output}, figures {output.with_suffix('.json')}")
        folder = job.trainer.folder
        next_step(
            "verify", output, *(images_words(folder / f"{job.trainer.recipe.name}.safetensors") if folder else [])
        )
    for text in figures.warnings:
        console.print(f"WARNING: {text}", style="bold red")


def _curve(job: "Job", options: Conversion, counts: list[int], wanted: Wanted, console: Terminal) -> None:
    from s2nn_hw.quantize.conversion.curve import COUNTS, curve
    from s2nn_hw.report.show.charts.steps import steps_plot
    from s2nn_hw.report.show.figure import png, svg
    from s2nn_hw.report.show.palette import LIGHT

    path = wanted.curve
    assert path is not None
    found = curve(job, options, counts or COUNTS)
    write_json(path, found.to_json())
    caption = (
        f"Integer networks on {found.images:,} test images of {found.data_set}; thresholds are percentile "
        f"{found.percentile:g} of activations."
    )
    points = [vars(point) for point in found.points]
    figure = steps_plot(f"{found.name}: accuracy against T", caption, found.accuracy_relu, points, least=100.0)
    write_text(path.with_suffix(".svg"), svg(figure, LIGHT) + "\n")
    write_bytes(path.with_suffix(".png"), png(figure, LIGHT))
    if wanted.as_json and not wanted.output:
        print(json.dumps(found.to_json(), indent=2))
    else:
        _show(found, console)
        console.print(f"curve {path}, plots {path.with_suffix('.svg')} and {path.with_suffix('.png')}")


def _show(found: "Curve", console: Terminal) -> None:
    from s2nn_hw.report.show.tables import make_table

    rows = [
        (steps, *(f"{100 * row[name].accuracy:.2f}" if name in row else "" for name in found.variants))
        for steps, row in sorted(found.table.items())
    ]
    console.print(make_table(f"{found.name}: accuracy of integers, %", ("T", *found.variants), rows))
    console.print(
        f"ReLU network: {100 * found.accuracy_relu:.2f} % on {found.images:,} test images of {found.data_set}; "
        f"weights of {', '.join(map(str, found.bits))} bits"
    )
