"""The four ways from a ReLU network to spikes; what each leaves is a :class:`.units.Converted` ready for integers.

balance     nothing is trained: thresholds from activations (Deng and Gu, arXiv 2103.00476)
clip-floor  the network of levels that comes out is trained as it is, thresholds too
t2          thresholds mu of a clipped ReLU are trained, threshold and height of spikes are searched layer by
            layer on 1,000 images, then all is trained through time (Datta and Beerel, arXiv 2112.12133)
tandem      one layer after the other becomes spikes and is then frozen, the rest trained on each time
            (arXiv 2007.01204); counts are cut, not rounded, and gradients are those of ReLU

form        two-phase: neurons wait for all spikes of a frame, then fire; as bits where T = 2^K - 1
            ttfs: the same numbers as times to the first spike, in T slots
            steps: neurons fire in the step in which they get there
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from torch import Tensor

from s2nn_hw.errors import UserError
from s2nn_hw.network.neurons.ttfs import SLOTS
from s2nn_hw.quantize.checkpoint import Checkpoint
from s2nn_hw.quantize.conversion.firing import LEVELS, SPIKES, Rule
from s2nn_hw.quantize.conversion.prepare import MAX_IMAGES, prepare
from s2nn_hw.quantize.conversion.pretrain import relu_model
from s2nn_hw.quantize.conversion.search import fit, search
from s2nn_hw.quantize.conversion.tune import Trainer, accuracy
from s2nn_hw.quantize.conversion.units import Converted
from s2nn_hw.quantize.from_checkpoint import float_graph
from s2nn_hw.quantize.model import encode
from s2nn_hw.quantize.settings import Conversion, Recipe

TTFS = "ttfs"
SEARCHED = 1000  # images of the search
FITTED = 1000  # images of the first thresholds of clip-floor
FORMS = {"two-phase": LEVELS, TTFS: LEVELS, "steps": SPIKES}
OWN = {  # form, shift, steps
    "balance": ("two-phase", True, 15),
    "clip-floor": ("two-phase", True, 15),
    "t2": ("steps", False, 2),
    "tandem": ("two-phase", False, 15),
}


@dataclass(frozen=True)
class Stage:
    """A point on the way: its ``name``, and the float model's ``accuracy`` there on the test images."""

    name: str
    accuracy: float

    def to_json(self) -> dict[str, Any]:
        """Return the JSON-able entry."""
        return {"name": self.name, "accuracy": self.accuracy}


@dataclass(frozen=True)
class Work:
    """A conversion under way: the ReLU network prepared, what trains it, test images and labels, and the stages."""

    net: Converted
    options: Conversion
    trainer: Trainer
    test: tuple[Tensor, Tensor]
    stages: list[Stage]

    @property
    def bits(self) -> int:
        """Bits of a pixel."""
        return self.trainer.recipe.data.pixel_bits

    def rule(self, **more: Any) -> Rule:
        """Return the rule that the options want."""
        return rule_of(self.options, leaks=self.options.leak, **more)

    def note(self, name: str) -> None:
        """Measure the float model as it is; ``name`` says what it is."""
        found = Stage(name, accuracy(self.net, *self.test, self.bits))
        self.stages.append(found)
        if self.trainer.said:
            self.trainer.console.print(f"{name}: {100 * found.accuracy:.2f} %")

    def key(self) -> list[Any]:
        """Return what decides a training beside the network itself."""
        options, recipe = self.options, self.trainer.recipe
        return [
            options.form,
            options.steps,
            options.shift,
            options.leak,
            recipe.name,
            recipe.training.seed,
            recipe.training.batch,
        ]


def rule_of(options: Conversion, **more: Any) -> Rule:
    """Return the rule of resolved ``options``; ``more``: how it is trained."""
    assert options.form is not None  # resolved
    assert options.steps is not None
    return Rule(FORMS[options.form], options.steps, bool(options.shift), **more)


def resolved(options: Conversion) -> Conversion:
    """Return ``options`` with the method's own form, steps and shift where they are not said.

    :class:`UserError` where they do not go together.
    """
    form, shift, steps = OWN[options.method]
    form, shift = options.form or form, shift if options.shift is None else options.shift
    chosen = options.steps or steps
    if options.method == "tandem" and (form == "steps" or shift):
        raise UserError("method tandem counts spikes of two phases: it has no --form steps and no --shift")
    if options.method == "clip-floor" and form == "steps":
        raise UserError("method clip-floor trains levels, which are those of --form two-phase or ttfs")
    if options.method == "t2" and form != "steps":
        raise UserError("method t2 trains spikes through time: it wants --form steps")
    if options.leak and options.method != "t2":
        raise UserError(
            f"method {options.method} has no --leak: neurons leak where they are trained through time, by t2"
        )
    if form == TTFS and chosen not in SLOTS:
        raise UserError(f"--form ttfs has {', '.join(map(str, SLOTS))} slots, not {chosen}: give --steps one of them")
    return dataclasses.replace(options, form=form, shift=shift, steps=chosen)


def check_recipe(recipe: Recipe, options: Conversion | None) -> None:
    """Raise :class:`UserError`, naming the layer, where the network of ``recipe`` can't be converted, with ``options``
    if there are any; nothing is trained for that."""
    net = Converted(float_graph(Checkpoint(relu_model(recipe).eval(), recipe, {})))
    if options is not None:
        net.use(rule_of(resolved(options)))


def prepared(
    checkpoint: Checkpoint, images: Tensor, options: Conversion, *, bits: list[int] | None, console: Console | None
) -> Converted:
    """Return the network of ``checkpoint``, all ReLU, with thresholds and scales; ``bits``: of weights, by layer."""
    net = Converted(float_graph(checkpoint))
    for unit, wanted in zip(net.layers, bits or [], strict=bits is not None):
        unit.bits = [wanted, *(max(wanted, other) for other in unit.bits[1:])]
    pixels = encode(images[:MAX_IMAGES], checkpoint.recipe.data.pixel_bits)
    prepare(net, pixels, percentile=options.percentile, console=console)
    return net


def run(work: Work) -> None:
    """Convert the network of ``work`` in place as its options say."""
    {"balance": balance, "clip-floor": clip_floor, "t2": t2, "tandem": tandem}[work.options.method](work)


def balance(work: Work) -> None:
    """See the module."""
    work.net.use(work.rule())
    work.note("converted")


def clip_floor(work: Work) -> None:
    """See the module."""
    rule = work.rule()
    fit(work.net, rule, work.trainer.train[0][:FITTED], work.bits)
    work.net.use(rule)
    work.note("before training")
    work.trainer.tune(work.net, f"clip-floor T={rule.steps}", work.key())
    work.note("trained")


def t2(work: Work) -> None:
    """See the module."""
    net, rule, few = work.net, work.rule(), work.trainer.train[0][:SEARCHED]
    net.use(Rule(clipped=True))
    work.trainer.tune(net, "clipped ReLU", work.key()[4:])
    work.note("clipped ReLU")
    search(net, rule, few, work.bits, work.trainer.console)
    net.check()
    work.note("searched")
    work.trainer.tune(net, f"spikes T={rule.steps}", work.key())
    work.note("trained")


def tandem(work: Work) -> None:
    """See the module."""
    net, rule = work.net, work.rule(masked=False)
    for number, unit in enumerate(net.hidden):
        unit.rule, unit.rounded = rule, True
        for parameter in (*unit.weights, unit.bias, unit.theta):
            parameter.requires_grad_(False)
        net.check()
        work.note(f"{unit.name} converted")
        for later in net.hidden:
            later.theta.requires_grad_(False)
        what = f"rest behind {unit.name} T={rule.steps}"
        work.trainer.tune(net, what, [*work.key(), number])
        work.note(f"{unit.name} converted, the rest trained")
    net.layers[-1].rounded = True
    work.note("readout rounded")
