"""Sequences as torch tensors: cut to what the network takes, padded, and parted into batches of like lengths."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from s2nn_hw.network.sequences import Sequences

LIKE = 8  # batches drawn at once, parted by length


@dataclass(frozen=True)
class Held:
    """Sequences: ``frames`` uint8 ``(count, longest, channels)``, zeros behind each one's ``lengths``, ``labels``."""

    frames: Tensor
    lengths: Tensor
    labels: Tensor

    @classmethod
    def of(cls, sequences: Sequences, longest: int, device: torch.device | None = None) -> Self:
        """Return ``sequences``, of longer ones than ``longest`` frames the first frames."""
        frames, lengths = sequences.padded()
        assert sequences.labels is not None  # of all sets
        parts = (frames[:, :longest], np.minimum(lengths, longest), sequences.labels)
        return cls(*(torch.tensor(part, device=device) for part in parts))

    def __len__(self) -> int:
        return len(self.labels)

    def chosen(self, numbers: Tensor) -> Self:
        """Return the sequences ``numbers``, padded as they want."""
        lengths = self.lengths[numbers]
        return type(self)(self.frames[numbers, : int(lengths.max())], lengths, self.labels[numbers])

    def batches(self, size: int, generator: torch.Generator | None = None) -> Iterator[Self]:
        """Yield all sequences in batches of ``size``: in order, or with a ``generator`` in a random one.

        Then batches are parted by length among :data:`LIKE` of them, so that little is padding, and one that would hold
        a single sequence is left out.
        """
        if generator is None:
            for numbers in torch.arange(len(self)).split(size):
                yield self.chosen(numbers)
            return
        order, found = torch.randperm(len(self), generator=generator), list[Tensor]()
        for drawn in order.split(LIKE * size):
            found += drawn[self.lengths.cpu()[drawn].argsort(stable=True)].split(size)
        for place in torch.randperm(len(found), generator=generator).tolist():
            if len(found[place]) > 1:
                yield self.chosen(found[place])


def pixels(frames: Tensor, bits: int) -> Tensor:
    """Return the top ``bits`` bits of uint8 ``frames`` as floats."""
    return (frames >> (8 - bits)).float()


def going(times: int, lengths: Tensor) -> Tensor:
    """Return bool ``(times, batch)``: whether a time is one of the ``lengths`` of each sequence."""
    return torch.arange(times, device=lengths.device)[:, None] < lengths
