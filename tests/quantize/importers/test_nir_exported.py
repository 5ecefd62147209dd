"""Graphs with recurrence as snnTorch 1.0 writes them, and graphs over time as Norse 1.1 does: names, edges, types and
constants are those of their exporters; each runs, or is refused in one line."""

import numpy as np
import pytest

nir = pytest.importorskip("nir")

from s2nn_hw.errors import UserError  # noqa: E402
from s2nn_hw.quantize.importers.from_nir import from_nir  # noqa: E402
from s2nn_hw.quantize.importers.nir_neurons import NirOptions  # noqa: E402
from tests.support.nir_graphs import ints  # noqa: E402

DT = 1e-4  # snnTorch's, in its exporter


def leaky(neurons, beta, kind=np.float64):
    """``Leaky``, or, in float64 as numpy's ones make it, the neurons of ``RLeaky``."""
    betas = np.full(neurons, np.float32(beta), kind)
    tau = DT / (1 - betas)
    zeros = np.zeros_like(betas)
    return nir.LIF(tau=tau, r=tau / DT, v_leak=zeros, v_threshold=np.full(neurons, 3, kind), v_reset=zeros)


def synaptic(neurons, alpha, beta):
    """The neurons of ``RSynaptic``."""
    tau_syn, tau_mem = (np.full(neurons, DT / (1 - float(np.float32(x)))) for x in (alpha, beta))
    zeros = np.zeros(neurons)
    return nir.CubaLIF(
        tau_syn=tau_syn,
        tau_mem=tau_mem,
        r=tau_mem / DT,
        v_leak=zeros,
        v_threshold=zeros + 3,
        v_reset=zeros,
        w_in=tau_syn / DT,
    )


def snntorch(neurons, weights, *, more=(), last=None):
    """A ``Sequential`` of Linear, a recurrent layer, Linear and, if ``last``, a ``Leaky`` behind.

    nirtorch opens what snnTorch nests: nodes are ``1.lif`` and ``1.w_rec``, and edges come in no order.
    """
    nodes = {
        "input": nir.Input(np.array([6])),
        "0": nir.Affine(ints(5, 6), ints(5, most=1)),
        "1.lif": neurons,
        "1.w_rec": weights,
        "2": nir.Affine(ints(3, 5), ints(3, most=1)),
    }
    nodes |= ({"3": last} if last else {}) | {"output": nir.Output(np.array([3]))}
    end = [("2", "3"), ("3", "output")] if last else [("2", "output")]
    loop = [("1.lif", "1.w_rec"), ("input", "0"), ("1.w_rec", "1.lif"), ("0", "1.lif"), ("1.lif", "2")]
    return nir.NIRGraph(nodes, [*end, *loop, *more])


def every_to_every():
    return nir.Affine(ints(5, 5, most=2), ints(5, most=1))


def one_to_one():
    """Of ``all_to_all=False``."""
    return nir.Linear(np.diag(ints(5)))


def options(dt=DT, **further):
    return NirOptions(None, "soft", dt, frames=4, events=True, **further)


def imported(graph, folder, **further):
    nir.write(folder / "net.nir", graph)
    return from_nir(folder / "net.nir", None, options(**further))


def none_differs(made):
    assert made.agreement.same_class == made.agreement.images
    assert sum(wrong for wrong, _ in made.agreement.different.values()) == 0


@pytest.mark.parametrize("weights", [every_to_every, one_to_one])
@pytest.mark.parametrize(
    ("neurons", "leak"),
    [(leaky(5, 0.5), 1), (leaky(5, 0.75), 2), (synaptic(5, 0.0, 0.5), 1)],
    ids=["0.5", "0.75", "synaptic"],
)
def test_recurrent_layers_of_snntorch_run(neurons, leak, weights, tmp_path):
    made = imported(snntorch(neurons, weights()), tmp_path)
    none_differs(made)
    relay, own, readout = made.network.layers
    assert (relay.name, own.name, readout.name) == ("relay", "layer_1_lif", "readout")
    assert own.neuron.leak == leak
    assert dict(zip(own.sources, own.delays, strict=True)) == {"relay": 0, "layer_1_lif": 1}
    assert any(note.endswith(" reads 1.lif a step late") for note in made.notes)


def test_neurons_at_the_end_are_counted(tmp_path):
    made = imported(snntorch(leaky(5, 0.5), every_to_every(), last=leaky(3, 0.5, np.float32)), tmp_path)
    none_differs(made)
    assert [layer.name for layer in made.network.layers] == ["relay", "layer_1_lif", "layer_3", "readout"]
    assert "scores are the spikes counted over the sequence" in made.notes


@pytest.mark.parametrize(
    ("neurons", "more", "text"),
    [
        (leaky(5, 0.9), (), r"^1\.lif \(LIF\): dt / tau is 0\.1, and must be 2\^-k, k 1 to 8: .* --leak nearest$"),
        (synaptic(5, 0.5, 0.5), (), r"^1\.lif \(CubaLIF\): dt / tau_syn is 0\.5: a current of its own has no form"),
        # what nirtorch 2.6 adds where a recurrent layer is the first of a model
        (leaky(5, 0.5), [("1.w_rec", "2")], r"1\.w_rec \(Affine\) is read within a loop, by 1\.lif, and by 2: give"),
    ],
)
def test_what_has_no_form_is_one_line(neurons, more, text, tmp_path):
    with pytest.raises(UserError, match=text) as told:
        imported(snntorch(neurons, every_to_every(), more=more), tmp_path)
    assert "\n" not in str(told.value)


def test_a_leak_between_powers_of_two_is_taken_where_that_is_said(tmp_path):
    made = imported(snntorch(leaky(5, 0.9), every_to_every()), tmp_path, nearest=True)
    assert made.network.layers[1].neuron.leak == 3
    assert "tau 0.001 became 0.0008: dt over it is 2^-k" in made.notes


def norse(neurons, end):
    """A ``SequentialState`` of Linear, a cell, Linear and a cell; neurons have no shape of their own.

    Norse exports no recurrent cell: its map has LIFCell, LIFBoxCell, LIBoxCell and IAFCell.
    """
    nodes = {
        "input_tensor": nir.Input(np.array([6])),
        "_0": nir.Affine(ints(5, 6), ints(5, most=1)),
        "_1": neurons,
        "_2": nir.Linear(ints(3, 5)),
        "_3": end,
        "output": nir.Output(np.array([3])),
    }
    edges = list(zip(nodes, list(nodes)[1:], strict=False))
    return nir.NIRGraph(nodes, edges, type_check=False)


def box(tau, kind=nir.LIF):
    """``LIFBoxCell`` or, of LI, ``LIBoxCell``: everything is of shape ()."""
    fields = {"tau": np.float32(tau), "r": np.ones((), np.float32), "v_leak": np.zeros((), np.float32)}
    spikes = {"v_threshold": np.ones((), np.float32), "v_reset": np.zeros((), np.float32)}
    return kind(**{name: np.asarray(value) for name, value in (fields | (spikes if kind is nir.LIF else {})).items()})


def test_cells_of_norse_run_over_sequences():
    def imported(graph):
        return from_nir(graph, None, options(0.001))  # nir can't write numbers of shape () to files

    made = imported(norse(box(0.002), box(0.004, nir.LI)))
    assert [(layer.name, layer.neuron.leak) for layer in made.network.layers] == [("layer_1", 1), ("readout", 2)]
    none_differs(made)
    with pytest.raises(UserError, match=r"^_1 \(LIF\): dt / tau is 0\.1, and must be"):  # Norse's own constants
        imported(norse(box(0.01), box(0.01, nir.LI)))
    one = np.ones((), np.float32)
    cell = nir.CubaLIF(
        tau_mem=0.01 * one, tau_syn=0.005 * one, v_reset=0 * one, v_threshold=one, v_leak=0 * one, r=one, w_in=one
    )
    with pytest.raises(UserError, match=r"^_1 \(CubaLIF\): dt / tau"):
        imported(norse(cell, box(0.004, nir.LI)))
