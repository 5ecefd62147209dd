"""Going on in an exploration's folder: what was kept and is damaged is worked out again, a damaged database refused."""

import json
import sqlite3

import numpy as np
import pytest

from s2nn_hw.errors import UserError
from s2nn_hw.explore.front import rows_of
from s2nn_hw.explore.networks import FromNetwork, Pictures
from s2nn_hw.explore.objectives import CIRCUIT
from s2nn_hw.explore.rows import Told, VariantNote
from s2nn_hw.explore.settings import ImageSet, Settings, Source
from s2nn_hw.explore.space import Space
from s2nn_hw.explore.study import Kept, Study
from s2nn_hw.explore.tasks import Candidate, CandidateTask, Synthesised, TaskBoard
from s2nn_hw.network.store import save
from s2nn_hw.terminal import Terminal
from tests.support.mutations import mutations
from tests.support.networks import random_images, random_network

FIGURES = dict.fromkeys(CIRCUIT, 5) | {"latency_us": 2.5}
TASK = CandidateTask("c", "n", TaskBoard("ecp5", 1, {"luts": 1.0}), ("i", 3), {"a": 1})


def test_damaged_results_are_worked_out_again(tmp_path):
    kept, made = Kept(tmp_path), Candidate({"layers": []}, FIGURES)
    kept.keep(TASK, made)
    path = kept.path(TASK)
    data = json.loads(path.read_text())
    assert kept.find(TASK) == made
    assert json.dumps(kept.find(TASK).to_json()) == json.dumps(made.to_json())
    for place, value, text in mutations(data):
        path.write_text(text)
        found = kept.find(TASK)  # what is in a plan is seen where the network is known
        assert found is None or (place[:2] == ("result", "plan") and isinstance(found.plan, dict)), (place, value)
    for text in ("[" * 100_000, "", "null", json.dumps(data)[:-1] + ', "task": 1}'):
        path.write_text(text)
        assert kept.find(TASK) is None
    kept.keep(TASK, Synthesised({"luts": 1, "ffs": 1, "brams": 1}, "yosys", {}))  # of the other task
    assert kept.find(TASK) is None


def test_damaged_notes_of_variants_are_made_again(tmp_path, monkeypatch):
    network = random_network((12, 6, 3), input_bits=2, seed=1)
    save(network, tmp_path / "n.s2nn")
    pictures = Pictures(random_images(network, 4), np.array([0, 1, 2, 0]), "x")
    networks = FromNetwork(tmp_path / "n.s2nn", pictures, Terminal())
    networks.folder = tmp_path / "variants"
    path = networks.get(1, 2).path.with_suffix(".json")
    data = json.loads(path.read_text())
    assert networks._kept("i1w2") == networks.known["i1w2"]
    for place, value, text in mutations(data):
        path.write_text(text)
        assert networks._kept("i1w2") is None, (place, value)
    path.write_text("[" * 100_000)
    assert networks._kept("i1w2") is None


def study(path):
    space = Space((1,), (2,), (100.0,), (("layer0", 0, 0),))
    sources = Source("network", "", ""), ""
    budget = {"luts": 9.0}
    return Study(
        path, Settings(1, "", *sources, ["luts", "brams"], budget, space.to_json(), ImageSet("", "", 2, 2), 0, 4), space
    )


@pytest.fixture
def told(tmp_path):
    made = study(tmp_path / "study.db")
    (trial,) = made.batch(1)
    made.tell(trial, Told(FIGURES, VariantNote("i1w2.s2nn", "n", "d"), {"layers": []}))
    assert [row.figures for row in rows_of(study(made.path))] == [FIGURES]
    return made.path


KEYS = ("figures", "variant", "plan")
BAD = [
    *((key, text) for key in KEYS for text in ("null", "[]", '"x"', "5", "true", "{", "[" * 2000)),
    *(("figures", text) for text in ("{}", json.dumps(FIGURES | {"luts": -1}), json.dumps(FIGURES | {"ffs": True}))),
    ("figures", json.dumps(FIGURES | {"ffs": float("nan")})),
    *(("variant", text) for text in ("{}", '{"file": "../../x", "name": "n", "digest": "d"}')),
]


@pytest.mark.parametrize(("key", "text"), BAD)
def test_damaged_databases_are_refused(told, key, text):
    change(told, "UPDATE trial_user_attributes SET value_json = ? WHERE key = ?", text, key)


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM trial_user_attributes WHERE key = 'plan'",
        "UPDATE study_user_attributes SET value_json = '{'",
        "UPDATE trial_params SET param_value = 99999",
        "UPDATE trial_values SET value = -5",
    ],
)
def test_damaged_tables_are_refused(told, query):
    change(told, query)


def change(path, query, *values):
    connection = sqlite3.connect(path)
    connection.execute(query, values)
    connection.commit()
    connection.close()
    with pytest.raises(UserError, match=r"study\.db can't be used") as caught:
        rows_of(study(path))
    assert "\n" not in str(caught.value)
