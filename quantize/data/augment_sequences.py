"""Random changes of training sequences, in time, over channels and of values, repeatable from a seed."""

import torch
from torch import Tensor
from torch.nn import functional

from s2nn_hw.quantize.settings import Augment

KNOTS = 4  # of a line over the channels
JITTER = 16  # steps of a value, of noise from frame to frame
Sequences = tuple[Tensor, Tensor]  # frames and lengths


def augment_sequences(
    frames: Tensor, lengths: Tensor, options: Augment, generator: torch.Generator, *, most: int | None = None
) -> Sequences:
    """Return changed copies of uint8 ``frames`` ``(batch, longest, channels)`` and their lengths; zeros behind these.

    lengths     int64 ``(batch,)``
    generator   a CPU ``torch.Generator``, the only source of randomness
    most        the frames that a network takes: what gets longer is cut

    In this order, each as far as ``options`` says:

    tempo            a sequence gets longer or shorter by up to this share, frames between frames being interpolated
    shift_frames     it moves by so many frames at most, and less than half of its length; what moves in is 0
    warp_channels    its channels part or draw together by up to this share, the first one stays; interpolated
    shift_channels   they move by so many at most, what moves in is the channel at the edge
    channel_gain     so much at most is added to values above 0: a line over the channels through 4 random numbers
    noise_floor      values are at least as large as such a line between 0 and this, give or take 16 in each cell
    mask_channels    0 to so many channels that lie side by side are 0

    A share ``options.clean`` of the sequences stays as it is.
    """
    changed = frames, lengths
    if options.tempo:
        changed = _stretched(*changed, options.tempo, most, generator)
    if options.shift_frames:
        changed = _moved(*changed, options.shift_frames, generator)
    result = _heard_otherwise(*changed, options, generator)
    if options.clean:
        kept = (torch.rand(len(frames), generator=generator) < options.clean).to(frames.device)
        return _chosen(kept, (frames, lengths), (result, changed[1]))
    return result, changed[1]


def _heard_otherwise(frames: Tensor, lengths: Tensor, options: Augment, generator: torch.Generator) -> Tensor:
    """Return ``frames`` with what ``options`` does to channels and values."""
    count, longest, channels = frames.shape
    device, result = frames.device, frames
    if options.warp_channels:
        factor = 1 + options.warp_channels * _either_way((count, 1), generator)
        result = _between(result.transpose(1, 2), torch.arange(channels) * factor).transpose(1, 2)
    if options.shift_channels:
        far = min(options.shift_channels, channels - 1)
        shift = (_drawn(torch.full((count,), 2 * far + 1), generator) - far).to(device)
        places = (torch.arange(channels, device=device) - shift[:, None]).clamp(0, channels - 1)
        result = result.gather(2, places[:, None, :].expand(-1, longest, -1))
    if options.channel_gain:
        knots = options.channel_gain * _either_way((count, KNOTS), generator)
        gain = _line(knots, channels).to(device)
        result = torch.where(result > 0, (result + gain[:, None, :]).round().clamp(0, 255).to(torch.uint8), result)
    if options.noise_floor:
        line = _line(options.noise_floor * torch.rand((count, KNOTS), generator=generator), channels)
        floor = line[:, None, :] + JITTER * _either_way((count, longest, channels), generator)
        floor = floor.round().clamp(0, 255).to(torch.uint8)
        inside = torch.arange(longest) < lengths.cpu()[:, None]
        result = result.maximum((floor * inside[..., None]).to(device))
    if options.mask_channels:
        width = _drawn(torch.full((count,), min(options.mask_channels, channels) + 1), generator)
        first = _drawn(channels - width + 1, generator)
        places = torch.arange(channels)
        masked = (places >= first[:, None]) & (places < (first + width)[:, None])
        result = result * ~masked.to(device)[:, None, :]
    return result


def _stretched(
    frames: Tensor, lengths: Tensor, share: float, most: int | None, generator: torch.Generator
) -> Sequences:
    """Return sequences longer or shorter by up to ``share``: the first frame stays the first, the last the last."""
    factor = 1 + share * _either_way((len(lengths),), generator)
    wanted = (lengths.cpu() * factor).round().long().clamp(min=1)
    steps = (lengths.cpu() - 1) / (wanted - 1).clamp(min=1)
    wanted = wanted if most is None else wanted.clamp(max=most)
    times = torch.arange(int(wanted.max()))
    result = _between(frames, times * steps[:, None])
    return result * (times < wanted[:, None]).to(frames.device)[..., None], wanted.to(lengths.device)


def _moved(frames: Tensor, lengths: Tensor, furthest: int, generator: torch.Generator) -> Sequences:
    """Return sequences moved in time."""
    _, longest, channels = frames.shape
    device = frames.device
    most = ((lengths.cpu() - 1) // 2).clamp(max=furthest)
    shift = (_drawn(2 * most + 1, generator) - most).to(device)
    times = torch.arange(longest, device=device) - shift[:, None]
    inside = (times >= 0) & (times < lengths.to(device)[:, None])
    inside &= torch.arange(longest, device=device) < lengths.to(device)[:, None]
    moved = frames.gather(1, times.clamp(0, longest - 1)[..., None].expand(-1, -1, channels))
    return moved * inside[..., None], lengths


def _chosen(first: Tensor, one: Sequences, other: Sequences) -> Sequences:
    """Return the sequences of ``one`` where ``first``, bool ``(batch,)``, is true, and else those of ``other``."""
    longest = max(one[0].shape[1], other[0].shape[1])
    mine, theirs = (functional.pad(frames, (0, 0, 0, longest - frames.shape[1])) for frames, _ in (one, other))
    return torch.where(first[:, None, None], mine, theirs), torch.where(first, one[1], other[1])


def _between(values: Tensor, places: Tensor) -> Tensor:
    """Return uint8 ``values`` ``(batch, old, width)`` at ``places`` ``(batch, new)`` of ``old``: on the line between
    two neighbours, behind the last one that."""
    last = values.shape[1] - 1
    places = places.clamp(0, last).to(values.device)
    before = places.floor().long()
    part = (places - before)[..., None]
    index = before[..., None].expand(-1, -1, values.shape[2])
    low, high = values.gather(1, index), values.gather(1, (index + 1).clamp(max=last))
    return (low * (1 - part) + high * part).round().to(torch.uint8)


def _line(knots: Tensor, count: int) -> Tensor:
    """Return ``count`` numbers on the line through ``knots``, ``(batch, knots)``, the ends being the ends."""
    return functional.interpolate(knots[:, None], size=count, mode="linear", align_corners=True)[:, 0]


def _either_way(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Return numbers uniform in -1 .. 1."""
    return 2 * torch.rand(shape, generator=generator) - 1


def _drawn(ends: Tensor, generator: torch.Generator) -> Tensor:
    """Return int64, one for each of ``ends``, uniform in ``0 .. end - 1``."""
    drawn = torch.rand(len(ends), generator=generator, dtype=torch.float64) * ends
    return drawn.long().minimum(ends - 1)
