"""ONNX files of strangers: what can't be read is one line, whatever is in the file; nothing beside it is touched."""

import sys

import numpy as np
import pytest
from onnx import TensorProto, helper

from s2nn_hw.errors import UserError
from s2nn_hw.quantize.importers.from_onnx import from_onnx
from tests.support.commands import command, refused
from tests.support.onnx_models import Model, bipolar_mlp

assert command


def proto(**options):
    model, output = bipolar_mlp((16, 12, 8, 4))
    return model.proto(output, **options)


def read(tmp_path, made, **options):
    path = tmp_path / "a.onnx"
    path.write_bytes(made.SerializeToString())
    return from_onnx(path, **options)


def no(tmp_path, made, match, **options):
    with pytest.raises(UserError, match=match):
        read(tmp_path, made, **options)


def test_the_model_that_is_altered_below_can_be_read(tmp_path):
    assert read(tmp_path, proto()).agreement.same_class == 500


@pytest.mark.parametrize("version", [0, 2, 99])
def test_ir_versions(tmp_path, version):
    made = proto()
    made.ir_version = version
    no(tmp_path, made, f"IR version {version} is unknown .* newer onnx")


@pytest.mark.parametrize("version", [1, 6, 999])
def test_opsets(tmp_path, version):
    made = proto()
    made.opset_import[0].version = version
    no(tmp_path, made, f"opset {version} is unknown")


def test_no_opset(tmp_path):
    made = proto()
    del made.opset_import[:]
    no(tmp_path, made, "opset is not said")


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"\x08\x08", bytes(range(7, 256, 5))], ids=["empty", "text", "tags", "bytes"]
)
def test_other_files(tmp_path, data):
    (tmp_path / "a.onnx").write_bytes(data)
    with pytest.raises(UserError, match="ONNX file"):
        from_onnx(tmp_path / "a.onnx")


def test_a_file_that_is_cut_off(tmp_path):
    data = proto().SerializeToString()
    for share in (0.1, 0.5, 0.9, 0.999):
        (tmp_path / "a.onnx").write_bytes(data[: int(share * len(data))])
        with pytest.raises(UserError, match="not an ONNX file, or not all of it"):
            from_onnx(tmp_path / "a.onnx")


def test_altered_bytes_are_refused_or_read(tmp_path):
    data, random = proto().SerializeToString(), np.random.default_rng(0)
    refusals, lengths = 0, [0]
    for _ in range(60):
        altered = bytearray(data)
        for place in random.integers(0, len(data), 3):
            altered[place] = random.integers(0, 256)
        (tmp_path / "a.onnx").write_bytes(altered)
        try:
            from_onnx(tmp_path / "a.onnx")
        except UserError as error:
            refusals += 1
            lengths.append(len(str(error)))
    assert refusals > 0
    assert max(lengths) < 2000


def external(made, **said):
    """Put the data of the first weights into a file, as ``said``."""
    tensor = next(t for t in made.graph.initializer if len(t.dims) == 2)
    data = tensor.raw_data
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in said.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, str(value)
    return data


def test_data_beside_the_file(tmp_path):
    made = proto()
    data = external(made, location="weights.bin", offset=4, length=16 * 12 * 4)
    (tmp_path / "weights.bin").write_bytes(b"\0\0\0\0" + data)
    assert read(tmp_path, made).agreement.same_class == 500


@pytest.mark.parametrize(
    ("said", "match"),
    [
        ({"location": "../weights.bin"}, "must lie in the folder of the file"),
        ({"location": "a/../../weights.bin"}, "must lie in the folder of the file"),
        ({"location": "/etc/hostname"}, "must lie in the folder of the file"),
        ({"location": ""}, "must lie in the folder of the file"),
        ({}, "must lie in the folder of the file"),
        ({"location": "nothing.bin"}, "is not beside"),
        ({"location": "link.bin"}, "must be a file in the folder"),
        ({"location": "folder"}, "must be a file in the folder"),
        ({"location": "short.bin"}, "it has 10"),
        ({"location": "whole.bin", "offset": -4}, "it has"),
        ({"location": "whole.bin", "offset": "x"}, "must be integers"),
        ({"location": "whole.bin", "length": 1 << 60}, "it has"),
    ],
    ids=str,
)
def test_data_that_does_not_lie_there(tmp_path, said, match):
    (tmp_path / "inside" / "folder").mkdir(parents=True)
    (tmp_path / "weights.bin").write_bytes(bytes(10000))
    (tmp_path / "inside" / "short.bin").write_bytes(bytes(10))
    (tmp_path / "inside" / "whole.bin").write_bytes(bytes(10000))
    (tmp_path / "inside" / "link.bin").symlink_to(tmp_path / "weights.bin")
    made = proto()
    external(made, **said)
    no(tmp_path / "inside", made, match)


@pytest.mark.parametrize("dims", [[1 << 40], [1 << 31, 1 << 31, 1 << 31], [3], [-1], [1] * 20])
def test_shapes_that_are_not_what_is_there(tmp_path, dims):
    made = proto()
    tensor = next(t for t in made.graph.initializer if len(t.dims) == 2)
    del tensor.dims[:]
    tensor.dims.extend(dims)
    no(tmp_path, made, "tensor .*(too large|bytes wanted|is none)")


@pytest.mark.parametrize("kind", [TensorProto.STRING, TensorProto.COMPLEX64, TensorProto.FLOAT8E4M3FN, 999])
def test_kinds_of_tensors(tmp_path, kind):
    made = proto()
    made.graph.initializer[0].data_type = kind
    no(tmp_path, made, "type .* is not read")


def test_sparse_initializers(tmp_path):
    made = proto()
    made.graph.sparse_initializer.add().dims.extend([4])
    no(tmp_path, made, "sparse initializers")


def test_several_inputs_and_outputs(tmp_path):
    made = proto()
    made.graph.input.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3]))
    no(tmp_path, made, "one input is wanted, not 2: x, y")
    made = proto()
    made.graph.output.append(helper.make_tensor_value_info("t1", TensorProto.FLOAT, None))
    no(tmp_path, made, "one output, the scores, is wanted")


def test_kinds_of_inputs(tmp_path):
    made = proto()
    made.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    no(tmp_path, made, "must be floats, not UINT8")
    made = proto()
    made.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 1 << 40
    no(tmp_path, made, "too large")


def test_open_shapes(tmp_path):
    made = proto()
    made.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "features"
    no(tmp_path, made, r"is open \(features\): say that of one input.*--input-shape")
    assert read(tmp_path, made, input_shape=(16,)).agreement.same_class == 500
    made = proto(batch=None)
    no(tmp_path, made, "no axis is said")
    assert read(tmp_path, made, input_shape=(16,)).agreement.same_class == 500
    no(tmp_path, proto(), "does not fit the file's", input_shape=(17,))


def test_any_batch_of_the_file(tmp_path):
    made = proto()
    made.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "n"
    assert read(tmp_path, made).agreement.same_class == 500


def test_networks_inside_nodes(tmp_path):
    made = proto()
    made.graph.node[1].attribute.append(helper.make_attribute("body", made.graph))
    no(tmp_path, made, "networks inside")


@pytest.mark.parametrize(("domain", "kind"), [("os", "system"), ("com.microsoft", "Gelu"), ("", "LSTM")])
def test_operators_that_are_not_known(tmp_path, domain, kind):
    made = proto()
    made.graph.node[2].domain, made.graph.node[2].op_type, made.graph.node[2].name = domain, kind, "own"
    no(tmp_path, made, rf"node 'own' \({kind}\): ")


def test_what_is_supported_is_told(tmp_path):
    m = Model((16,))
    x = m.node("Sigmoid", m.node("MatMul", m.quant("x", 1.0, 2), m.constant(m.normal(16, 8))), name="squash")
    with pytest.raises(UserError, match=r"node 'squash' \(Sigmoid\): no form here.*supported.*MultiThreshold"):
        from_onnx(m.save(tmp_path / "a.onnx", x))
    m = Model((16,))
    x = m.node("Trunc", m.quant("x", 1.0, 2), *[m.constant(1.0)] * 3, name="cut")
    with pytest.raises(UserError, match=r"node 'cut' \(Trunc\): no form here"):
        from_onnx(m.save(tmp_path / "a.onnx", x))


def test_channels_last(tmp_path):
    m = Model((8, 8, 3))
    x = m.node("Transpose", m.quant("x", 1.0, 2), perm=[0, 3, 1, 2])
    x = m.node("Conv", x, m.constant(m.normal(4, 3, 3, 3)), kernel_shape=[3, 3])
    with pytest.raises(UserError, match="channels-first"):
        from_onnx(m.save(tmp_path / "a.onnx", x))


def test_nodes_out_of_order_and_twice(tmp_path):
    made = proto()
    made.graph.node[-1].input[0] = "nobody"
    no(tmp_path, made, "nothing before it gives|shapes can't be followed")
    made = proto()
    made.graph.node[-1].output[0] = made.graph.node[0].output[0]
    no(tmp_path, made, "given before|shapes can't be followed|nothing before")


@pytest.mark.parametrize(
    ("place", "value", "match"),
    [(1, 0.0, "scale must be positive"), (1, np.nan, "scale must be positive"), (2, 0.5, "zero point must be integers"),
     (3, 2.5, "bit width must be an integer"), (3, 0, "bit width"), (3, 33, "bit width"), (3, 9, "levels must be")],
)  # fmt: skip
def test_quantizers_that_are_none(tmp_path, place, value, match):
    m = Model((16,))
    x = m.node("MatMul", m.quant("x", 1.0, 2), m.constant(m.random.integers(-3, 4, (16, 8))))
    numbers = [m.constant(n) for n in (1.0, 0.0, 2)]
    numbers[place - 1] = m.constant(value)
    x = m.node("Quant", x, *numbers, signed=0, narrow=0, rounding_mode="ROUND", name="bad")
    x = m.node("MatMul", x, m.constant(m.random.integers(-3, 4, (8, 4))))
    with pytest.raises(UserError, match=match):
        from_onnx(m.save(tmp_path / "a.onnx", x))


def test_command(tmp_path, command):
    model, output = bipolar_mlp((16, 12, 8, 4))
    path, out = model.save(tmp_path / "mine.onnx", output), tmp_path / "mine.s2nn"
    code, text, _ = command("import", path, "-o", out, "--classes", "a,b,c,d")
    assert code == 0
    assert "500 of 500 inputs have the owner's class" in text
    assert out.is_file()
    assert (tmp_path / "mine.json").is_file()
    code, text, _ = command("export", out, "-o", tmp_path / "back.onnx")
    assert code == 0
    assert command("import", tmp_path / "back.onnx", "-o", tmp_path / "back.s2nn", "--json")[0] == 0


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (["-o", "a.txt"], ["must end in .s2nn"]),
        (["-o", "nowhere/a.s2nn"], ["folder nowhere does not exist"]),
        (["-o", "a.s2nn", "--input-range", "0"], ["--input-range", "0,1"]),
        (["-o", "a.s2nn", "--input-shape", "a,b"], ["--input-shape", "1,28,28"]),
        (["-o", "a.s2nn", "--labels", "y.npy"], ["--labels"]),
        (["-o", "a.s2nn", "--inputs", "missing.npy"], ["missing.npy does not exist"]),
        (["-o", "a.s2nn", "--inputs", "x.npy"], ["inputs must be floats (count, 16)"]),
        (["-o", "a.s2nn", "--classes", "a,b"], ["4 class names wanted, 2 came"]),
    ],
    ids=str,
)
def test_commands_that_can_not_be(tmp_path, command, monkeypatch, words, texts):
    monkeypatch.chdir(tmp_path)
    model, output = bipolar_mlp((16, 12, 8, 4))
    model.save(tmp_path / "mine.onnx", output)
    np.save(tmp_path / "x.npy", np.zeros((5, 7), np.float32))
    np.save(tmp_path / "y.npy", np.zeros(5, np.int64))
    before = sorted(tmp_path.iterdir())
    refused(command("import", "mine.onnx", *words), *texts)
    assert sorted(tmp_path.iterdir()) == before


def test_other_suffixes(tmp_path, command):
    refused(command("import", tmp_path / "a.pth", "-o", tmp_path / "a.s2nn"), ".onnx")
    refused(command("import", tmp_path / "none.onnx", "-o", tmp_path / "a.s2nn"), "does not exist")
    refused(command("export", "models/mnist-tiny.s2nn", "-o", tmp_path / "a.txt"), "must end in .onnx")


@pytest.mark.parametrize("package", ["onnx", "qonnx.core.modelwrapper"])
def test_packages_that_are_not_there(tmp_path, command, monkeypatch, package):
    model, output = bipolar_mlp((16, 12, 8, 4))
    model.save(tmp_path / "mine.onnx", output)
    monkeypatch.setitem(sys.modules, package, None)
    refused(command("import", tmp_path / "mine.onnx", "-o", tmp_path / "a.s2nn"), "pip install 's2nn-hw[import]'")


def test_inputs_that_are_wanted(tmp_path, command):
    m = Model((16,))
    x = m.node("MatMul", m.node("Relu", m.node("MatMul", "x", m.constant(m.normal(16, 8)))), m.constant(m.normal(8, 4)))
    path = m.save(tmp_path / "relu.onnx", x)
    refused(command("import", path, "-o", tmp_path / "a.s2nn"), "--inputs X.npy", "--input-range LO,HI")
    refused(command("import", path, "-o", tmp_path / "a.s2nn", "--input-range", "0,1"), "inputs are wanted")
    np.save(tmp_path / "x.npy", np.random.default_rng(0).uniform(0, 1, (300, 16)).astype(np.float32))
    code, text, _ = command("import", path, "-o", tmp_path / "a.s2nn", "--inputs", tmp_path / "x.npy")
    assert code == 0
    assert "activations against the owner's" in text
    assert "ReLU became numbers of 4 bits" in text


def test_names_that_are_no_text(tmp_path):
    data = proto().SerializeToString().replace(b"matmul", b"matm\xecl")
    path = tmp_path / "a.onnx"
    path.write_bytes(data)
    with pytest.raises(UserError, match="is not UTF-8 text"):
        from_onnx(path)


def test_attributes_of_other_types(tmp_path):
    made = Model((4, 6, 6))
    x = made.node("Conv", made.quant("x", 1.0, 4), made.constant(np.ones((3, 4, 3, 3))), group=[1])
    no(tmp_path, made.proto(x), "attribute 'group' is of another type than ONNX says")


def test_ends_of_a_clip_that_are_no_numbers(tmp_path):
    made = Model((6,))
    sums = made.node("MatMul", made.quant("x", 1.0, 4), made.constant(np.ones((6, 3))))
    x = made.node("Clip", sums, made.constant(np.zeros(3)), made.constant(np.ones(3)))
    no(tmp_path, made.proto(x), "its ends must be one number each|shapes can't be followed")


def test_a_quantizer_that_reads_nothing(tmp_path):
    made = Model((6,))
    weights = made.bipolar("")
    no(tmp_path, made.proto(made.node("MatMul", made.quant("x", 1.0, 4), weights)), "it reads nothing|followed")


def test_constants_among_the_values_of_a_sum(tmp_path):
    made = Model((6,))
    x = made.quant("x", 1.0, 4)
    parts = [made.node("MatMul", x, made.constant(made.random.integers(-3, 4, (6, 3)))) for _ in range(2)]
    whole = made.node("Sum", *parts, made.constant([100.0, 0.0, -100.0]))
    no(tmp_path, made.proto(whole), "a sum of values and constants has no form here")
