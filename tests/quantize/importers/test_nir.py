"""NIR graphs: every spike of every step is that of NIR's equations."""

import numpy as np
import pytest

nir = pytest.importorskip("nir")
h5py = pytest.importorskip("h5py")

from s2nn_hw.errors import UserError  # noqa: E402
from s2nn_hw.network.neurons.integrate import Integrate  # noqa: E402
from s2nn_hw.quantize.importers.from_nir import from_nir  # noqa: E402
from s2nn_hw.quantize.importers.integer_weights import integers_of  # noqa: E402
from s2nn_hw.quantize.importers.nir_file import flattened  # noqa: E402
from s2nn_hw.quantize.importers.nir_neurons import NirOptions, settled  # noqa: E402
from s2nn_hw.quantize.importers.nir_run import run_graph  # noqa: E402
from tests.support.nir_graphs import (  # noqa: E402
    DRAW,
    averages,
    channels,
    dense,
    fires,
    full,
    images,
    ints,
    leaks,
    listed,
    nested,
    signals,
)

RAW = {"bits": 2, "between": (0.0, 3.0)}

GRAPHS = (dense, images, averages, signals, channels, nested)


@pytest.mark.parametrize("events", [False, True])
@pytest.mark.parametrize("at", [False, True])
@pytest.mark.parametrize("reset", ["soft", "hard"])
@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("graph", GRAPHS)
def test_every_spike_of_every_step_is_the_equations(graph, steps, reset, at, events):
    made = from_nir(graph(), None, NirOptions(steps, reset, 1.0, events=events, at=at, **RAW))
    found = made.agreement
    assert found.same_class == found.images == 500
    assert found.different
    assert sum(wrong for wrong, _ in found.different.values()) == 0


@pytest.mark.parametrize("reset", ["soft", "hard"])
def test_a_current_of_one_step_is_a_leaky_neuron(reset):
    node = nir.CubaLIF(full(6, 1), full(6, 4), full(6, 4), full(6, 0), full(6, 5), full(6, 0), full(6, 2))
    graph = listed(nir.Linear(ints(6, 9)), node, nir.Linear(ints(3, 6)))
    made = from_nir(graph, None, NirOptions(4, reset, 1.0, **RAW))
    assert made.agreement.different == {"linear": (0, 500 * 4 * 6)}
    slow = nir.CubaLIF(full(6, 2), full(6, 4), full(6, 4), full(6, 0), full(6, 5))
    with pytest.raises(UserError, match=r"cubalif \(CubaLIF\): dt / tau_syn is 0.5: a current of its own has no form"):
        from_nir(listed(nir.Linear(ints(6, 9)), slow, nir.Linear(ints(3, 6))), None, NirOptions(4, reset, 1.0, **RAW))


def test_membranes_that_leak_towards_and_are_reset_to_other_numbers_than_zero():
    for low, rest, threshold in ((2, 0, 5), (0, -2, 4), (4, -4, 4), (1, 1, 5)):
        graph = listed(nir.Linear(ints(6, 9)), leaks(6, 2, threshold, low, rest), nir.Linear(ints(3, 6)))
        made = from_nir(graph, None, NirOptions(4, "hard", 1.0, **RAW))
        assert made.agreement.different == {"linear": (0, 500 * 4 * 6)}
    with pytest.raises(UserError, match=r"lif \(LIF\): v_reset must be 0 with --reset soft"):
        from_nir(graph, None, NirOptions(4, "soft", 1.0, **RAW))
    far = listed(nir.Linear(ints(6, 9)), leaks(6, 2, 4, 0, 3), nir.Linear(ints(3, 6)))
    with pytest.raises(UserError, match="v_reset must be one share of v_threshold for all neurons, and at most half"):
        from_nir(far, None, NirOptions(4, "hard", 1.0, **RAW))


def test_threshold_nodes_are_one_step():
    graph = listed(nir.Linear(ints(9, 12)), nir.Threshold(ints(9)), nir.Linear(ints(3, 9)))
    made = from_nir(graph, None, NirOptions(1, **RAW))
    assert made.agreement.different == {"linear": (0, 500 * 9)}
    behind = listed(
        nir.Linear(ints(9, 12)), nir.Threshold(ints(9)), nir.Linear(ints(5, 9)), fires(5, 3), nir.Linear(ints(3, 5))
    )
    made = from_nir(behind, None, NirOptions(4, "soft", **RAW))  # the input is the same in every step
    assert made.agreement.different == {"linear": (0, 500 * 9), "linear_1": (0, 500 * 4 * 5)}
    with pytest.raises(UserError, match=r"threshold \(Threshold\): a threshold without a membrane, in each of several"):
        from_nir(graph, None, NirOptions(4, events=True))


def test_a_file_is_read_as_its_graph(tmp_path):
    for number, graph in enumerate(g() for g in GRAPHS):
        nir.write(tmp_path / f"{number}.nir", graph)
        options = NirOptions(3, "soft", 1.0, **RAW)
        assert (
            from_nir(tmp_path / f"{number}.nir", None, options).network.digest
            == from_nir(graph, None, options, name=str(number)).network.digest
        )


def test_snntorchs_constants_are_float32():
    """tau = dt / (1 - beta) and r = tau / dt in float32, dt 1e-4: a leak of 2^-k and a gain of one all the same."""
    beta = np.float32(0.75)
    tau = np.full(5, np.float32(1e-4) / (np.float32(1) - beta), np.float32)
    lif = nir.LIF(tau, tau / np.float32(1e-4), full(5, 0), full(5, 3))
    made = from_nir(
        listed(nir.Linear(ints(5, 8)), lif, nir.Linear(ints(3, 5))), None, NirOptions(4, "soft", 1e-4, **RAW)
    )
    neuron = made.network.layers[0].neuron
    assert isinstance(neuron, Integrate)
    assert (neuron.leak, neuron.fraction, made.agreement.different) == (2, 6, {"linear": (0, 500 * 4 * 5)})
    assert settled(np.array([0.1, 4.0000002, 0.24999999])).tolist() == [0.1, 4.0, 0.25]


def test_float_weights_are_rounded_on_inputs_and_agree_mostly():
    weights = DRAW.normal(size=(30, 20)).astype(np.float32)
    graph = listed(nir.Linear(weights), fires(30, 2.0), nir.Linear(DRAW.normal(size=(4, 30)).astype(np.float32)))
    inputs = DRAW.random((300, 20)).astype(np.float32)
    labels = DRAW.integers(0, 4, 300)
    made = from_nir(graph, inputs, NirOptions(5, "soft", bits=4, between=(0, 1)), labels=labels)
    assert made.agreement.same_class > 270
    wrong, every = made.agreement.different["linear"]
    assert wrong < 0.05 * every
    assert made.agreement.owner is not None
    with pytest.raises(UserError, match="inputs are wanted, to choose the scales of weights"):
        from_nir(graph, None, NirOptions(5, "soft", bits=4, between=(0, 1)))


def test_the_nearest_leak_is_taken_where_that_is_said():
    graph = listed(nir.Linear(ints(6, 9)), leaks(6, 5, 3), nir.Linear(ints(3, 6)))
    said = r"lif \(LIF\): dt / tau is 0.2, and must be 2\^-k, k 1 to 8: 0.25 \(tau 4\) or 0.125 \(tau 8\); take an"
    with pytest.raises(UserError, match=said):
        from_nir(graph, None, NirOptions(4, "soft", 1.0, **RAW))
    made = from_nir(graph, None, NirOptions(4, "soft", 1.0, nearest=True, **RAW))
    assert made.network.layers[0].neuron.leak == 2
    assert "tau 5 became 4: dt over it is 2^-k" in made.notes
    assert made.agreement.different["linear"][0] > 0


def test_integers_times_a_scale_are_found():
    levels = DRAW.integers(-7, 8, (5, 9)).astype(np.float64)
    levels[:, 0] = 7
    for scale, many in ((np.float32(0.1), 1), (DRAW.uniform(0.1, 1, (5, 1)).astype(np.float32), 5)):
        found, bits, came = integers_of((levels * scale).astype(np.float32))
        assert (found == levels).all()
        assert (bits, len(came)) == (4, many)
        np.testing.assert_allclose(came, np.ravel(scale), rtol=1e-6)
    assert integers_of(np.array([[0.5, -0.5], [0.5, 0.5]]))[1:] == (1, np.array([0.5]))
    assert integers_of(np.zeros((2, 3)))[1:] == (2, np.ones(1))
    assert integers_of(DRAW.normal(size=(4, 50))) is None
    assert integers_of(np.array([[128.0, 1.0]])) is None


def test_the_simulation_is_that_of_the_text():
    """One IF and one LIF neuron by hand: strictly above the threshold, both resets."""
    x = np.ones((1, 1))
    for reset, spikes in (("soft", [0, 0, 1, 0, 1, 0]), ("hard", [0, 0, 1, 0, 0, 1])):
        graph = flattened(listed(fires(1, 2, r=1.0)))
        assert run_graph(graph, NirOptions(6, reset), (1,), x)[1]["if"].ravel().tolist() == spikes
    graph = flattened(listed(leaks(1, 2, 1.2)))  # 1, 1.5: spike, 0.3 left, then 1.15, 1.575
    assert run_graph(graph, NirOptions(4, "soft", 1.0), (1,), x)[1]["lif"].ravel().tolist() == [0, 1, 0, 1]
