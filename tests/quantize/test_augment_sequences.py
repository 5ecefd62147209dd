import numpy as np
import pytest
import torch

from s2nn_hw.quantize.data.augment_sequences import augment_sequences
from s2nn_hw.quantize.settings import Augment

LENGTHS = torch.tensor([1, 2, 9, 20, 20, 14] * 20)


def batch():
    """Frames that say their own place in time, from 1 on, and 0 behind each sequence's end."""
    times = torch.arange(1, 21)[None, :, None].expand(len(LENGTHS), 20, 8)
    return (times * (times <= LENGTHS[:, None, None])).to(torch.uint8)


def changed(seed=0, **options):
    return augment_sequences(batch(), LENGTHS, Augment(**options), torch.Generator().manual_seed(seed))


def test_nothing_is_done_where_nothing_is_said():
    frames = batch()
    assert augment_sequences(frames, LENGTHS, Augment(), torch.Generator()) is frames


def test_sequences_move_by_whole_frames_and_keep_their_length():
    frames, found, seen = batch(), changed(shift_frames=4), set()
    assert found.dtype == torch.uint8
    for before, after, length in zip(frames, found, LENGTHS.tolist(), strict=True):
        most = min(4, (length - 1) // 2)
        moves = [
            move
            for move in range(-most, most + 1)
            if all(
                torch.equal(after[t], before[t - move] if 0 <= t - move < length else torch.zeros_like(after[t]))
                for t in range(length)
            )
        ]
        assert len(moves) == 1
        assert not after[length:].any()
        seen |= set(moves)
    assert seen == set(range(-4, 5))


def test_neighbouring_channels_are_masked():
    frames, found = batch(), changed(mask_channels=3)
    widths = set()
    for before, after in zip(frames, found, strict=True):
        masked = np.flatnonzero((after == 0).all(dim=0).numpy())
        widths.add(len(masked))
        assert len(masked) in (0, 1) or (np.diff(masked) == 1).all()
        kept = np.setdiff1d(np.arange(8), masked)
        assert torch.equal(after[:, kept], before[:, kept])
    assert widths == {0, 1, 2, 3}


def test_channels_move_and_the_edge_stays():
    frames = (batch() > 0) * torch.arange(10, 18, dtype=torch.uint8)
    found = augment_sequences(frames, LENGTHS, Augment(shift_channels=2), torch.Generator().manual_seed(0))
    seen = set()
    for after, length in zip(found, LENGTHS.tolist(), strict=True):
        move = 13 - int(after[0, 3])
        places = (torch.arange(8) - move).clamp(0, 7)
        assert torch.equal(after[:length], (10 + places).expand(length, -1).to(torch.uint8))
        assert not after[length:].any()
        seen.add(move)
    assert seen == {-2, -1, 0, 1, 2}
    more = Augment(shift_channels=64)
    assert augment_sequences(frames, LENGTHS, more, torch.Generator().manual_seed(0)).shape == frames.shape


def test_more_channels_than_there_are_may_be_said():
    assert changed(mask_channels=64).shape == batch().shape


def test_a_share_stays_as_it_is():
    found = changed(shift_frames=4, mask_channels=4, clean=1.0)
    assert torch.equal(found, batch())
    same = [torch.equal(a, b) for a, b in zip(changed(mask_channels=4, clean=0.5), batch(), strict=True)]
    assert 0.4 < np.mean(same) < 0.9


@pytest.mark.parametrize("options", [{"shift_frames": 4}, {"mask_channels": 4, "clean": 0.2}])
def test_the_generator_says_everything(options):
    """An epoch that is begun again from its seed sees the same sequences."""
    assert torch.equal(changed(3, **options), changed(3, **options))
    assert not torch.equal(changed(3, **options), changed(4, **options))
    generator = torch.Generator().manual_seed(3)
    first = augment_sequences(batch(), LENGTHS, Augment(**options), generator)
    state = generator.get_state()
    second = augment_sequences(batch(), LENGTHS, Augment(**options), generator)
    generator.set_state(state)
    assert torch.equal(second, augment_sequences(batch(), LENGTHS, Augment(**options), generator))
    assert not torch.equal(first, second)
