"""What may vary and what is wanted: budgets, objectives, bits, the plans that values of layers stand for."""

import pytest

from s2nn_hw.errors import UserError
from s2nn_hw.explore.objectives import dominates, excess, parse_budget, parse_objectives, with_board
from s2nn_hw.explore.space import Choice, bits_options, layers_plan, parse_numbers
from s2nn_hw.network.store import load
from tests.support.exploration import BOARD


def test_budget_takes_known_figures_and_the_smaller_of_board_and_user():
    limits = with_board(parse_budget("luts=8000, brams=99,accuracy=97%,latency_us=5"), BOARD)
    assert limits == {"luts": 8000, "ffs": 41600, "brams": 50, "accuracy": 0.97, "latency_us": 5}
    over = excess({"luts": 4000, "ffs": 0, "brams": 75, "accuracy": 0.485, "latency_us": 5}, limits)
    assert over == {"luts": -0.5, "ffs": -1, "brams": 0.5, "accuracy": pytest.approx(0.5), "latency_us": 0}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lutz=3", "'lutz' is unknown"),
        ("luts", "luts needs a positive number"),
        ("luts=-1", "positive"),
        ("luts=nan", "positive"),
        ("luts=1,luts=2", "given twice"),
        ("accuracy=97", "share from 0 to 1"),
        (",", "''"),
    ],
)
def test_bad_budgets(text, said):
    with pytest.raises(UserError, match=said):
        parse_budget(text)


@pytest.mark.parametrize("text", ["luts", "luts,luts", "luts,nothing"])
def test_bad_objectives(text):
    with pytest.raises(UserError, match="--objectives"):
        parse_objectives(text)


def test_domination_looks_at_the_sense_of_a_figure():
    one, other = {"accuracy": 0.9, "luts": 10}, {"accuracy": 0.8, "luts": 10}
    names = ["accuracy", "luts"]
    assert dominates(one, other, names)
    assert not dominates(other, one, names)
    assert not dominates(one, one, names)


def test_bits_default_to_the_networks_and_fewer():
    assert bits_options(None, None, (4, 5)) == ((4, 2, 1), (5, 4, 3, 2))
    assert bits_options("1", "3,2", (4, 5)) == ((1,), (3, 2))
    assert parse_numbers("50,100", "--clocks", ()) == (50.0, 100.0)
    with pytest.raises(UserError, match="the network has 4, so 8 can't"):
        bits_options("8", None, (4, 5))
    with pytest.raises(UserError, match=r"--input-bits must be numbers of 1, 2, 3, 4, .*, 16 with commas"):
        bits_options("17", None, (4, 5))
    assert bits_options("3", None, (4, 5))[0] == (3,)
    assert bits_options(None, None, (12, 5))[0] == (12,)
    with pytest.raises(UserError, match="--clocks"):
        parse_numbers("0", "--clocks", ())


def test_layers_plans_follow_their_values(place):
    network = load("tiny.s2nn")
    values = {
        f"layer{n}.{key}": value
        for n in range(3)
        for key, value in (("engine", "event"), ("banks", 2), ("word", 8), ("groups", 1), ("memory", "distributed"))
    }
    plan = layers_plan(network, Choice(values | {"layer1.engine": "parallel"}), "xc7")
    assert [(c.engine, c.banks, c.width, c.memory) for c in plan.layers] == [
        ("event", 2, 16, "distributed"),
        ("parallel", 1, 16, "distributed"),
        ("event", 2, 16, "distributed"),
    ]
