"""The benchmark that leaves each speaker out: a row each, and the mean against the figure to reach."""

import json

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
