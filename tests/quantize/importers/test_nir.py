"""NIR graphs: every spike of every step is that of NIR's equations, and what has no form is named."""

import itertools

import numpy as np
import pytest

nir = pytest.importorskip("nir")
h5py = pytest.importorskip("h5py")

from s2nn_hw.errors import UserError  # noqa: E402
from s2nn_hw.network.neurons.integrate import Integrate  # noqa: E402
from s2nn_hw.quantize.importers.from_nir import from_nir  # noqa: E402
from s2nn_hw.quantize.importers.integer_weights import integers_of  # noqa: E402
from s2nn_hw.quantize.importers.nir_file import MAX_BYTES, flattened, read_nir  # noqa: E402
from s2nn_hw.quantize.importers.nir_neurons import NirOptions, settled  # noqa: E402
from s2nn_hw.quantize.importers.nir_run import run_graph  # noqa: E402

DRAW = np.random.default_rng(5)
RAW = {"bits": 2, "between": (0.0, 3.0)}


def ints(*shape, most=3):
    return DRAW.integers(-most, most + 1, shape).astype(np.float32)


def full(shape, value):
    return np.full(shape, value, np.float32)


def fires(shape, threshold=4.0, r=1.0, rest=0.0):
    """Integrate-and-fire neurons."""
    return nir.IF(full(shape, r), full(shape, threshold), full(shape, rest))


def leaks(shape, tau=2.0, threshold=4.0, low=0.0, rest=0.0, r=None):
    """Leaky ones, whose input a step is taken whole unless ``r`` says otherwise."""
    r = tau if r is None else r
    return nir.LIF(full(shape, tau), full(shape, r), full(shape, low), full(shape, threshold), full(shape, rest))


def conv(outputs, inputs, kernel=3, **settings):
    how = {"stride": 1, "padding": 1, "dilation": 1, "groups": 1} | settings
    return nir.Conv2d(None, ints(outputs, inputs // how["groups"], kernel, kernel), bias=ints(outputs), **how)


def listed(*nodes):
    return nir.NIRGraph.from_list(*nodes)


def dense():
    return listed(
        nir.Affine(ints(12, 20), ints(12)),
        fires(12, 5),
        nir.Linear(ints(8, 12)),
        leaks(8),
        nir.Affine(ints(4, 8), ints(4)),
    )


def images():
    return listed(
        nir.Input(np.array([2, 8, 8])),
        conv(4, 2, stride=2),
        fires((4, 4, 4), 6),
        nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        conv(6, 4, groups=2),
        leaks((6, 2, 2), 2, 5),
        nir.Flatten({"input": np.array([6, 2, 2])}, 0),
        nir.Linear(ints(3, 24)),
        fires(3, 3),
    )


def averages():
    return listed(
        nir.Input(np.array([1, 8, 8])),
        conv(4, 1),
        fires((4, 8, 8)),
        nir.AvgPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        fires((4, 4, 4), 0.75),
        nir.AvgPool2d(np.array([4, 4]), np.array([4, 4]), np.array([0, 0])),
        nir.Flatten({"input": np.array([4, 1, 1])}, 0),
        nir.Linear(ints(3, 4)),
    )


def signals():
    return listed(
        nir.Input(np.array([3, 12])),
        nir.Conv1d(12, ints(5, 3, 3), 2, 1, 1, 1, ints(5)),
        fires((5, 6), 5),
        nir.Conv1d(6, ints(4, 5, 3), 1, "same", 1, 1, ints(4)),
        leaks((4, 6), 4, 6),
        nir.Flatten({"input": np.array([4, 6])}, 0),
        nir.Affine(ints(3, 24), ints(3)),
    )


def channels():
    """What differs from neuron to neuron, and factors between."""
    many = DRAW.integers(2, 7, 9).astype(np.float32)
    unlike = nir.IF(DRAW.choice([1, 2, 0.5], 9).astype(np.float32), many)
    return listed(
        nir.Linear(ints(9, 16)),
        unlike,
        nir.Linear(ints(6, 9)),
        nir.Scale(DRAW.choice([1.0, 2.0, -1.0, 0.5], 6).astype(np.float32)),
        nir.LIF(full(6, 2), full(6, 2), full(6, 0), DRAW.integers(2, 6, 6).astype(np.float32)),
        nir.Linear(ints(4, 6)),
    )


def nested():
    """Edges in any order, a graph in a graph, two ways that meet."""
    inner = nir.NIRGraph(
        {
            "in": nir.Input(np.array([8])),
            "w": nir.Linear(ints(8, 8)),
            "n": fires(8, 3),
            "out": nir.Output(np.array([8])),
        },
        [("n", "out"), ("in", "w"), ("w", "n")],
    )
    return nir.NIRGraph(
        {
            "output": nir.Output(np.array([3])),
            "last": nir.Linear(ints(3, 8)),
            "join": fires(8, 4),
            "left": nir.Linear(ints(8, 8)),
            "block": inner,
            "right": nir.Linear(ints(8, 8)),
            "begin": fires(8, 3),
            "w": nir.Affine(ints(8, 10), ints(8)),
            "input": nir.Input(np.array([10])),
        },
        [
            ("join", "last"),
            ("last", "output"),
            ("left", "join"),
            ("right", "join"),
            ("block", "right"),
            ("begin", "left"),
            ("begin", "block"),
            ("w", "begin"),
            ("input", "w"),
        ],
        type_check=False,
    )


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


def refused(graph, said, options=None, inputs=None):
    with pytest.raises(UserError, match=said):
        from_nir(graph, inputs, options or NirOptions(4, "soft", 1.0, **RAW))


def test_what_is_not_said():
    refused(dense(), "NIR does not say how many steps a sample has: say --steps", NirOptions(None, "soft", 1.0, **RAW))
    refused(dense(), "NIR does not say how neurons are reset: say --reset soft", NirOptions(4, None, 1.0, **RAW))
    refused(dense(), "NIR does not say how long a step is: say --dt", NirOptions(4, "soft", **RAW))
    refused(dense(), "inputs are wanted, to see between which numbers", NirOptions(4, "soft", 1.0))
    for wrong, said in (
        ({"steps": 32}, "steps must be 1 to 31, not 32"),
        ({"reset": "firm"}, "the reset must be soft or hard, not 'firm'"),
        ({"dt": -1.0}, "dt must be a positive number"),
        ({"fraction": 9}, "fraction must be 0 to 8, not 9"),
    ):
        with pytest.raises(UserError, match=said):
            NirOptions(**({"steps": 4} | wrong))


def recurrent():
    nodes = {"i": nir.Input(np.array([4])), "a": fires(4), "w": nir.Linear(ints(4, 4)), "o": nir.Output(np.array([4]))}
    return nir.NIRGraph(nodes, [("i", "a"), ("a", "w"), ("w", "a"), ("a", "o")], type_check=False)


def graph_of(edges, **nodes):
    return nir.NIRGraph(nodes, edges, type_check=False)


def test_what_has_no_form_is_named():
    one = {"i": nir.Input(np.array([4])), "o": nir.Output(np.array([4]))}
    refused(recurrent(), "recurrent connections have no form here: (a, w, a|w, a, w)")
    refused(
        listed(nir.Linear(ints(4, 4)), nir.LI(full(4, 2), full(4, 1), full(4, 0))), r"li \(LI\): no form here \(supp"
    )
    refused(graph_of([("i", "o")], **one, n=fires(4)), r"n \(IF\): no edge leads to it")
    refused(graph_of([("i", "x")], **one), "an edge from 'i' to 'x' is there, but no node 'x'")
    refused(graph_of([("i", "o"), ("i", "o")], **one), "an edge is there twice")
    refused(graph_of([("i", "o"), ("j", "o")], **one, j=nir.Input(np.array([4]))), "must have one Input node, not 2")
    refused(graph_of([], i=nir.Input(np.array([4]))), "must have one Output node, not 0")
    refused(graph_of([("i", "o")], i=nir.Input(np.ones(5, int)), o=one["o"]), r"i \(Input\): the shape must be")
    two = graph_of([("i", "a"), ("i", "o"), ("a", "o")], **one, a=nir.Linear(ints(3, 4)))
    refused(two, r"o \(Output\): what is added must have one shape, not \(3,\), \(4,\)")
    odd = graph_of([("i", "a"), ("a", "o")], **one, a=nir.Linear(ints(3, 5)))
    refused(odd, r"a \(Linear\): weights \(3, 5\) do not fit what comes, \(4,\)")
    empty = graph_of([("i", "g"), ("g", "o")], **one, g=graph_of([], x=nir.Input(np.array([4]))))
    refused(empty, "graph 'g' must have one Output node, not 0")


def test_settings_without_a_form_are_named():
    def behind(node, shape=(2, 6, 6)):
        return listed_loosely(nir.Input(np.array(shape)), node)

    def listed_loosely(*nodes):
        named = {f"n{k}": node for k, node in enumerate(nodes)} | {"end": nir.Output(np.array([1]))}
        names = list(named)
        return nir.NIRGraph(named, list(itertools.pairwise(names)), type_check=False)

    refused(behind(conv(3, 2, dilation=2)), r"n1 \(Conv2d\): a dilation other than 1 has no form here")
    refused(behind(conv(3, 2, padding="same", stride=2)), "padding 'same' wants a stride of 1 and odd kernels")
    refused(behind(conv(3, 4)), r"weights \(3, 4, 3, 3\) in 1 groups do not fit 2 channels")
    refused(behind(conv(3, 2, stride=0)), "stride and groups must be 1 or more")
    refused(behind(conv(3, 2), (4,)), r"n1 \(Conv2d\): it reads an image, not \(4,\)")
    refused(behind(conv(3, 2, stride=(1, 1, 1))), "stride must be two whole numbers")
    refused(behind(nir.SumPool2d(2, 2, 0), (4,)), r"n1 \(SumPool2d\): it reads an image, not \(4,\)")
    refused(behind(nir.AvgPool2d(2, 0, 0)), "kernel and stride must be 1 or more")
    refused(
        behind(nir.Flatten({"input": np.array([2, 6, 6])}, 2)), "only a whole image can be flattened, not axes 2 to -1"
    )
    refused(behind(nir.Affine(ints(3, 4), ints(2)), (4,)), "the bias must be one number for each of 3, not 2")
    refused(behind(nir.Scale(full(3, 1)), (4,)), r"scale of shape \(3,\) is not one for each of \(4,\)")
    refused(behind(nir.Scale(np.arange(72.0).reshape(2, 6, 6))), "scale must be one number for each channel")
    refused(behind(leaks(4, 0.5), (4,)), "tau must not be shorter than --dt 1, and is 0.5")
    refused(behind(leaks(4, -1), (4,)), "tau must be positive, not -1")
    refused(behind(leaks(4, np.inf), (4,)), "r must be finite numbers; a neuron that does not leak is IF")
    refused(behind(leaks(4, 1), (4,)), "dt / tau is 1, so that nothing is kept from step to step")
    refused(behind(fires(4, 0), (4,)), r"v_threshold must be above v_reset \(0 of --reset soft\), not 0 above")
    both = nir.LIF(np.array([2.0, 4.0]), full(2, 1), full(2, 0), full(2, 1))
    refused(behind(both, (2,)), "tau must be the same for all neurons of a node: split the node by tau")


def test_inputs_that_do_not_fit():
    refused(dense(), r"inputs must have shape \(count, 20\), not \(3, 19\)", inputs=np.zeros((3, 19)))
    options = NirOptions(4, "soft", 1.0, events=True)
    refused(dense(), r"inputs must have shape \(count, 4, 20\), not \(3, 20\)", options, np.zeros((3, 20)))
    refused(dense(), "events must be of 4 steps, not 3", options, np.zeros((3, 3, 20)))
    refused(dense(), "events must be 0 or 1 in each step", options, np.full((3, 4, 20), 2))
    refused(dense(), "inputs must be numbers, not dtype", inputs=np.full((3, 20), "x"))


def test_files_that_are_none(tmp_path, monkeypatch):
    path = tmp_path / "x.nir"
    for data, said in ((b"PK\x03\x04 no", "is not an HDF5 file"), (b"\x89HDF\r\n\x1a\n", "can't be read: OSError")):
        path.write_bytes(data)
        with pytest.raises(UserError, match=said):
            read_nir(path)

    def written(fill, said):
        with h5py.File(path, "w") as file:
            fill(file.create_group("node"))
        with pytest.raises(UserError, match=said):
            read_nir(path)

    def huge(group):
        group.create_dataset(
            "weight", shape=(1 << 20, 1 << 12), dtype="f4", chunks=(1 << 10, 1 << 10), compression="gzip"
        )

    def link(group):
        group["weight"] = h5py.ExternalLink("/etc/passwd", "x")

    def outside(group):
        group.create_dataset("weight", shape=(4,), dtype="u1", external=[("/etc/passwd", 0, 4)])

    def deep(group):
        for _ in range(40):
            group = group.create_group("n")

    def unknown(group):
        group.update({"type": "NIRGraph", "edges": np.array([["a", "b"]], dtype=object)})
        group.create_group("nodes").create_group("a")["type"] = "Weird"

    written(lambda group: None, "it holds no NIR graph")
    written(huge, rf"declares arrays of more than {MAX_BYTES:,} bytes, 'weight' of \(1048576, 4096\)")
    written(link, "'weight' is a link, maybe to another file")
    written(outside, "'weight' keeps its numbers in other files")
    written(deep, "nested deeper than 8")
    written(lambda group: group.create_dataset("a", data=np.zeros(3, complex)), "'a' holds .* not numbers or texts")
    written(lambda group: group.create_dataset("a", data=np.array([np.nan])), "'a' holds numbers that are not finite")
    written(unknown, "can't be read: AssertionError")
    monkeypatch.setattr("s2nn_hw.quantize.importers.nir_file.MAX_ENTRIES", 5)
    written(lambda group: [group.create_group(str(n)) for n in range(9)], "more than")


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
