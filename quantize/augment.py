"""Random affine and elastic changes of training images, vectorised over a batch and repeatable from a seed."""

import functools
import math

import torch
from torch.nn import functional

GRID = 7  # coarse points per side of the elastic field: about four pixels apart on a 28 x 28 image


def augment(images, options, generator):
    """Return changed copies of uint8 ``images`` ``(batch, rows, columns)``, same shape and dtype.

    ``options`` is :class:`quantize.recipe.Augment`; ``generator`` a CPU ``torch.Generator``, the only source of
    randomness. A share ``options.clean`` of the images stays as it is. What moves in from outside is 0.
    """
    count, rows, columns = images.shape
    moved = any((options.shift_pixels, options.rotate_degrees, options.scale, options.shear, options.elastic_pixels))
    if not moved and not options.flip:
        return images
    device = images.device

    def uniform(*shape):
        return torch.rand(shape, generator=generator) * 2 - 1

    result = images
    if options.flip:
        turned = (torch.rand(count, generator=generator) < 0.5).to(device)
        result = torch.where(turned[:, None, None], result.flip(2), result)
    if moved:
        angle = uniform(count) * math.radians(options.rotate_degrees)
        zoom = 1 / (1 + uniform(count, 2) * options.scale)
        shear = uniform(count) * options.shear
        shift = uniform(count, 2) * options.shift_pixels * 2 / torch.tensor([columns, rows])
        cos, sin = angle.cos(), angle.sin()
        matrix = torch.stack([cos * zoom[:, 0], (shear - sin) * zoom[:, 0], shift[:, 0],
                              sin * zoom[:, 1], cos * zoom[:, 1], shift[:, 1]], dim=1).reshape(count, 2, 3)
        grid = functional.affine_grid(matrix.to(device), (count, 1, rows, columns), align_corners=False)
        if options.elastic_pixels:
            size = options.elastic_pixels * 2 / min(rows, columns)
            field = (uniform(count, 2, GRID, GRID) * size).to(device)
            field = _bicubic(rows).to(device) @ field @ _bicubic(columns).T.to(device)
            grid = grid + field.permute(0, 2, 3, 1)
        bent = functional.grid_sample(result[:, None].float(), grid, mode="bilinear", padding_mode="zeros",
                                      align_corners=False)
        result = bent[:, 0].round().clamp(0, 255).to(torch.uint8)
    if options.clean:
        kept = (torch.rand(count, generator=generator) < options.clean).to(device)
        result = torch.where(kept[:, None, None], images, result)
    return result


@functools.cache
def _bicubic(size):
    """Return the matrix ``(size, GRID)`` that interpolates coarse points to pixels along one axis."""
    points = torch.eye(GRID)[:, None, None, :].expand(GRID, 1, GRID, GRID)
    lines = functional.interpolate(points, (GRID, size), mode="bicubic", align_corners=True)
    return lines[:, 0, 0].T.contiguous()
