"""Tensors in the files of other programs: read as they are, or refused in a line before anything is run or made."""

import collections
import io
import pickle
import struct
import warnings
import zipfile

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from s2nn_hw.errors import UserError
from s2nn_hw.quantize.state_file import load_state, read_state, without_prefix


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))


def saved(path, what, **how):
    torch.save(what, path, **how)
    return path


def same(found, state):
    return set(found) == set(state) and all(torch.equal(found[name], state[name]) for name in state)


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod."])
@pytest.mark.parametrize("holder", [None, "state_dict", "model_state_dict", "model"])
def test_a_module_takes_what_is_read(tmp_path, prefix, holder):
    state = net().state_dict()
    named = collections.OrderedDict((prefix + name, tensor) for name, tensor in state.items())
    lightning = {"epoch": 3, "global_step": 10, "pytorch-lightning_version": "2.4", "optimizer_states": [{"lr": 0.1}]}
    path = saved(tmp_path / "x.ckpt", {**lightning, holder: named} if holder else named)
    found = load_state(path)
    assert same(found, state)
    net().load_state_dict(found)
    path.write_bytes(b"")  # nothing is read from the file any more
    assert same(found, state)


def test_more_ways_in_which_tensors_are_kept(tmp_path):
    state = net().state_dict()
    save_file(state, tmp_path / "x.safetensors")
    assert same(load_state(tmp_path / "x.safetensors"), state)
    assert same(load_state(saved(tmp_path / "p.pt", dict(net().named_parameters()))), dict(net().named_parameters()))
    lightning = {"state_dict": {f"model.{name}": tensor for name, tensor in state.items()}}
    assert same(load_state(saved(tmp_path / "l.ckpt", lightning), prefix="model."), state)
    with pytest.raises(UserError, match=r"l.ckpt: not all names begin with 'net.': model.0.weight"):
        load_state(tmp_path / "l.ckpt", prefix="net.")
    halves = {name: tensor.to(torch.bfloat16) for name, tensor in state.items()}
    assert same(load_state(saved(tmp_path / "h.pt", halves)), halves)
    views = {"a": torch.arange(12.0).reshape(3, 4).T, "b": torch.arange(12.0)[3:7]}
    assert same(load_state(saved(tmp_path / "v.pt", views)), views)


def refused(path, said):
    with pytest.raises(UserError, match=said) as caught:
        read_state(path)
    assert str(caught.value).startswith(f"{path}: ")


class Bomb:
    ran = False

    def __reduce__(self):
        return (setattr, (Bomb, "ran", True))


def test_code_is_named_and_not_run(tmp_path):
    refused(
        saved(tmp_path / "m.pt", net()), r"'torch.nn.modules.container.Sequential' would have to be run, and no code"
    )
    refused(saved(tmp_path / "b.pt", {"a": Bomb()}), "'(__builtin__|builtins).setattr' would have to be run")
    refused(saved(tmp_path / "c.pt", {"a": Bomb()}, pickle_protocol=4), "with a pickle_protocol of its own")
    refused(saved(tmp_path / "n.pt", {"hyper": collections.Counter(a=1)}), "'collections.Counter' would have to be run")
    legacy = saved(tmp_path / "l.pt", net().state_dict(), _use_new_zipfile_serialization=False)
    refused(legacy, r"was written by torch.save before version 1.6, .*: torch.save\(model.state_dict\(\), NAME.pt\)")
    (tmp_path / "p.pt").write_bytes(pickle.dumps({"a": Bomb()}))
    refused(tmp_path / "p.pt", "this is a pickle")
    with warnings.catch_warnings(action="ignore"):  # that there is something newer
        torch.jit.script(nn.Linear(2, 2)).save(tmp_path / "s.pt")
    refused(tmp_path / "s.pt", "this is a TorchScript archive, which is code")
    assert not Bomb.ran


def test_what_is_no_state(tmp_path):
    refused(saved(tmp_path / "t.pt", torch.ones(3)), "a dictionary of tensors is wanted, .*, not Tensor")
    refused(saved(tmp_path / "e.pt", {}), "and it is empty")
    refused(saved(tmp_path / "x.pt", {"a": torch.ones(1), "b": 3}), "but 'b' are none")
    refused(
        saved(tmp_path / "q.pt", {"a": torch.eye(3).to_sparse()}), "'torch._utils._rebuild_sparse_tensor' would have"
    )


def rezipped(path, change, compression=zipfile.ZIP_STORED):
    """Write the entries of the file at ``path`` again, as ``change`` has them, ``{name: bytes}``."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in change(entries):
            archive.writestr(name, data)
    return path


def test_zips_that_are_none_of_torch(tmp_path):
    def again(change=lambda entries: entries.items(), compression=zipfile.ZIP_STORED):
        return rezipped(saved(tmp_path / "z.pt", {"a": torch.zeros(4)}), change, compression)

    assert set(read_state(again()).tensors) == {"a"}
    refused(again(compression=zipfile.ZIP_DEFLATED), "is compressed, .*: torch.save compresses nothing")
    refused(again(lambda e: [*e.items(), ("z/../../x", b"")]), r"has no entry 'z/../../x'")
    refused(again(lambda e: [*e.items(), ("/etc/x", b"")]), "has no entry '/etc/x'")
    refused(again(lambda e: [*e.items(), ("y/data/1", b"")]), "has one folder, and no entry twice")
    refused(again(lambda e: [(n, d) for n, d in e.items() if "pkl" not in n]), "a zip file without data.pkl")
    refused(again(lambda e: [("z/data.pkl", b"\x80\x02}q\x00.")]), "not a readable torch.save|and it is empty")
    refused(
        again(lambda e: [(n, bytes(1 << 25) if "pkl" in n else d) for n, d in e.items()]), "data.pkl has 33,554,432"
    )
    cut = saved(tmp_path / "cut.pt", {"a": torch.zeros(400)})
    cut.write_bytes(cut.read_bytes()[:-30])
    refused(cut, "truncated or altered")
    cut.write_bytes(b"PK\x03\x04")
    refused(cut, "truncated or altered")


def repickled(path, old, new):
    """Write ``new`` for ``old`` in the pickle of the file at ``path``."""

    def change(entries):
        for name, data in entries.items():
            if name.endswith("data.pkl"):
                assert old in data
            yield name, data.replace(old, new) if name.endswith("data.pkl") else data

    return rezipped(path, change)


def test_shapes_and_storages_that_are_made_up_take_no_memory(tmp_path):
    whole = struct.pack("<H", 1234)
    path = saved(tmp_path / "s.pt", {"a": torch.zeros(1234)})
    huge = b"\x8a\x05" + (1 << 38).to_bytes(5, "little")
    refused(repickled(path, b"M" + whole, huge), "truncated or altered|without as many numbers in the file")
    path = saved(tmp_path / "e.pt", {"a": torch.zeros(1).expand(1 << 40)})
    refused(path, r"tensor 'a' declares \(1099511627776,\) without as many numbers in the file")
    path = repickled(saved(tmp_path / "u.pt", {"a": torch.zeros(1234)}), b"M" + whole, b"M" + struct.pack("<H", 9999))
    refused(path, "truncated or altered|without as many numbers")


def test_damaged_files_end_in_a_line(tmp_path):
    content = saved(tmp_path / "d.pt", net().state_dict()).read_bytes()
    draw = torch.Generator().manual_seed(0)
    for _ in range(300):
        at, value = (int(torch.randint(n, (1,), generator=draw)) for n in (len(content), 256))
        damaged = bytearray(content)
        damaged[at] = value
        (tmp_path / "d.pt").write_bytes(damaged)
        try:
            read_state(tmp_path / "d.pt")
        except UserError as error:
            assert "\n" not in str(error)  # noqa: PT017


def test_prefixes():
    known = ["hidden.0.linear.weight", "readout.bias"]
    for prefix in ("", "module.", "a.b.c."):
        assert without_prefix([prefix + name for name in known], known) == {name: prefix + name for name in known}
    assert without_prefix(["x.hidden.0.linear.weight", "y.readout.bias"], known)["x.hidden.0.linear.weight"]
    assert without_prefix(["hidden.0.linear.weight", "hidden.0.x"], known)["hidden.0.x"] == "hidden.0.x"
    assert without_prefix([], known) == {}


def test_a_zip_in_memory_is_never_written(tmp_path):
    file = io.BytesIO()
    torch.save({"a": torch.ones(2)}, file)
    (tmp_path / "a.bin").write_bytes(file.getvalue())
    assert load_state(tmp_path / "a.bin")["a"].tolist() == [1, 1]
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]
