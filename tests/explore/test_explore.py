"""The search is the same however it is worked out: seeds, interruptions, folders and databases, the command."""

import sqlite3
from pathlib import Path

import pytest

from s2nn_hw.cli import exploration
from s2nn_hw.errors import UserError
from s2nn_hw.explore import search
from s2nn_hw.explore.settings import ImageSet, Settings, Source
from s2nn_hw.explore.space import Space
from s2nn_hw.explore.study import Study
from s2nn_hw.explore.workers import HereWorkers
from s2nn_hw.files import held
from tests.support.commands import refused
from tests.support.exploration import bare, explore


def test_same_seed_same_trials_however_they_are_worked_out(place):
    here = explore()
    assert here["counts"]["fits"] >= 4
    assert len(here["trials"]) == 8
    two = explore(jobs=2, output=Path("two"))
    assert bare(two) == bare(here)
    other = explore(seed=1, output=Path("other"))
    assert [t["parameters"] for t in other["trials"]] != [t["parameters"] for t in here["trials"]]


class Interrupted(HereWorkers):
    """Ctrl-C after so many results."""

    def __init__(self, after):
        self.after = after

    def run(self, jobs):
        for number, result in super().run(jobs):
            if not self.after:
                raise KeyboardInterrupt
            self.after -= 1
            yield number, result


@pytest.mark.parametrize("after", [0, 5])
def test_an_interrupted_exploration_goes_on_as_if_it_had_not_been(place, monkeypatch, after):
    whole = explore(output=Path("whole"))
    with monkeypatch.context() as patch:
        patch.setattr(exploration, "_workers", lambda options: Interrupted(after))
        with pytest.raises(UserError, match="of 8 trials; nothing is lost, the same command goes on"):
            explore()
    kept = len(list((place / "runs/explore/tiny-arty_a7/results").glob("*.json")))
    assert kept == after
    assert bare(explore()) == bare(whole)
    counted = []
    monkeypatch.setattr(search, "work", lambda *words: counted.append(words))
    assert bare(explore()) == bare(whole)
    assert not counted  # finished: nothing is worked out again


def test_more_trials_go_further_and_other_settings_are_refused(place):
    first = explore(trials=6)
    more = explore(trials=9)
    assert more["trials"][:6] == first["trials"]
    assert len(more["trials"]) == 9
    with pytest.raises(UserError, match="other settings, differing in 'budget' and 'seed'"):
        explore(seed=5, budget="luts=900")
    assert bare(explore(trials=9)) == bare(more)
    assert len(explore(trials=3, seed=5, fresh=True)["trials"]) == 3


def test_a_folder_in_the_database_s_place_is_named_and_taken_away_with_fresh(place):
    (place / "runs/explore/tiny-arty_a7/study.db").mkdir(parents=True)
    with pytest.raises(UserError, match=r"study\.db can't be used \(it is no file\); --fresh starts over"):
        explore(trials=3)
    assert len(explore(trials=3, fresh=True)["trials"]) == 3


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.write_bytes(b"nonsense, not a database" * 50), "can't be used"),
        (
            lambda path: sqlite3.connect(path).executescript("CREATE TABLE studies (x INTEGER);").close(),
            "can't be used",
        ),
        (lambda path: (path.mkdir(), (path / "x").touch()), "it is no file"),
        (lambda path: other_study(path, "someone-elses"), "is of another study \\(someone-elses\\)"),
        (lambda path: other_study(path, "s2nn-exploration"), "holds no exploration of version 1"),
    ],
)
def test_a_database_of_something_else_is_refused_and_left_alone(tmp_path, damage, said):
    path = tmp_path / "study.db"
    damage(path)
    before = path.is_dir() or path.read_bytes()
    space = Space((1,), (2,), (100.0,), (("layer0", 0, 0),))
    images = ImageSet("", "", 2, 2)
    settings = Settings(1, "", Source("network", "", ""), "", ["luts", "brams"], {}, space.to_json(), images, 0, 4)
    with pytest.raises(UserError, match=said):
        Study(path, settings, space)
    assert (path.is_dir() or path.read_bytes()) == before


def other_study(path, name):
    import optuna

    study = optuna.create_study(storage=f"sqlite:///{path}", study_name=name)
    study.set_user_attr("of", "somebody else")
    study.tell(study.ask(), 1.0)
    study._storage.remove_session()


def test_the_command_and_what_it_refuses(place, command):
    base = ("explore", "tiny.s2nn", "--board", "arty_a7", "--images", "x.npy")
    assert "--synthesise" in command("explore", "--help")[1]
    good = command(*base, "--labels", "y.npy", "--trials", 4, "--jobs", 1, "--synthesise", 0, "-o", "out")
    assert good[0] == 0, good
    assert "next: s2nn-hw bitstream" in good[1]
    refused(command(*base), "accuracy needs the classes")
    refused(command(*base, "--labels", "y.npy", "--budget", "lutz=1"), "'lutz' is unknown")
    refused(command(*base, "--labels", "y.npy", "--clocks", "9999"), "9999 MHz")
    refused(command(*base, "--labels", "y.npy", "--epochs", 3), "--epochs is for recipes")
    refused(command(*base, "--labels", "y.npy", "--trials", 5, "-o", "out", "--seed", 3), "differing in 'seed'")
    refused(command(*base, "--labels", "y.npy", "--ray", "nowhere"), "auto or host:port")
    refused(command(*base, "--labels", "y.npy", "--ray", "127.0.0.1:1"), "nothing answers at 127.0.0.1:1")
    assert (place / "out" / "study.db").is_file()
    refused(command("explore", "none.toml", "--board", "arty_a7"), "none.toml")


def test_two_explorations_do_not_share_a_folder(place):
    explore(trials=4)
    with (
        held(place / "runs/explore/tiny-arty_a7", "exploration is at work in"),
        pytest.raises(UserError, match="another exploration is at work"),
    ):
        explore(trials=4)
