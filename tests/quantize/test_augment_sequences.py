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


def augmented(frames, seed=0, most=None, **options):
    return augment_sequences(frames, LENGTHS, Augment(**options), torch.Generator().manual_seed(seed), most=most)


def changed(seed=0, **options):
    """Return the frames, where lengths stay."""
    found, lengths = augmented(batch(), seed, **options)
    assert torch.equal(lengths, LENGTHS)
    return found


def test_nothing_is_done_where_nothing_is_said():
    frames = batch()
    found, lengths = augment_sequences(frames, LENGTHS, Augment(), torch.Generator())
    assert found is frames
    assert lengths is LENGTHS


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
    found, _ = augmented(frames, shift_channels=2)
    seen = set()
    for after, length in zip(found, LENGTHS.tolist(), strict=True):
        move = 13 - int(after[0, 3])
        places = (torch.arange(8) - move).clamp(0, 7)
        assert torch.equal(after[:length], (10 + places).expand(length, -1).to(torch.uint8))
        assert not after[length:].any()
        seen.add(move)
    assert seen == {-2, -1, 0, 1, 2}
    assert augmented(frames, shift_channels=64)[0].shape == frames.shape


def test_tempo_makes_sequences_longer_and_shorter():
    frames = batch() * 10  # so that there is something between frames
    found, lengths = augmented(frames, tempo=0.3)
    factors = lengths / LENGTHS
    assert (lengths >= 1).all()
    assert factors[LENGTHS > 10].min() < 0.8
    assert factors[LENGTHS > 10].max() > 1.2
    assert ((lengths - LENGTHS).abs() <= 0.3 * LENGTHS + 0.5).all()
    for before, after, old, new in zip(frames, found, LENGTHS.tolist(), lengths.tolist(), strict=True):
        assert not after[new:].any()
        wanted = 10 + 10 * np.arange(new) * (old - 1) / max(1, new - 1)  # a ramp stays one, its ends its ends
        assert np.abs(after[:new, 0].numpy() - wanted).max() <= 0.51
        assert torch.equal(after[0], before[0])


def test_no_sequence_gets_longer_than_a_network_takes():
    found, lengths = augmented(batch(), tempo=0.5, most=20)
    assert lengths.max() == found.shape[1] == 20
    longer, _ = augmented(batch(), tempo=0.5)
    assert longer.shape[1] > 20
    assert torch.equal(longer[:, :20], found)


def test_channels_part_and_draw_together_and_the_first_stays():
    frames = (batch() > 0) * (20 * torch.arange(1, 9, dtype=torch.uint8))
    found, _ = augmented(frames, warp_channels=0.25)
    seventh = found[:, 0, 6].double()
    for after, length in zip(found, LENGTHS.tolist(), strict=True):
        place = after[0, 1] / 20 - 1  # of the second channel: the factor
        wanted = (20 + 20 * np.arange(8) * float(place)).clip(max=160)
        assert np.abs(after[:length].numpy() - wanted).max() <= 3.6  # 7 times the rounding of one
        assert not after[length:].any()
    assert 140 - 30 <= seventh.min() < 120
    assert 150 < seventh.max() <= 160


def test_a_gain_is_a_line_over_the_channels_and_silence_stays():
    frames = (batch() > 0) * torch.tensor([0, 1, 100, 100, 100, 100, 250, 255], dtype=torch.uint8)
    found, _ = augmented(frames, channel_gain=40)
    inner = found[:, 0, 2:6].double()
    assert not found[:, :, 0].any()
    assert ((inner - 100).abs() <= 40).all()
    assert (inner.std(dim=1) > 2).double().mean() > 0.7  # not one number for all channels
    assert inner.mean(dim=1).min() < 85
    assert inner.mean(dim=1).max() > 115
    assert found.max() == 255
    for after, length in zip(found, LENGTHS.tolist(), strict=True):
        assert (after[:length] == after[0]).all()  # the same all along
        assert not after[length:].any()


def test_noise_is_a_floor_below_what_is_said():
    frames = (batch() > 0) * torch.tensor([0, 0, 0, 0, 20, 90, 130, 255], dtype=torch.uint8)
    found, _ = augmented(frames, noise_floor=80)
    assert (found >= frames).all()
    assert torch.equal(found[..., 6:], frames[..., 6:])  # above 80 and the 16 beside it nothing changes
    silent = found[frames.max(dim=2).values > 0][:, :4].double()
    assert silent.max() <= 80 + 16
    assert silent.mean(dim=1).min() < 10
    assert silent.mean(dim=1).max() > 60
    assert not found[frames.max(dim=2).values == 0].any()  # behind the sequences
    longest = found[LENGTHS == 20]
    assert not torch.equal(longest[:, 0], longest[:, 1])  # it is not the same all along


def test_more_channels_than_there_are_may_be_said():
    assert changed(mask_channels=64).shape == batch().shape


def test_a_share_stays_as_it_is():
    found = changed(shift_frames=4, mask_channels=4, clean=1.0)
    assert torch.equal(found, batch())
    same = [torch.equal(a, b) for a, b in zip(changed(mask_channels=4, clean=0.5), batch(), strict=True)]
    assert 0.4 < np.mean(same) < 0.9


def test_a_share_keeps_its_length():
    found, lengths = augmented(batch(), tempo=0.5, clean=0.5)
    same = lengths == LENGTHS
    assert 0.4 < same.double().mean() < 0.9
    padded = torch.zeros_like(found)
    padded[:, :20] = batch()
    assert torch.equal(found[same & (LENGTHS > 9)], padded[same & (LENGTHS > 9)])


@pytest.mark.parametrize(
    "options",
    [
        {"shift_frames": 4},
        {"mask_channels": 4, "clean": 0.2},
        {"tempo": 0.2},
        {"warp_channels": 0.2},
        {"channel_gain": 9.5},
        {"noise_floor": 40},
    ],
)
def test_the_generator_says_everything(options):
    """An epoch that is begun again from its seed sees the same sequences."""
    frames = batch() * torch.arange(1, 9, dtype=torch.uint8)
    assert torch.equal(augmented(frames, 3, **options)[0], augmented(frames, 3, **options)[0])
    assert not np.array_equal(augmented(frames, 3, **options)[0], augmented(frames, 4, **options)[0])
    generator = torch.Generator().manual_seed(3)
    first, _ = augment_sequences(frames, LENGTHS, Augment(**options), generator)
    state = generator.get_state()
    second, _ = augment_sequences(frames, LENGTHS, Augment(**options), generator)
    generator.set_state(state)
    assert torch.equal(second, augment_sequences(frames, LENGTHS, Augment(**options), generator)[0])
    assert not np.array_equal(first, second)
