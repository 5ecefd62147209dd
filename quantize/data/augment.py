"""Random affine and elastic changes of training images, vectorised over a batch and repeatable from a seed."""

import functools
import math

import torch
from torch import Tensor
from torch.nn import functional

from s2nn_hw.errors import UserError
from s2nn_hw.quantize.settings import Augment

GRID = 7  # coarse points per side of the elastic field: about four pixels apart on a 28 x 28 image


def augment(images: Tensor, options: Augment, generator: torch.Generator) -> Tensor:
    """Return changed copies of uint8 ``images`` ``(batch, rows, columns[, channels])``, same shape and dtype.

    ``generator``: a CPU ``torch.Generator``, the only source of randomness. A share ``options.clean`` of the images
    stays as it is. What moves in from outside is 0.
    """
    if images.ndim == 3:
        return augment(images[..., None], options, generator)[..., 0]
    moved = any((options.shift_pixels, options.rotate_degrees, options.scale, options.shear, options.elastic_pixels))
    if not any((moved, options.flip, options.crop_pixels, options.cutout_pixels)):
        return images
    if images.ndim != 4:
        raise UserError(f"key 'augment' wants images, not values of shape {tuple(images.shape[1:])}")
    count, rows, columns, _ = images.shape
    device = images.device
    result = images
    if options.flip:
        turned = (torch.rand(count, generator=generator) < 0.5).to(device)
        result = torch.where(turned[:, None, None, None], result.flip(2), result)
    if options.crop_pixels:
        result = _crop(result, options.crop_pixels, generator)
    if moved:
        result = _bent(result, options, generator)
    if options.cutout_pixels:
        result = result * ~_squares(count, rows, columns, options.cutout_pixels, generator).to(device)[..., None]
    if options.clean:
        kept = (torch.rand(count, generator=generator) < options.clean).to(device)
        result = torch.where(kept[:, None, None, None], images, result)
    return result


def _bent(images: Tensor, options: Augment, generator: torch.Generator) -> Tensor:
    """Return ``images`` ``(batch, rows, columns, channels)`` turned, scaled, sheared, shifted and bent."""
    count, rows, columns, _ = images.shape
    device = images.device

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator) * 2 - 1

    angle = uniform(count) * math.radians(options.rotate_degrees)
    zoom = 1 / (1 + uniform(count, 2) * options.scale)
    shear = uniform(count) * options.shear
    shift = uniform(count, 2) * options.shift_pixels * 2 / torch.tensor([columns, rows])
    cos, sin = angle.cos(), angle.sin()
    matrix = torch.stack(
        [cos * zoom[:, 0], (shear - sin) * zoom[:, 0], shift[:, 0], sin * zoom[:, 1], cos * zoom[:, 1], shift[:, 1]],
        dim=1,
    ).reshape(count, 2, 3)
    grid = functional.affine_grid(matrix.to(device), [count, 1, rows, columns], align_corners=False)
    if options.elastic_pixels:
        size = options.elastic_pixels * 2 / min(rows, columns)
        field = (uniform(count, 2, GRID, GRID) * size).to(device)
        field = _bicubic(rows).to(device) @ field @ _bicubic(columns).T.to(device)
        grid = grid + field.permute(0, 2, 3, 1)
    bent = functional.grid_sample(
        images.permute(0, 3, 1, 2).float(), grid, mode="bilinear", padding_mode="zeros", align_corners=False
    )
    return bent.permute(0, 2, 3, 1).round().clamp(0, 255).to(torch.uint8)


def _crop(images: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Return ``images`` ``(batch, rows, columns, channels)`` moved by up to ``most`` whole pixels each way."""
    count, rows, columns, _ = images.shape
    down, right = (torch.randint(0, 2 * most + 1, (count, 1), generator=generator) for _ in range(2))
    padded = functional.pad(images, (0, 0, most, most, most, most))
    row, column = (down + torch.arange(rows)).to(images.device), (right + torch.arange(columns)).to(images.device)
    picture = torch.arange(count, device=images.device)
    return padded[picture[:, None, None], row[:, :, None], column[:, None, :]]


def _squares(count: int, rows: int, columns: int, size: int, generator: torch.Generator) -> Tensor:
    """Return bool ``(count, rows, columns)``: one square of ``size`` pixels each, its centre anywhere in the image."""

    def line(length: int) -> Tensor:
        first = torch.randint(0, length, (count, 1), generator=generator) - size // 2
        place = torch.arange(length)
        return (place >= first) & (place < first + size)

    return line(rows)[:, :, None] & line(columns)[:, None, :]


@functools.cache
def _bicubic(size: int) -> Tensor:
    """Return the matrix ``(size, GRID)`` that interpolates coarse points to pixels along one axis."""
    points = torch.eye(GRID)[:, None, None, :].expand(GRID, 1, GRID, GRID)
    lines = functional.interpolate(points, (GRID, size), mode="bicubic", align_corners=True)
    return lines[:, 0, 0].T.contiguous()
