"""NIR graphs and files that are refused: what has no form is named."""

import itertools

import numpy as np
import pytest

nir = pytest.importorskip("nir")
h5py = pytest.importorskip("h5py")

from s2nn_hw.errors import UserError  # noqa: E402
from s2nn_hw.quantize.importers.from_nir import from_nir  # noqa: E402
from s2nn_hw.quantize.importers.nir_file import MAX_BYTES, read_nir  # noqa: E402
from s2nn_hw.quantize.importers.nir_neurons import NirOptions  # noqa: E402
from tests.support.nir_graphs import conv, dense, fires, full, ints, leaks, listed  # noqa: E402

RAW = {"bits": 2, "between": (0.0, 3.0)}


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
    refused(recurrent(), r"the graph has loops \(a to w\), so that it wants sequences")
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
