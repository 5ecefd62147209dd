"""NIR graphs over sequences, with loops: every spike of every step is that of NIR's equations."""

import numpy as np
import pytest

nir = pytest.importorskip("nir")

from s2nn_hw.errors import UserError  # noqa: E402
from s2nn_hw.network.over_time import forward_sequences  # noqa: E402
from s2nn_hw.network.sequences import Sequences, write_sequences  # noqa: E402
from s2nn_hw.network.store import load, save  # noqa: E402
from s2nn_hw.plan.sequences import sequence_plan  # noqa: E402
from s2nn_hw.quantize.importers.from_nir import from_nir  # noqa: E402
from s2nn_hw.quantize.importers.nir_neurons import NirOptions  # noqa: E402
from s2nn_hw.sequence_design import SequenceDesign  # noqa: E402
from tests.support.commands import refused as refused_command  # noqa: E402
from tests.support.nir_graphs import (  # noqa: E402
    cell,
    conv,
    fires,
    full,
    ints,
    leaks,
    listed,
    recurrent,
    two_layers_in_a_loop,
    with_floats,
)
from tests.support.recurrent import check_recurrent, recurrent_plan  # noqa: E402


def options(reset="soft", frames=5, **further):
    return NirOptions(None, reset, 1.0, frames=frames, **({"events": True} | further))


def none_differs(made):
    found = made.agreement
    assert found.same_class == found.images
    assert found.different
    assert sum(wrong for wrong, _ in found.different.values()) == 0


def lasting(graph):
    """Return input, recurrent and output weights and biases of ``graph``, :func:`recurrent`."""
    first, inner, last = (graph.nodes[name] for name in ("linear", "nirgraph", "affine"))
    again = inner.nodes["w_rec"]
    return [np.asarray(x, float) for x in (first.weight, again.weight, again.bias, last.weight, last.bias)]


@pytest.mark.parametrize("at", [False, True])
@pytest.mark.parametrize("reset", ["soft", "hard"])
@pytest.mark.parametrize("tau", [None, 2])
def test_a_recurrent_layer_is_its_equations_written_out(reset, at, tau):
    graph = recurrent(tau=tau)
    made = from_nir(graph, None, options(reset, at=at))
    none_differs(made)
    w, u, c, v, b = lasting(graph)
    draw = np.random.default_rng(1)
    for length in (1, 3, 5, 5):
        frames = draw.integers(0, 2, (length, 8))
        m, s, scores, spikes = np.zeros(10), np.zeros(10), np.zeros(4), []
        for x in frames:
            m = m * (1 if tau is None else 0.5) + w @ x + u @ s + c
            s = (m >= 4 if at else m > 4).astype(float)
            m = m - 4 * s if reset == "soft" else m * (1 - s)
            spikes.append(s)
            scores += v @ s + b
        out = forward_sequences(made.network, (frames << 7).astype(np.uint8), np.array([0, length]), trace=True)
        assert (out.spikes["nirgraph_lif"] == np.array(spikes)).all()
        assert (out.scores[0] == scores).all()


def test_the_network_that_comes_out():
    network = from_nir(recurrent(), None, options()).network
    assert (network.input.ticks, network.input.frames, network.format_version) == (1, 5, 7)
    relay, own, readout = network.layers
    assert (relay.name, relay.sources, relay.neuron.kind) == ("relay", ("input",), "fire")
    assert (own.name, own.sources, own.delays) == ("nirgraph_lif", ("relay", "nirgraph_lif"), (0, 1))
    assert (own.neuron.fraction, set(own.neuron.thresholds), set(own.neuron.resets)) == (0, {5}, {4})
    assert (readout.neuron.kind, readout.neuron.leak) == ("integrator_readout", 0)


@pytest.mark.parametrize("bits", [1, 3])
def test_numbers_that_a_recurrent_layer_reads_are_spikes_of_a_layer_in_front(bits):
    made = from_nir(recurrent(), None, options(events=False, bits=bits, between=(0.0, 2.0**bits - 1)))
    none_differs(made)
    assert made.network.size("relay") == 8 * (2**bits - 1)
    wide = options(events=False, bits=5, between=(0.0, 31.0))
    with pytest.raises(UserError, match=r"nirgraph.lif \(IF\): it reads the input of 5 bits and spikes"):
        from_nir(recurrent(), None, wide)


def test_layers_in_front_read_numbers_and_loops_go_through_several_layers():
    front = listed(
        nir.Affine(ints(9, 6), ints(9)),
        fires(9, 30),
        nir.Linear(ints(6, 9)),
        cell(leaks(6, 2, 3), nir.Linear(ints(6, 6))),
        nir.Linear(ints(5, 6)),
        nir.Threshold(ints(5)),
        nir.Linear(ints(3, 5)),
    )
    made = from_nir(front, None, options(frames=4, events=False, bits=8, between=(0.0, 255.0)))
    none_differs(made)
    assert [layer.name for layer in made.network.layers] == ["if", "nirgraph_lif", "threshold", "readout"]
    made = from_nir(two_layers_in_a_loop(), None, options("hard", 6))
    none_differs(made)
    assert [(layer.sources, layer.lags) for layer in made.network.layers[1:3]] == [
        (("b", "relay"), (1, 0)),
        (("a",), (0,)),
    ]
    assert "back (Linear) reads b a step late" in made.notes


def test_a_loop_may_leave_a_graph_and_what_nobody_reads_is_left_out():
    inside = graph_of(["i n", "n o"], n=fires(4, 3))
    outside = graph_of(["i w", "w g", "g r", "r g", "g o", "g d"], w=nir.Linear(ints(4, 4)), g=inside, d=fires(4))
    outside.nodes["r"] = nir.Linear(ints(4, 4))
    made = from_nir(outside, None, options())
    none_differs(made)
    assert [(x.name, x.sources, x.lags) for x in made.network.layers[1:]] == [
        ("g_n", ("relay", "g_n"), (0, 1)),
        ("readout", ("g_n",), (0,)),
    ]


def test_scores_are_what_the_last_node_says():
    def readout(node):
        made = from_nir(listed(nir.Linear(ints(6, 9)), fires(6, 3), nir.Linear(ints(3, 6)), node), None, options())
        none_differs(made)
        last = made.network.layers[-1].neuron
        return last.kind, getattr(last, "leak", None), getattr(last, "fraction", None)

    assert readout(nir.I(full(3, 2))) == ("integrator_readout", 0, 0)
    assert readout(nir.LI(full(3, 2), full(3, 2), full(3, 0.5))) == ("integrator_readout", 1, 6)
    assert readout(nir.LI(full(3, 1), full(3, 1), full(3, 1))) == ("readout", None, None)
    assert readout(fires(3, 2))[0] == "integrator_readout"  # counts spikes


def test_currents_thresholds_and_rests_that_map():
    def hidden(node, reset="hard"):
        none_differs(from_nir(listed(nir.Linear(ints(6, 9)), node, nir.Linear(ints(3, 6))), None, options(reset, 4)))

    many = np.arange(2, 8).astype(np.float32)
    hidden(nir.CubaLIF(full(6, 1), full(6, 2), full(6, 2), full(6, 0), full(6, 5), full(6, 0), full(6, 2)))
    hidden(leaks(6, 2, 5, low=2, rest=-1))
    hidden(leaks(6, 1, 3))  # nothing is kept
    hidden(nir.IF(full(6, 1), many, -many / 2))
    hidden(nir.IF(np.array([1, 2, -1, 0.5, 0, 1], np.float32), many), "soft")
    slow = nir.CubaLIF(full(6, 2), full(6, 2), full(6, 2), full(6, 0), full(6, 5))
    with pytest.raises(UserError, match=r"cubalif \(CubaLIF\): dt / tau_syn is 0.5: a current of its own has no form"):
        hidden(slow)


def test_weights_of_zeros_are_weights():
    none_differs(from_nir(listed(nir.Linear(full((6, 9), 0)), fires(6, 3), nir.Linear(ints(3, 6))), None, options()))
    steps = NirOptions(4, "soft", 1.0, events=True)
    none_differs(from_nir(listed(nir.Linear(full((6, 9), 0)), fires(6, 3), nir.Linear(ints(3, 6))), None, steps))


def test_what_is_rounded_is_said():
    made = from_nir(recurrent(tau=2), None, options(frames=60))
    wrong, total = made.agreement.different["nirgraph_lif"]
    assert wrong <= total // 100
    assert any("what leaks, 2^-1 of a membrane, is rounded to 2^-8 of a weight's step" in note for note in made.notes)
    made = from_nir(recurrent(tau=5), None, options(nearest=True))
    assert any("tau 5 became 4: dt over it is 2^-k" in note for note in made.notes)


def recordings(count=40, channels=8):
    draw = np.random.default_rng(2)
    parts = [draw.integers(0, 256, (n, channels)).astype(np.uint8) for n in draw.integers(3, 20, count)]
    return Sequences.of(parts, labels=draw.integers(0, 3, count))


def floats():
    return with_floats(
        listed(
            nir.Affine(ints(12, 8), ints(12)),
            leaks(12, 4, 1, r=2),
            nir.Linear(ints(9, 12)),
            cell(leaks(9, 2, 1), nir.Linear(ints(9, 9))),
            nir.Linear(ints(3, 9)),
        )
    )


def test_floats_are_rounded_on_recordings(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nir.write("net.nir", floats())
    write_sequences("rec.npz", recordings())
    words = ("--reset", "soft", "--dt", 1, "--inputs", "rec.npz")
    code, out, err = command("import", "net.nir", "-o", "n.s2nn", *words, "--input-range", "0,1")
    assert (code, err) == (0, "")
    text = " ".join(out.split())
    assert "note: sequences of up to 19 frames, a step each, of 8-bit integers that stand for 0 to 1" in text
    assert "note: nirgraph.lif (LIF): weights are rounded to 8 bits, thresholds and biases to 2^-5" in text
    assert "nirgraph_lif (t-1)" in text
    network, given = load("n.s2nn"), recordings()
    made = from_nir("net.nir", given, options(events=False, between=(0.0, 1.0), frames=None))
    assert made.network.digest == network.digest
    wrong, total = (sum(column) for column in zip(*made.agreement.different.values(), strict=True))
    assert wrong < 0.02 * total
    assert made.agreement.owner is not None
    SequenceDesign(network, sequence_plan(network, "xc7"))
    for further, said in (
        ((), "frames are integers of 8 bits: say with --input-range"),
        (("--input-range", "0,1", "--frames", 5), "has sequences of up to 19 frames, more than 5"),
        (("--input-range", "0,1", "--ttfs"), "--ttfs is of numbers in single frames"),
        (("--input-range", "0,1", "--steps", 4), "say --frames, the most of a sequence, in place of --steps"),
    ):
        refused_command(command("import", "net.nir", "-o", "m.s2nn", *words, *further), said)
    refused_command(
        command(
            "import", "net.nir", "-o", "m.s2nn", "--frames", 5, "--reset", "soft", "--dt", 1, "--input-range", "0,1"
        ),
        "lif (LIF): inputs are wanted, to choose the scales of its weights on: recordings with --inputs",
    )
    assert not (tmp_path / "m.s2nn").exists()


def test_a_circuit_of_a_recurrent_layer_behind_events(tmp_path):
    made = from_nir(recurrent(5, 6, 3), None, options(frames=6))
    save(made.network, tmp_path / "x.s2nn")
    network = load(tmp_path / "x.s2nn")
    frames = (np.random.default_rng(3).integers(0, 2, (9, 5)) << 7).astype(np.uint8)
    check_recurrent(network, recurrent_plan(network, groups=2), frames, np.array([0, 6, 9]))


def graph_of(edges, **nodes):
    ends = {"i": nir.Input(np.array([4])), "o": nir.Output(np.array([4]))}
    return nir.NIRGraph(ends | nodes, [tuple(edge.split()) for edge in edges], type_check=False)


def test_what_has_no_form_is_named():
    def refused(graph, said, given=None, inputs=None):
        with pytest.raises(UserError, match=said):
            from_nir(graph, inputs, given or options())

    square = nir.Linear(ints(4, 4))
    refused(
        graph_of(["i w", "w v", "v w", "w o"], w=square, v=square),
        "a loop without spiking neurons has no form here: w, v, w",
    )
    refused(
        graph_of(["i a", "a w", "w a", "w o"], a=fires(4), w=square),
        r"w \(Linear\) is read within a loop, by a, and by o: give the loop weights of its own",
    )
    refused(
        graph_of(["i w", "w a", "a w", "a o"], a=fires(4), w=square),
        r"w \(Linear\): it reads a sum that no neurons stand behind: give each source weights of its own",
    )
    refused(graph_of(["a w", "w a", "a o"], a=fires(4), w=square), r"a \(IF\): nothing enters its loop")
    refused(graph_of(["i a", "a w", "w a", "a o"], a=fires(4), w=nir.Linear(ints(4, 5))), "5 values a step late")
    refused(
        graph_of(["i l", "l w", "w o"], l=nir.I(full(4, 1)), w=square), r"it reads l \(I\), membranes without spikes"
    )
    refused(graph_of(["i o"]), "the output must be scores, not what enters")
    refused(
        listed(nir.Input(np.array([1, 6, 6])), conv(2, 1)), r"input \(Input\): a frame of a sequence is \(features,\)"
    )
    refused(listed(nir.Linear(ints(3, 4)), leaks(3, 3)), "dt / tau is 0.333333, and must be 2.-k")
    refused(recurrent(), "NIR does not say how neurons are reset", options(None))
    refused(recurrent(), r"so that it wants sequences, a step a frame: say --frames", NirOptions(4, "soft", 1.0))
    refused(recurrent(), "say --frames, the most of a sequence, or give recordings", NirOptions(None, "soft", 1.0))
    refused(recurrent(), "inputs must be sequences: frames and offsets", inputs=np.zeros((3, 8)))
    refused(recurrent(), "frames of 8 channels are wanted, not of 5", options(frames=None), recordings(channels=5))
    refused(
        recurrent(1500, 2),
        "layer relay, which gives 1,500 inputs as spikes",
        options(bits=4, events=False, between=(0, 15)),
    )
    refused(recurrent(), "input bits of sequences must be 1 to 8, not 9", options(events=False, bits=9, between=(0, 1)))
    refused(recurrent(), "inputs must lie between two different numbers", options(between=(1.0, 1.0)))
    refused(recurrent(), "events are of 1 bit, not of 4", options(bits=4))
    with pytest.raises(UserError, match="frames must be 1 to 16,384, not 0"):
        options(frames=0)
