import io
import tarfile
import zipfile

import numpy as np
import pytest

from s2nn_hw.errors import UserError
from s2nn_hw.network.sequences import Sequences
from s2nn_hw.quantize.audio.log_mel import log_mel
from s2nn_hw.quantize.audio.recordings import read_samples
from s2nn_hw.quantize.data import fsdd, sequence_sets, sets, source, vowels
from s2nn_hw.quantize.recipe import from_dict
from s2nn_hw.quantize.settings import Data
from tests.quantize.test_recordings import wav

SAMPLES = sets.Path(sets.__file__).parents[1] / "samples"


@pytest.mark.parametrize(("name", "count"), [("fsdd", 60), ("japanese-vowels", 90), ("mnist-rows", 300)])
def test_samples_are_labelled_sequences(name, count):
    info, found = sequence_sets.sequence_set(name), sequence_sets.samples(name)
    assert len(found) == count
    assert (found.channels,) == info.shape
    assert found.classes == info.classes
    assert set(found.labels.tolist()) == set(range(len(info.classes)))
    assert found.frames.max() == 255


def test_the_sample_of_digits_is_of_every_speaker():
    found = sequence_sets.samples("fsdd")
    pairs = set(zip(found.groups.tolist(), found.labels.tolist(), strict=True))
    assert pairs == {(speaker, digit) for speaker in fsdd.SPEAKERS for digit in range(10)}


def test_sample_recordings_give_the_sample_frames():
    found = sequence_sets.samples("fsdd")
    files = sorted(SAMPLES.glob("*.wav"))
    assert len(files) == 3
    for file in files:
        digit, speaker, _ = file.stem.split("_")
        place = np.flatnonzero((found.labels == int(digit)) & (found.groups == speaker))
        assert np.array_equal(log_mel(read_samples(file)), found[int(place[0])])


def test_rows_are_those_of_the_images():
    images, labels = sets.samples("mnist")
    found = sequence_sets.samples("mnist-rows")
    assert np.array_equal(found[7], images[7])
    assert np.array_equal(found.labels, labels)
    assert set(found.lengths.tolist()) == {28}


def recordings(takes=6):
    """As many short recordings of each speaker and digit, each its own."""
    random = np.random.default_rng(1)
    return {
        (take, speaker, digit): (random.normal(size=300 + 10 * take) * 4000).astype(np.int16)
        for take in range(takes)
        for speaker in fsdd.SPEAKERS[:2]
        for digit in range(10)
    }


def files(held):
    return {f"{digit}_{speaker}_{take}.wav": wav(samples) for (take, speaker, digit), samples in held.items()}


def pack(path, held, folder="recordings", mode="w:xz"):
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, mode) as archive:
        for name, content in files(held).items():
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Few recordings, and the module's digest set to theirs."""
    held = recordings()
    monkeypatch.setattr(fsdd, "DIGEST", fsdd.digest(held))
    monkeypatch.setenv(sets.FOLDER_VARIABLE, str(tmp_path))
    return held


def test_digits_come_from_an_archive_or_a_folder(tmp_path, small):
    assert not sequence_sets.present("fsdd", "test")
    pack(tmp_path / "fsdd" / "v1.0.10.tar.gz", small, "free-spoken-digit-dataset-1.0.10/recordings", "w:gz")
    first = sequence_sets.load("fsdd", "test")
    pack(tmp_path / "fsdd-recordings.tar.xz", small)
    assert fsdd.source(tmp_path).name == "fsdd-recordings.tar.xz"
    second = sequence_sets.load("fsdd", "test")
    for name, content in files(small).items():
        (tmp_path / "fsdd" / name).write_bytes(content)
    assert fsdd.source(tmp_path) == tmp_path / "fsdd"
    third = sequence_sets.load("fsdd", "test")
    assert np.array_equal(first.frames, second.frames)
    assert np.array_equal(first.frames, third.frames)
    assert sequence_sets.present("fsdd", "test")


def test_the_official_test_part_is_the_first_five(tmp_path, small):
    pack(tmp_path / "fsdd-recordings.tar.xz", small)
    test, train = (sequence_sets.load("fsdd", part) for part in ("test", "train"))
    assert (len(test), len(train)) == (100, 20)
    assert np.array_equal(test[0], log_mel(small[0, "george", 0]))
    assert set(train.groups.tolist()) == set(fsdd.SPEAKERS[:2])


def test_a_speaker_left_out_is_the_test(tmp_path, small):
    pack(tmp_path / "fsdd-recordings.tar.xz", small)
    test, train = (sequence_sets.load("fsdd", part, "jackson") for part in ("test", "train"))
    assert set(test.groups.tolist()) == {"jackson"}
    assert set(train.groups.tolist()) == {"george"}
    assert len(test) == len(train) == 60


def test_missing_recordings_are_downloaded(tmp_path, small, monkeypatch):
    import pooch

    asked = []

    def retrieve(url, known_hash, fname, path, downloader):
        asked.append(url)
        pack(path / fname, small, "x/recordings", "w:gz")

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    assert len(sequence_sets.load("fsdd", "test")) == 100
    assert asked == [sequence_sets.SEQUENCES["fsdd"].mirrors[0] + "v1.0.10.tar.gz"]


def test_other_recordings_are_refused(tmp_path, small):
    small[0, "george", 0][5] += 1
    pack(tmp_path / "fsdd-recordings.tar.xz", small)
    with pytest.raises(UserError, match="must hold the 3,000 recordings of Free Spoken Digits, these 120 are others"):
        sequence_sets.load("fsdd", "test")


def test_large_recordings_are_refused_before_they_are_read(tmp_path, small):
    (tmp_path / "fsdd").mkdir()
    with open(tmp_path / "fsdd" / "0_theo_0.wav", "wb") as file:
        file.truncate(fsdd.LARGEST + 1)
    with pytest.raises(UserError, match="more than the limit of 65,536"):
        sequence_sets.load("fsdd", "test")
    (tmp_path / "fsdd" / "0_theo_0.wav").unlink()
    pack(tmp_path / "fsdd-recordings.tar.xz", {(0, "theo", 0): np.zeros(fsdd.LARGEST, np.int16)})
    with pytest.raises(UserError, match=r"recordings/0_theo_0\.wav must be at most 65,536 bytes"):
        sequence_sets.load("fsdd", "test")


def test_damaged_archives_are_named(tmp_path, small):
    pack(tmp_path / "fsdd-recordings.tar.xz", small)
    path = tmp_path / "fsdd-recordings.tar.xz"
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(UserError, match=r"fsdd-recordings\.tar\.xz is not a whole archive"):
        sequence_sets.load("fsdd", "test")


def ts(rows, head="@data\n"):
    lines = [
        ":".join(",".join(f"{v:.6f}" for v in channel) for channel in values.T) + f":{label}" for values, label in rows
    ]
    return head + "\n".join(lines) + "\n"


@pytest.fixture
def spoken(monkeypatch, tmp_path):
    """Files of few recordings in the form of JapaneseVowels, and the module's counts and digests set to theirs."""
    random = np.random.default_rng(2)
    texts = {}
    for part, count in (("train", 9), ("test", 12)):
        rows = [(random.normal(size=(7 + n, 12)), n % 9 + 1) for n in range(count)]
        texts[part] = ts(rows, "#note\n@dimensions 12\n\n@data\n")
        monkeypatch.setitem(vowels.COUNTS, part, count)
        monkeypatch.setitem(vowels.DIGESTS, part, vowels.digest(*vowels.parse(texts[part], "x", 12)))
    monkeypatch.setenv(sets.FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(vowels, "_installed", lambda: None)
    (tmp_path / vowels.FOLDER).mkdir()
    return texts


def test_vowels_that_are_nowhere(tmp_path, monkeypatch):
    monkeypatch.setattr(sequence_sets, "root", lambda: tmp_path)
    monkeypatch.setattr(vowels, "_installed", lambda: None)
    with pytest.raises(UserError, match=r"JapaneseVowels is not here: pip download --no-deps aeon==1\.6\.0 -d"):
        sequence_sets.load("japanese-vowels", "test")


def test_vowels_come_from_files_an_archive_or_a_package(tmp_path, spoken, monkeypatch):
    folder, found = tmp_path / vowels.FOLDER, []
    assert not sequence_sets.present("japanese-vowels", "train")
    for name in (vowels.WHEEL, vowels.ZIP):
        with zipfile.ZipFile(folder / name, "w") as archive:
            for part, text in spoken.items():
                archive.writestr(f"aeon/datasets/data/JapaneseVowels/{vowels.FILES[part]}", text)
        assert vowels.source(tmp_path) == folder / name
        found.append(sequence_sets.load("japanese-vowels", "test"))
    for part, text in spoken.items():
        (folder / vowels.FILES[part]).write_text(text)
    found.append(sequence_sets.load("japanese-vowels", "test"))
    monkeypatch.setattr(vowels, "_installed", lambda: folder)
    assert vowels.source(tmp_path / "nowhere") == folder
    assert all(np.array_equal(one.frames, found[0].frames) for one in found)
    assert sorted(found[0].lengths.tolist()) == list(range(7, 19))


def test_channels_lie_between_their_extremes_in_training(tmp_path, spoken):
    for part, text in spoken.items():
        (tmp_path / vowels.FOLDER / vowels.FILES[part]).write_text(text)
    train = sequence_sets.load("japanese-vowels", "train")
    assert train.frames.min(axis=0).tolist() == [0] * 12
    assert train.frames.max(axis=0).tolist() == [255] * 12
    assert sorted(train.labels.tolist()) == list(range(9))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("1,2:3,4:1", "line 1 must have 12 channels and a label, with colons, not 2 channels"),
        (":".join(["1,2"] * 11 + ["1", "1"]), "line 1: channels must be of one length"),
        (":".join(["1,?"] * 12 + ["1"]), r"line 1: a finite number is wanted, not '\?'"),
        (":".join(["1,nan"] * 12 + ["1"]), "a finite number is wanted, not 'nan'"),
        (":".join([",".join("1" * 16_385)] * 12 + ["1"]), "of at most 16,384 frames"),
    ],
)
def test_lines_that_are_wrong_are_named(line, words):
    with pytest.raises(UserError, match=words):
        vowels.parse(line, "file", 12)


def test_other_vowels_are_refused(tmp_path, spoken):
    for part in spoken:
        (tmp_path / vowels.FOLDER / vowels.FILES[part]).write_text(spoken["train"])
    with pytest.raises(UserError, match="must hold the 12 recordings of JapaneseVowels, test part, these 9 are others"):
        sequence_sets.load("japanese-vowels", "test")


@pytest.mark.parametrize("content", [b"<html>", b"", {"other.ts": b""}, {vowels.FILES["train"]: b"\xff"}])
def test_archives_that_are_wrong_are_named(tmp_path, spoken, content):
    path = tmp_path / vowels.FOLDER / vowels.ZIP
    if isinstance(content, dict):
        with zipfile.ZipFile(path, "w") as archive:
            for name, inside in content.items():
                archive.writestr(name, inside)
    else:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"JapaneseVowels.zip (can't be read|must hold JapaneseVowels_TRAIN.ts)"):
        sequence_sets.load("japanese-vowels", "train")


def drawn(sizes):
    """Sequences, so many of each pair of group and label."""
    pairs = [pair for pair, size in sizes.items() for _ in range(size)]
    parts = [np.full((1, 1), n % 256, np.uint8) for n in range(len(pairs))]
    groups, labels = zip(*pairs, strict=True)
    return Sequences.of(parts, labels=np.array(labels), groups=np.array(groups))


def test_validation_is_drawn_from_every_speaker_and_class():
    whole = drawn({(speaker, digit): 45 for speaker in "abcdef" for digit in range(10)})
    train, held = sequence_sets.held_out(whole, 300, 0)
    assert (len(train), len(held)) == (2400, 300)
    pairs = list(zip(held.groups.tolist(), held.labels.tolist(), strict=True))
    assert {pairs.count(pair) for pair in set(pairs)} == {5}
    again, other = (sequence_sets.held_out(whole, 300, seed)[1] for seed in (0, 1))
    assert np.array_equal(held.frames, again.frames)
    assert not np.array_equal(held.frames, other.frames)


def test_validation_and_training_are_the_whole():
    whole = drawn({("a", 0): 7, ("a", 1): 3, ("b", 1): 20})
    train, held = sequence_sets.held_out(whole, 10, 3)
    assert sorted(train.frames[:, 0].tolist() + held.frames[:, 0].tolist()) == list(range(30))
    assert np.bincount(held.labels).tolist() in ([2, 8], [3, 7])
    assert sequence_sets.held_out(whole, 0, 3) == (whole, None)


def test_validation_has_limits():
    whole = drawn({("a", 0): 4, ("b", 1): 4})
    with pytest.raises(UserError, match="must hold out at most half of the 8 recordings for training, not 5"):
        sequence_sets.held_out(whole, 5, 0)
    with pytest.raises(UserError, match="is drawn by label, and there are none"):
        sequence_sets.held_out(Sequences.of([np.zeros((1, 1), np.uint8)] * 4), 1, 0)


def test_a_recipe_says_who_is_left_out(tmp_path, small):
    pack(tmp_path / "fsdd-recordings.tar.xz", small)
    data = Data(set="fsdd", pixel_bits=4, validation=20, left_out="george", seed=5)
    train, held = source.sequences(data)
    assert (len(train), len(held)) == (40, 20)
    assert set(train.groups.tolist()) == set(held.groups.tolist()) == {"jackson"}
    assert (source.shape(data), source.classes(data)) == ((32,), tuple("0123456789"))
    assert source.title(data) == "Free Spoken Digits (george left out)"


@pytest.mark.parametrize(
    ("data", "augment", "words"),
    [
        ({"set": "fsdd", "left_out": "ann"}, {}, "key 'data.left_out' must be one of george, .*, not 'ann'"),
        (
            {"set": "japanese-vowels", "left_out": "theo"},
            {},
            "key 'data.left_out' is for data sets with speakers: fsdd",
        ),
        ({"set": "mnist", "left_out": "theo"}, {}, "key 'data.left_out' is for data sets with speakers: fsdd"),
        ({"set": "fsdd", "left_out": "theo"}, {}, "key 'neuron' of sequences must be one of .*, not fire"),
        ({"set": "fsdd"}, {"flip": True}, "'augment.flip' is for images; sequences take shift_frames"),
        ({"set": "mnist"}, {"shift_frames": 4}, "key 'augment.shift_frames' is for sequences: fsdd"),
        ({"set": "mnist"}, {"mask_channels": 4}, "key 'augment.mask_channels' is for sequences"),
    ],
)
def test_recipes_are_told_what_goes_with_sequences(data, augment, words):
    recipe = {
        "name": "x",
        "data": data | {"pixel_bits": 4},
        "layers": [{"neurons": 8, "bits": 4}],
        "readout": {"bits": 4},
        "training": {"epochs": 1, "batch": 8, "learning_rate": 0.01},
        "augment": augment,
    }
    with pytest.raises(UserError, match=words):
        from_dict(recipe)


def test_unknown_sets_are_refused():
    with pytest.raises(UserError, match="known: fsdd, japanese-vowels, mnist-rows"):
        sequence_sets.load("timit", "train")


@pytest.mark.skipif(not sequence_sets.present("fsdd", "test"), reason="no recordings in $S2NN_DATA")
def test_the_real_digits_are_as_many_as_they_should_be():
    found = sequence_sets.load("fsdd", "test")
    assert np.bincount(found.labels).tolist() == [30] * 10
    assert (found.lengths.min(), found.lengths.max()) == (7, 70)
    shipped = sequence_sets.samples("fsdd")
    assert np.array_equal(found.chosen(slice(60)).frames, shipped.frames)
