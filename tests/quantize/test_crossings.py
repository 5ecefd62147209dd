import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2nn_hw.errors import UserError
from s2nn_hw.network.sequences import MAX_FRAMES, Sequences
from s2nn_hw.quantize.audio.crossings import LevelCrossings, level_crossings, planes


def made(count, channels, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (count, channels)).astype(np.uint8)


def golden(frames, step, ticks):
    """One channel and tick after the other, as the module says it."""
    references, events = [0] * frames.shape[1], []
    for frame in frames.tolist():
        for _ in range(ticks):
            row = []
            for channel, value in enumerate(frame):
                event = 2 if value - references[channel] >= step else int(references[channel] - value >= step)
                references[channel] += {2: step, 1: -step, 0: 0}[event]
                row.append(event)
            events.append(row)
    return np.array(events, np.uint8)


@pytest.mark.parametrize(("step", "ticks"), [(1, 1), (16, 1), (16, 4), (100, 7), (255, 2)])
def test_events_are_those_of_the_definition(step, ticks):
    frames = made(20, 5)
    assert np.array_equal(LevelCrossings(5, step, ticks).push(frames), golden(frames, step, ticks))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 9), max_size=8), st.integers(1, 64), st.integers(1, 3))
def test_a_stream_in_pieces_gives_the_events_of_the_whole(sizes, step, ticks):
    frames, coder, parts, place = made(30, 3), LevelCrossings(3, step, ticks), [], 0
    for size in [*sizes, 30]:
        parts.append(coder.push(frames[place : place + size]))
        place += size
    assert np.array_equal(np.concatenate(parts), LevelCrossings(3, step, ticks).push(frames))


def test_steps_of_the_events_follow_the_channel():
    """With enough ticks the reference is never a step away at a frame's end."""
    frames, step, ticks = made(40, 4), 16, 16
    events = LevelCrossings(4, step, ticks).push(frames).astype(int)
    references = step * np.cumsum((events >> 1) - (events & 1), axis=0)[ticks - 1 :: ticks]
    assert np.abs(references - frames).max() < step


def test_still_channels_are_silent_and_no_event_is_both():
    assert not LevelCrossings(2, 8).push(np.full((9, 2), 7, np.uint8)).any()
    assert set(np.unique(LevelCrossings(4, 8).push(made(50, 4)))) == {0, 1, 2}


def test_sequences_begin_anew_and_keep_their_labels():
    frames = made(7, 3)
    both = Sequences.of([frames, frames], labels=np.array([1, 0]), groups=np.array(["a", "b"]), classes=("x", "y"))
    found = level_crossings(both, 32, 2)
    assert found.bits == 2
    assert found.lengths.tolist() == [14, 14]
    assert np.array_equal(found[0], found[1])
    assert found.labels.tolist() == [1, 0]
    assert found.groups.tolist() == ["a", "b"]
    split = planes(found[0])
    assert split.shape == (14, 6)
    assert np.array_equal(2 * split[:, :3] + split[:, 3:], found[0])


def test_steps_and_ticks_have_limits():
    for step, ticks in ((0, 1), (256, 1), (1, 0), (1, 65)):
        with pytest.raises(UserError, match="want a step of 1 to 255 and 1 to 64 ticks"):
            LevelCrossings(1, step, ticks)
    long = Sequences.of([np.zeros((MAX_FRAMES // 2 + 1, 1), np.uint8)])
    with pytest.raises(UserError, match="2 ticks a frame make 16,386 ticks; the limit is 16,384"):
        level_crossings(long, 16, 2)
