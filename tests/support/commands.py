"""The command line as tests call it."""

import sys

import pytest

from s2nn_hw.cli import main


@pytest.fixture
def command(monkeypatch, capsys):
    def call(*words):
        monkeypatch.setattr(sys, "argv", ["s2nn-hw", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            main.main()
        streams = capsys.readouterr()
        return stop.value.code, streams.out, streams.err

    return call


def refused(result, *texts):
    code, _, err = result
    assert code == 2, result
    assert err.startswith("error: "), err
    assert len(err.strip().splitlines()) == 1, err
    for text in texts:
        assert text in err, err
