"""A float teacher for distillation: a wide ReLU network, trained in the same run on the same augmented images."""

import torch
from torch import nn
from torch.nn import functional

from s2nn_hw.errors import UserError
from s2nn_hw.files import atomic_path, read_bytes

from .augment import augment

DROPOUT = 0.3


class Teacher(nn.Module):
    """uint8 images ``(batch, rows, columns)``, all eight bits, to scores ``(batch, classes)``."""

    def __init__(self, inputs, neurons, layers, classes):
        super().__init__()
        parts = []
        for _ in range(layers):
            parts += [nn.Linear(inputs, neurons), nn.BatchNorm1d(neurons), nn.ReLU(), nn.Dropout(DROPOUT)]
            inputs = neurons
        self.stack = nn.Sequential(*parts, nn.Linear(inputs, classes))

    def forward(self, images):
        return self.stack(images.flatten(1).float() / 255)


def distil(loss, scores, hints, options):
    """Return ``loss`` mixed with the cross entropy against the teacher's softened scores ``hints``.

    ``(1 - weight) loss + weight t^2 CE(softmax(hints / t), scores / t)``, ``t`` the temperature of ``options``.
    """
    heat = options.temperature
    soft = functional.cross_entropy(scores / heat, functional.softmax(hints / heat, dim=1)) * heat * heat
    return (1 - options.weight) * loss + options.weight * soft


def make_teacher(recipe, images, labels, path, *, fresh, console):
    """Return a function from uint8 images to the teacher's scores; trained unless ``path`` holds it already."""
    from safetensors import SafetensorError
    from safetensors.torch import load, save_file

    options, seed = recipe.teacher, recipe.training.seed
    torch.manual_seed(seed)
    model = Teacher(images[0].numel(), options.neurons, options.layers, int(labels.max()) + 1).to(images.device)
    if path.is_file() and not fresh:
        try:
            model.load_state_dict(load(read_bytes(path, what="teacher")))
        except (RuntimeError, ValueError, SafetensorError):
            raise UserError(f"{path} does not hold this recipe's teacher; --fresh starts over") from None
    else:
        _train(model, recipe, images, labels, console)
        with atomic_path(path) as temporary:
            save_file(model.state_dict(), temporary)
    model.eval()

    def hints(pixels):
        with torch.no_grad():
            return model(pixels)

    return hints


def _train(model, recipe, images, labels, console):
    from rich.progress import track

    options, batch = recipe.teacher, recipe.training.batch
    optimiser = torch.optim.AdamW(model.parameters(), lr=options.learning_rate, weight_decay=1e-2)
    steps = max(len(images) // batch, 1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps * options.epochs)
    for epoch in track(range(options.epochs), description="teacher", console=console):
        generator = torch.Generator().manual_seed(recipe.training.seed * 100_003 + 50_000 + epoch)
        for chosen in torch.randperm(len(images), generator=generator)[: steps * batch].tensor_split(steps):
            chosen = chosen.to(images.device)
            scores = model(augment(images[chosen], recipe.augment, generator))
            loss = functional.cross_entropy(scores, labels[chosen])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
