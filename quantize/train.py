"""Training: a recipe in, a safetensors checkpoint and a JSON log out; stops and resumes at epoch boundaries.

Everything random in an epoch is drawn from ``(seed, epoch)``, so a resumed run takes the same path as an
uninterrupted one. The last epoch's weights are the result; test images never choose anything.
"""

import io
import json
import pickle
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from s2nn_hw import __version__
from s2nn_hw.errors import UserError
from s2nn_hw.files import write_bytes, write_json
from s2nn_hw.quantize.data import sets
from s2nn_hw.quantize.data.augment import augment
from s2nn_hw.quantize.graph import nodes
from s2nn_hw.quantize.layers import SpikingNetwork
from s2nn_hw.quantize.neuron import Neuron, Surrogate
from s2nn_hw.quantize.precision import mixed
from s2nn_hw.quantize.recipe import as_dict
from s2nn_hw.quantize.sparse import choose, measure_inputs, predict_luts, soft_luts, sparse_synapses
from s2nn_hw.quantize.teacher import distil, make_teacher
from s2nn_hw.terminal import terminal

KEY = "s2nn-checkpoint"
EVALUATE_BATCH = 2000
EVALUATE_VALUES = 1 << 24  # of a layer, over the images evaluated at a time


def build(recipe):
    """Return the :class:`SpikingNetwork` of ``recipe``, freshly initialised from its seed."""
    torch.manual_seed(recipe.training.seed)
    neuron = recipe.neuron
    surrogate = Surrogate(neuron.surrogate, neuron.alpha, neuron.beta)
    return SpikingNetwork(nodes(recipe), Neuron(surrogate, neuron.threshold), quantised=recipe.training.fake_quantise)


def encode(images, bits):
    """Return the top ``bits`` bits of uint8 ``images`` ``(batch, ...)`` as float ``(batch, pixels)``."""
    return (images >> (8 - bits)).flatten(1).float()


def evaluate(model, images, labels, bits):
    """Return ``(accuracy, spikes)``: the fraction classified right, and mean spikes per image by layer name."""
    model.eval()
    right, spikes = 0, {}
    batch = batch_size(model, EVALUATE_BATCH)
    with torch.inference_mode():
        for part, wanted in zip(images.split(batch), labels.split(batch), strict=True):
            scores, trace = model.trace(encode(part, bits))
            right += int((scores.argmax(dim=1) == wanted).sum())
            for name, values in trace.items():
                spikes[name] = spikes.get(name, 0) + int(values.sum())
    return right / len(images), {name: count / len(images) for name, count in spikes.items()}


def batch_size(model, most):
    """Return how many images, at most ``most``, go through ``model`` at a time with memory to spare."""
    return max(1, min(most, EVALUATE_VALUES // max(int(np.prod(node.shape)) for node in model.nodes)))


class _Total(torch.autograd.Function):
    """The sum of all spikes. Its gradient is written out, because adding an expanded one to another is slow."""

    @staticmethod
    def forward(ctx, spikes):
        ctx.save_for_backward(spikes)
        return spikes.sum().float()

    @staticmethod
    def backward(ctx, gradient):
        (spikes,) = ctx.saved_tensors
        return torch.empty_like(spikes).fill_(gradient)


def activity(model, trace, measure):
    """Return the penalised activity of a batch's spikes ``trace``, 0 (none) to 1 (every neuron every time)."""
    loads = [(name, size, fan_out if measure == "synaptic_operations" else 1) for name, size, fan_out in model.loads()]
    cost = sum(weight * _Total.apply(trace[name]) / len(trace[name]) for name, _, weight in loads)
    return cost / sum(size * weight for _, size, weight in loads)


def excess(model, recipe):
    """Return by what share of ``recipe``'s LUT budget the estimate for ``model`` is beyond it, 0 if it is not."""
    return functional.relu(soft_luts(model, recipe.data.pixel_bits) / recipe.area.lut_budget - 1)


def rate(training, progress):
    """Return the learning rate at ``progress`` epochs (a fraction of an epoch counts)."""
    if progress < training.warmup_epochs:
        return training.learning_rate * progress / training.warmup_epochs
    share = (progress - training.warmup_epochs) / max(training.epochs - training.warmup_epochs, 1e-9)
    factor = {"cosine": 0.5 + 0.5 * np.cos(np.pi * share), "linear": 1 - share, "constant": 1.0}[training.schedule]
    return training.learning_rate * float(max(factor, 0.0))


def make_optimiser(model, training):
    """Return the optimiser; weight decay applies to weight matrices only."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": training.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if training.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=training.learning_rate, momentum=0.9)
    kind = torch.optim.AdamW if training.optimiser == "adamw" else torch.optim.Adam
    # most weights of a sparse model are not live, and passing over them would take longer than the rest of a step
    return kind(groups, lr=training.learning_rate, fused=True if sparse_synapses(model) else None)


def train_epoch(model, optimiser, images, labels, recipe, epoch, *, teacher=None, advance=None):
    """Run one epoch in place; return the mean loss. ``images`` uint8 ``(count, rows, columns[, channels])``.

    ``teacher`` maps uint8 images to scores; ``advance`` is called with the share of the epoch that each step is.
    """
    training = recipe.training
    generator = torch.Generator().manual_seed(training.seed * 100_003 + epoch)
    order = torch.randperm(len(images), generator=generator)
    steps = max(len(order) // training.batch, 1)
    model.train()
    total = 0.0
    for step, chosen in enumerate(order[: steps * training.batch].tensor_split(steps)):
        if step % recipe.sparse.every == 0:
            choose(model, recipe.sparse, (epoch + step / steps) / training.epochs)
        chosen = chosen.to(images.device)
        pixels = augment(images[chosen], recipe.augment, generator)
        wanted = labels[chosen]
        for group in optimiser.param_groups:
            group["lr"] = rate(training, epoch + step / steps)
        with mixed(recipe, images.device):
            scores, trace = model.trace(encode(pixels, recipe.data.pixel_bits))
        loss = functional.cross_entropy(scores, wanted, label_smoothing=training.label_smoothing)
        if teacher is not None:
            loss = distil(loss, scores, teacher(pixels), recipe.teacher)
        if recipe.penalty.weight:
            loss = loss + recipe.penalty.weight * activity(model, trace, recipe.penalty.measure)
        if recipe.area.weight and (epoch + step / steps) / training.epochs >= recipe.sparse.reach:
            loss = loss + recipe.area.weight * excess(model, recipe)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        total = total + loss.detach()  # a number only at the end: on a GPU nothing waits for it here
        if advance:
            advance(1 / steps)
    return float(total) / steps


def settle(model, images, recipe):
    """Measure every batch norm's mean and variance anew: averages over one pass of augmented training images.

    Training leaves running averages over the last few batches, whose noise moves thresholds of coarse layers.
    """
    generator = torch.Generator().manual_seed(recipe.training.seed * 100_003 + recipe.training.epochs)
    for layer in model.hidden:
        layer.norm.reset_running_stats()
        layer.norm.momentum = None  # a plain average
    model.train()
    with torch.no_grad():
        for part in images.split(batch_size(model, max(recipe.training.batch, 1000))):
            if len(part) > 1:
                model(encode(augment(part, recipe.augment, generator), recipe.data.pixel_bits))


def train(recipe, folder, *, fresh=False, console=None):
    """Train ``recipe`` into ``folder``; return the path of the checkpoint ``NAME.safetensors``.

    Also writes ``NAME.log.json`` (recipe, and loss, accuracy and spikes of each epoch) and, after each epoch,
    ``state.pt``, from which the same call goes on unless ``fresh``. Ctrl-C is a :class:`UserError` that says so.
    """
    console, folder = console or terminal(), Path(folder)
    checkpoint, state_path = folder / f"{recipe.name}.safetensors", folder / "state.pt"
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = build(recipe).to(device)
    if recipe.as_trained_elsewhere:
        raise UserError("key 'weights' is for weights trained elsewhere, `s2nn-hw quantize --recipe`; leave it out")
    if recipe.area.lut_budget and any(layer.kind != "dense" for layer in recipe.layers):
        raise UserError("key 'area.lut_budget' wants dense layers only")
    optimiser = make_optimiser(model, recipe.training)
    log = [] if fresh else _resume(state_path, recipe, model, optimiser)
    if len(log) >= recipe.training.epochs and checkpoint.is_file():
        console.print(f"{checkpoint} is already trained, {len(log)} epochs; --fresh trains it again")
        return checkpoint
    parts = _split(recipe, device)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UserError(f"output {folder} must be a folder, but a file is in the way") from None
    if sparse_synapses(model):
        measure_inputs(model, encode(parts["train"][0], recipe.data.pixel_bits))
        choose(model, recipe.sparse, len(log) / recipe.training.epochs)
    if fresh:
        state_path.unlink(missing_ok=True)
    try:
        teacher = None
        if recipe.teacher.weight:
            teacher = make_teacher(
                recipe, *parts["train"], folder / "teacher.safetensors", fresh=not log, console=console
            )
        with _bar(console) as bar:
            _epochs(recipe, model, optimiser, parts, log, state_path, teacher, bar)
    except KeyboardInterrupt:
        raise UserError(
            f"interrupted after epoch {len(log)} of {recipe.training.epochs}; the same command "
            "goes on from there, --fresh starts over"
        ) from None
    choose(model, recipe.sparse, 1.0)
    settle(model, parts["train"][0], recipe)
    accuracy, spikes = evaluate(model, *parts["test"], recipe.data.pixel_bits)
    result = {"data_set": sets.title(recipe.data.set), "images": len(parts["test"][0]), "accuracy": accuracy}
    result |= activity_report(model, spikes) | area_report(model, recipe)
    save_checkpoint(checkpoint, model, recipe, result)
    write_json(
        folder / f"{recipe.name}.log.json",
        {
            "tool": f"s2nn-hw {__version__}",
            "torch": torch.__version__,
            "device": device.type,
            "recipe": as_dict(recipe),
            "test": result,
            "epochs": log,
        },
    )
    return checkpoint


def activity_report(model, spikes):
    """Return mean ``spikes`` per image by layer name as a JSON-able dict of lists, with rates and operations.

    ``synaptic_operations`` are those that spikes cause, edges of images apart; the pixels' come on top.
    """
    sizes = {node.name: int(np.prod(node.shape)) for node in model.nodes}
    return {
        "names": list(spikes),
        "spikes": [round(count, 3) for count in spikes.values()],
        "spike_rates": [round(count / sizes[name], 5) for name, count in spikes.items()],
        "synaptic_operations": round(sum(spikes[name] * fan_out for name, _, fan_out in model.loads()), 1),
    }


def area_report(model, recipe):
    """Return the estimated ``luts`` of ``model`` as a JSON-able dict, empty unless ``recipe`` is sparse or budgeted."""
    if not sparse_synapses(model) and not recipe.area.lut_budget:
        return {}
    return {"luts": round(predict_luts(model, recipe.data.pixel_bits))}


def save_checkpoint(path, model, recipe, result):
    """Write ``model``'s tensors to ``path``, atomically; the metadata holds the recipe and test ``result``."""
    from safetensors.torch import save

    tensors = {n: t.detach().cpu().contiguous() for n, t in model.state_dict().items() if t.is_floating_point()}
    note = {"version": 1, "tool": f"s2nn-hw {__version__}", "recipe": as_dict(recipe), "test": result}
    write_bytes(path, save(tensors, metadata={KEY: json.dumps(note)}))


def _split(recipe, device):
    """Return ``{"train", "check", "test"}``: pairs of uint8 images and int64 labels on ``device``."""

    def place(images, labels):
        return torch.tensor(images, device=device), torch.tensor(labels, device=device).long()

    images, labels = place(*sets.load(recipe.data.set, "train"))
    test, held = place(*sets.load(recipe.data.set, "test")), recipe.data.validation
    if not held:
        return {"train": (images, labels), "check": test, "test": test}
    return {"train": (images[:-held], labels[:-held]), "check": (images[-held:], labels[-held:]), "test": test}


def _epochs(recipe, model, optimiser, sets, log, state_path, teacher, bar):
    """Run the epochs that ``log`` lacks; append to it and write the state after each."""
    last = recipe.training.epochs
    task = bar.add_task("", total=last, completed=len(log))
    for epoch in range(len(log), last):
        start = time.perf_counter()
        loss = train_epoch(
            model,
            optimiser,
            *sets["train"],
            recipe,
            epoch,
            teacher=teacher,
            advance=lambda share: bar.advance(task, share),
        )
        if not np.isfinite(loss):
            raise UserError(f"the loss of epoch {epoch + 1} is {loss}; lower key 'training.learning_rate'")
        checked = (part[: recipe.training.check_images] for part in sets["check"])
        accuracy, spikes = evaluate(model, *checked, recipe.data.pixel_bits)
        log.append(
            {
                "epoch": epoch + 1,
                "loss": round(loss, 5),
                "accuracy": accuracy,
                **activity_report(model, spikes),
                **area_report(model, recipe),
                "seconds": round(time.perf_counter() - start, 2),
            }
        )
        state = io.BytesIO()
        torch.save(
            {
                "recipe": json.dumps(as_dict(recipe)),
                "log": json.dumps(log),
                "model": model.state_dict(),
                "optimiser": optimiser.state_dict(),
            },
            state,
        )
        write_bytes(state_path, state.getvalue())  # torch's own writer hides why it fails
        rates = " ".join(f"{100 * r:.0f}%" for r in log[-1]["spike_rates"])
        line = f"epoch {epoch + 1}/{last}  accuracy {100 * accuracy:.2f}%  spike rates {rates}"
        if "luts" in log[-1]:
            line += f"  LUTs {log[-1]['luts']:,}"
        bar.update(task, completed=epoch + 1, description=line)
        if not bar.console.is_terminal:
            bar.console.print(f"{line}  loss {loss:.4f}  {log[-1]['seconds']:.1f} s")


def _resume(path, recipe, model, optimiser):
    """Load the state in ``path``, if any, into ``model`` and ``optimiser``; return its log of epochs."""
    if not path.is_file():
        return []
    try:
        if path.read_bytes()[:2] != b"PK":
            raise ValueError("not a torch.save file")
        state = torch.load(path, map_location=model.readout.bias.device, weights_only=True)
        before, log = json.loads(state["recipe"]), json.loads(state["log"])
        if before == json.loads(json.dumps(as_dict(recipe))):
            model.load_state_dict(state["model"])
            optimiser.load_state_dict(state["optimiser"])
            return log
    except (RuntimeError, EOFError, OSError, KeyError, TypeError, ValueError, pickle.UnpicklingError) as error:
        reason = " ".join(str(error).split())[:80]
        raise UserError(f"training state {path} can't be read ({reason}); --fresh starts over") from None
    raise UserError(
        f"{path.parent} holds the state of another recipe, differing in {_difference(before, recipe)}; "
        "--fresh starts over, -o chooses another folder"
    )


def _difference(before, recipe):
    after = as_dict(recipe)
    parts = [key for key in after if json.dumps(before.get(key)) != json.dumps(after[key])]
    return " and ".join(f"'{part}'" for part in parts) or "keys that are gone"


def _bar(console):
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    return Progress(
        BarColumn(24),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
    )
