import numpy as np
import pytest

from s2nn_hw.errors import UserError
from s2nn_hw.network.sequences import MAX_CHANNELS, MAX_FRAMES, Sequences, read_sequences, write_sequences

PARTS = [np.full((n, 3), n, np.uint8) for n in (2, 1, 4)]


def made(**entries):
    return Sequences.of(PARTS, **entries)


def full(**entries):
    return made(labels=np.array([1, 0, 1]), groups=np.array(["ann", "bob", "ann"]), bits=4, classes=("a", "b"))


def test_frames_lie_one_sequence_behind_the_other():
    found = made()
    assert found.offsets.tolist() == [0, 2, 3, 7]
    assert (len(found), found.channels, found.lengths.tolist()) == (3, 3, [2, 1, 4])
    assert all(np.array_equal(a, b) for a, b in zip(found, PARTS, strict=True))


def test_some_are_chosen_by_number_or_by_a_mask():
    found = full().chosen([2, 0])
    assert found.lengths.tolist() == [4, 2]
    assert (found.labels.tolist(), found.groups.tolist(), found.bits, found.classes) == (
        [1, 1],
        ["ann", "ann"],
        4,
        ("a", "b"),
    )
    assert full().chosen(np.array([False, True, False]))[0].tolist() == [[1, 1, 1]]
    with pytest.raises(UserError, match="there is no sequence"):
        full().chosen([])


def test_padding_is_zero_behind_the_end():
    frames, lengths = full().padded([0, 2])
    assert lengths.tolist() == [2, 4]
    assert frames[:, :, 0].tolist() == [[2, 2, 0, 0], [4, 4, 4, 4]]
    assert full().padded()[0].shape == (3, 4, 3)


@pytest.mark.parametrize("sequences", [made(), full()])
def test_files_give_what_was_written(tmp_path, sequences):
    path = tmp_path / "a.npz"
    write_sequences(path, sequences)
    found = read_sequences(path)
    for name in ("frames", "offsets", "labels", "groups", "bits", "classes"):
        assert np.array_equal(getattr(found, name), getattr(sequences, name)), name
    assert found.frames.dtype == np.uint8
    assert found.name == f"sequences {path}"


FRAMES = np.zeros((7, 3), np.uint8)
OFFSETS = np.array([0, 2, 3, 7])


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"frames": FRAMES.astype(np.int16)}, "frames must be uint8 .*, not int16"),
        ({"frames": FRAMES[:, 0]}, r"frames must be uint8 \(frames, channels\), not uint8 \(7,\)"),
        ({"frames": FRAMES[:, :0]}, "must have 1 to 4,096 channels, not 0"),
        ({"frames": np.zeros((7, MAX_CHANNELS + 1), np.uint8)}, "channels, not 4,097"),
        ({"frames": FRAMES + 16, "bits": np.array(4)}, "values of 4 bits end at 15, not at 16"),
        ({"bits": np.array(9)}, "values must be of 1 to 8 bits, not 9"),
        ({"bits": np.array([4])}, "bits one integer"),
        ({"offsets": np.array([0])}, "offsets must be int64, one more than sequences"),
        ({"offsets": np.array([0.0, 7.0])}, "offsets must be integers"),
        ({"offsets": np.array([0, 2, 6])}, "must go from 0 to the 7 frames that there are, not from 0 to 6"),
        ({"offsets": np.array([1, 2, 7])}, "not from 1 to 7"),
        ({"offsets": np.array([0, 2, 2, 7])}, "sequence 1 must have 1 to 16,384 frames, not 0"),
        ({"offsets": np.array([0, 5, 3, 7])}, "sequence 1 must have 1 to 16,384 frames, not -2"),
        ({"offsets": np.array([0, 2**62, -(2**62), 7])}, "sequence 0 must have 1 to 16,384 frames"),
        ({"offsets": np.array([0, 2**63, 7], np.uint64)}, "offsets must lie below"),
        ({"frames": np.zeros((MAX_FRAMES + 1, 1), np.uint8), "offsets": np.array([0, MAX_FRAMES + 1])}, "not 16,385"),
        ({"labels": np.array([0, 1])}, "labels must be 3 integers"),
        ({"labels": np.array([0, 1, -1])}, "labels must lie in 0"),
        ({"labels": np.array([0, 1, 2]), "classes": np.array(["a", "b"])}, r"labels must lie in 0 \.\. 1"),
        ({"groups": np.array(["a", "b"])}, "3 groups are wanted, one a sequence"),
        ({"groups": np.array([1, 2, 3])}, "groups must be texts"),
    ],
)
def test_other_files_are_refused_in_a_line(tmp_path, entries, words):
    path = tmp_path / "a.npz"
    np.savez(path, **({"frames": FRAMES, "offsets": OFFSETS} | entries))
    with pytest.raises(UserError, match=words) as error:
        read_sequences(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("entries", [{"frames": FRAMES}, {"offsets": OFFSETS}, {"images": FRAMES}])
def test_files_without_both_arrays_are_refused(tmp_path, entries):
    np.savez(tmp_path / "a.npz", **entries)
    with pytest.raises(UserError, match=r"^sequences .* is not a .npz file with an array '(frames|offsets)'"):
        read_sequences(tmp_path / "a.npz")


def test_objects_are_not_unpickled(tmp_path):
    np.savez(tmp_path / "a.npz", frames=np.array([{}], object), offsets=OFFSETS)
    with pytest.raises(UserError, match=r"'frames' is no array of numbers \(it holds values of type"):
        read_sequences(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", frames=FRAMES, offsets=OFFSETS, labels=["one", "two"])
    with pytest.raises(UserError, match=r"^sequences .*a.npz: 'labels' is no array of numbers"):
        read_sequences(tmp_path / "a.npz")
    with pytest.raises(UserError, match=r"sequences .* does not exist"):
        read_sequences(tmp_path / "b.npz")


def test_parts_of_other_widths_and_none_are_refused():
    with pytest.raises(UserError, match=r"sequence 1 must have frames of 3 channels as the first has, not \(2, 4\)"):
        Sequences.of([PARTS[0], np.zeros((2, 4), np.uint8)])
    with pytest.raises(UserError, match="sequence 0 must have 1 to 16,384 frames, not 0"):
        Sequences.of([np.zeros((0, 2), np.uint8)])


def test_the_channels_of_a_network_are_asked_for():
    made().check_channels(3)
    with pytest.raises(UserError, match="sequences: frames of 12 channels are wanted, not of 3"):
        made().check_channels(12)


@pytest.mark.parametrize("seed", range(100))
def test_damaged_files_are_right_or_refused(tmp_path, seed):
    random, path = np.random.default_rng(seed), tmp_path / "a.npz"
    np.savez(path, frames=full().frames, offsets=OFFSETS, labels=np.array([1, 0, 1]), groups=np.array(["a", "b", "c"]))
    content = bytearray(path.read_bytes())
    for place in random.integers(0, len(content), 4):
        content[place] = random.integers(0, 256)
    path.write_bytes(content[: random.integers(0, 4 * len(content))])
    try:
        found, told = read_sequences(path), ""
    except UserError as error:
        found, told = made(), str(error)
    assert "\n" not in told
    assert found.offsets[-1] == len(found.frames)
