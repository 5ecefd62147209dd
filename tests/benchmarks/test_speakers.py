"""The benchmark that leaves each speaker out: a row each, and the mean against the figure to reach."""

import dataclasses
import json

import numpy as np
import pytest

from tests.support.sequence_recipes import random_sequences


def test_each_speaker_is_left_out_once(tmp_path, monkeypatch):
    from benchmarks import speakers
    from benchmarks.frame import Setting
    from s2nn_hw.quantize.data import sequence_sets
    from s2nn_hw.quantize.data.fsdd import SPEAKERS

    asked = []

    def load(name, part, left_out=None):
        asked.append((name, left_out))
        return random_sequences(60, channels=32, classes=10)

    recipe = tmp_path / "tiny.toml"
    recipe.write_text(
        'data = {set = "fsdd", pixel_bits = 4}\nsequence = {ticks = 2}\ntraining = {epochs = 1, batch = 30}\n'
        'readout = {bits = 3}\nlayers = [{neurons = 5, bits = 3, neuron = "sigma_delta_encoder"}]\n'
    )
    monkeypatch.setattr(sequence_sets, "load", load)
    monkeypatch.setattr(speakers, "RECIPE", recipe)
    rows = speakers.run(Setting(None, recipe, None, "", tmp_path))
    shares = [row.measured for row in rows if row.unit == "%"]
    assert len(rows) == 2 * len(SPEAKERS) + 1
    assert shares[-1] == pytest.approx(sum(shares[:-1]) / len(SPEAKERS))
    assert rows[-1].reference == speakers.MEAN
    assert {left_out for _, left_out in asked} == set(SPEAKERS)
    log = json.loads(next((tmp_path / "speakers" / SPEAKERS[0]).glob("*.log.json")).read_text())
    assert log["recipe"]["data"]["left_out"] == SPEAKERS[0]
    assert len(log["epochs"]) == 1


def test_pairs_are_left_out_with_both_batches(tmp_path, monkeypatch):
    from benchmarks import speaker_pairs
    from benchmarks.frame import Setting
    from s2nn_hw.quantize.data import sequence_sets
    from s2nn_hw.quantize.data.fsdd import SPEAKERS
    from s2nn_hw.quantize.sequences.held import Held

    assert {speaker for pair in speaker_pairs.PAIRS for speaker in pair} == set(SPEAKERS)
    groups, trained = np.array(SPEAKERS * 10), []

    def load(name, part, left_out=None):
        whole = dataclasses.replace(random_sequences(60, channels=32, classes=10), groups=groups)
        return whole if left_out is None else whole.chosen((groups == left_out) == (part == "test"))

    class Watched(Held):
        @classmethod
        def of(cls, sequences, longest, device=None):
            trained.append(sorted(set(sequences.groups.tolist())))
            return Held.of(sequences, longest, device)

    recipe = tmp_path / "tiny.toml"
    recipe.write_text(
        'data = {set = "fsdd", pixel_bits = 4}\nsequence = {ticks = 2}\ntraining = {epochs = 1, batch = 30}\n'
        'readout = {bits = 3}\nlayers = [{neurons = 5, bits = 3, neuron = "sigma_delta_encoder"}]\n'
    )
    monkeypatch.setattr(sequence_sets, "load", load)
    monkeypatch.setattr("s2nn_hw.quantize.sequences.held.Held", Watched)
    monkeypatch.setattr(speaker_pairs, "RECIPE", recipe)
    rows = speaker_pairs.run(Setting(None, recipe, None, "", tmp_path))
    assert len(rows) == 4 * len(speaker_pairs.PAIRS) + 1
    others, first, second = trained[:3]
    assert (first, second) == (["george"], ["jackson"])
    assert set(others) == set(SPEAKERS) - {"george", "jackson"}
    half = len(rows) // 2
    assert rows[-1].measured == pytest.approx(sum(row.measured for row in rows[:half]) / half)
    assert rows[-1].reference == pytest.approx(sum(row.measured for row in rows[half:-1]) / half)
    trained.clear()
    assert speaker_pairs.run(Setting(None, recipe, None, "", tmp_path)) == rows
    assert not trained  # what was kept is not done again
