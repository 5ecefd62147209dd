"""Random shifts of training sequences, in time and over channels, and masked channels, repeatable from a seed."""

import torch
from torch import Tensor

from s2nn_hw.quantize.settings import Augment


def augment_sequences(frames: Tensor, lengths: Tensor, options: Augment, generator: torch.Generator) -> Tensor:
    """Return changed copies of uint8 ``frames`` ``(batch, longest, channels)``, zeros behind each one's ``lengths``.

    generator   a CPU ``torch.Generator``, the only source of randomness
    lengths     int64 ``(batch,)``; they stay what they are

    A sequence moves by a whole number of frames, up to ``options.shift_frames`` either way and less than half of its
    length; what moves in is 0. Its channels move by up to ``options.shift_channels`` either way, as from one voice to
    another; what moves in is the channel at the edge. In each 0 to ``options.mask_channels`` channels that lie side by
    side are 0. A share ``options.clean`` of the sequences stays as it is.
    """
    if not (options.shift_frames or options.shift_channels or options.mask_channels):
        return frames
    count, longest, channels = frames.shape
    device = frames.device
    result = frames
    if options.shift_frames:
        most = ((lengths.cpu() - 1) // 2).clamp(max=options.shift_frames)
        shift = (_drawn(2 * most + 1, generator) - most).to(device)
        times = torch.arange(longest, device=device) - shift[:, None]
        inside = (times >= 0) & (times < lengths.to(device)[:, None])
        inside &= torch.arange(longest, device=device) < lengths.to(device)[:, None]
        moved = result.gather(1, times.clamp(0, longest - 1)[..., None].expand(-1, -1, channels))
        result = moved * inside[..., None]
    if options.shift_channels:
        far = min(options.shift_channels, channels - 1)
        shift = (_drawn(torch.full((count,), 2 * far + 1), generator) - far).to(device)
        places = (torch.arange(channels, device=device) - shift[:, None]).clamp(0, channels - 1)
        result = result.gather(2, places[:, None, :].expand(-1, longest, -1))
    if options.mask_channels:
        width = _drawn(torch.full((count,), min(options.mask_channels, channels) + 1), generator)
        first = _drawn(channels - width + 1, generator)
        places = torch.arange(channels)
        masked = (places >= first[:, None]) & (places < (first + width)[:, None])
        result = result * ~masked.to(device)[:, None, :]
    if options.clean:
        kept = (torch.rand(count, generator=generator) < options.clean).to(device)
        result = torch.where(kept[:, None, None], frames, result)
    return result


def _drawn(ends: Tensor, generator: torch.Generator) -> Tensor:
    """Return int64, one for each of ``ends``, uniform in ``0 .. end - 1``."""
    drawn = torch.rand(len(ends), generator=generator, dtype=torch.float64) * ends
    return drawn.long().minimum(ends - 1)
