"""Tensors by name in files of other programs: safetensors, and what ``torch.save`` wrote, of which nothing is run.

A ``torch.save`` file is a zip of one pickle and the bytes of each storage. Entries are looked at first: their names,
sizes and that none is compressed; then which classes the pickle wants, without making any. Only then
``torch.load(weights_only=True)`` reads it, storages as parts of the file itself, so that a size that the pickle makes
up takes no memory.
"""

import io
import pickle
import pickletools
import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from s2nn_hw.errors import UserError, listed, one_line, quoted
from s2nn_hw.files import is_pickle, read_bytes
from s2nn_hw.texts import parse_json

KINDS = {torch.float16: "F16", torch.bfloat16: "BF16", torch.float32: "F32", torch.float64: "F64"}
WRAPPERS = ("module.", "_orig_mod.")  # of DistributedDataParallel and torch.compile
HOLDERS = ("state_dict", "model_state_dict", "model")  # where the tensors are in a dictionary of more than them
MAX_HEADER_BYTES = 1 << 24
MAX_ENTRIES = 1 << 16
MAX_PICKLE_BYTES = 1 << 24
BROKEN = "not a readable safetensors checkpoint, truncated or altered"
ALLOWED = re.compile(
    r"collections OrderedDict|torch\._utils _rebuild_(tensor_v2|parameter)|torch \w+Storage|torch Size|"
    r"torch\.storage (Typed|_Legacy)?Storage"
)


@dataclass(frozen=True)
class State:
    """``tensors`` by name in the file; ``metadata`` of a safetensors file, else None."""

    tensors: dict[str, Tensor]
    metadata: dict[str, Any] | None = None


def load_state(path: Path | str, *, prefix: str = "") -> dict[str, Tensor]:
    """Return the tensors in file ``path``, safetensors or ``torch.save``, for ``module.load_state_dict``.

    Lightning's ``state_dict`` is looked into, and ``module.`` and ``_orig_mod.``, if all names begin with them, left
    out, as is ``prefix`` ("model." of a Lightning module). :class:`UserError` says what is wrong with the file.
    """
    found = read_state(path).tensors
    while start := next((w for w in WRAPPERS if all(name.startswith(w) for name in found)), ""):
        found = {name[len(start) :]: tensor for name, tensor in found.items()}
    if not all(name.startswith(prefix) for name in found):
        raise UserError(f"{path}: not all names begin with {quoted(prefix)}: {listed(found)}")
    return {name[len(prefix) :]: tensor for name, tensor in found.items()}


def read_state(path: Path | str) -> State:
    """Return what is in file ``path``; :class:`UserError` names the file."""
    content = read_bytes(path, what="checkpoint")
    try:
        if content[:4] == b"PK\x03\x04" and content[8:9] != b"{":
            return State(_torch_file(Path(path), content))
        if is_pickle(content):
            raise UserError(
                "this is a pickle, or was written by torch.save before version 1.6, and either can run code when "
                "opened; where you trust it, load it and write it anew: torch.save(model.state_dict(), NAME.pt), or "
                "safetensors.torch.save_file"
            )
        return _safetensors(content)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def without_prefix(names: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Return ``{name of ours: name in the file}`` of ``names``: what all begin with, up to a dot, is left out as far as
    that makes most of them ``known``."""
    names, known = list(names), set(known)
    shared = 0
    if names:
        low, high = min(names), max(names)
        while shared < len(low) and low[shared] == high[shared : shared + 1]:
            shared += 1
    ends = [0] + [n + 1 for n in range(shared) if names[0][n] == "."]
    best = max(ends, key=lambda end: (sum(name[end:] in known for name in names), -end))
    return {name[best:]: name for name in names}


def _safetensors(content: bytes) -> State:
    from safetensors import SafetensorError
    from safetensors.torch import load as unpack

    length = int.from_bytes(content[:8], "little")
    if len(content) < 10 or length > min(len(content) - 8, MAX_HEADER_BYTES) or content[8:9] != b"{":
        raise UserError(f"{BROKEN} (its header is not there, or too long)")
    header = parse_json(content[8 : 8 + length], f"{BROKEN}: its header")
    metadata = header.pop("__metadata__", {})
    try:
        tensors = unpack(content)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{BROKEN} ({' '.join(str(error).split())[:200]})") from None
    return State(tensors, metadata if isinstance(metadata, dict) else {})


def _torch_file(path: Path, content: bytes) -> dict[str, Tensor]:
    """Return the tensors of the ``torch.save`` file ``path``, which has ``content``."""
    _check_classes(_pickle_in(content))
    try:
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        wanted = re.search(r"GLOBAL (\S+)", str(error))
        raise _wants(wanted[1] if wanted else one_line(error)[:80]) from None
    except (RuntimeError, ValueError, KeyError, TypeError, IndexError, AttributeError, EOFError, OSError) as error:
        raise UserError(
            f"not a readable torch.save file, truncated or altered ({one_line(error).split('. ')[0][:200]})"
        ) from None
    named = _named(found)
    return {name: _checked(name, tensor) for name, tensor in named.items()}


def _pickle_in(content: bytes) -> bytes:
    """Return the pickle in the zip ``content``, after its entries were looked at."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            _check_entries(entries)
            (data,) = [entry for entry in entries if re.fullmatch(r"[^/]+/data\.pkl", entry.filename)]
            return archive.read(data)
    except (zipfile.BadZipFile, ValueError, RuntimeError, NotImplementedError, OSError, EOFError) as error:
        raise UserError(f"not a readable torch.save file, truncated or altered ({one_line(error)[:200]})") from None


def _check_entries(entries: list[zipfile.ZipInfo]) -> None:
    names = [entry.filename for entry in entries]
    if len(entries) > MAX_ENTRIES:
        raise UserError(f"a torch.save file has at most {MAX_ENTRIES:,} entries, not {len(entries):,}")
    if any("/code/" in name or name.endswith("/constants.pkl") for name in names):
        raise UserError(
            "this is a TorchScript archive, which is code; write the tensors: torch.save(model.state_dict(), ..)"
        )
    for entry in entries:
        parts = entry.filename.split("/")
        if len(parts) < 2 or any(part in ("", ".", "..") for part in parts) or "\\" in entry.filename:
            raise UserError(f"a torch.save file has no entry {quoted(entry.filename)}")
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size or entry.flag_bits & 1:
            raise UserError(
                f"entry {quoted(entry.filename)} is compressed, {entry.compress_size:,} bytes for {entry.file_size:,}: "
                "torch.save compresses nothing"
            )
    if len({name.split("/")[0] for name in names}) > 1 or len(set(names)) < len(names):
        raise UserError("a torch.save file has one folder, and no entry twice")
    pickles = [entry for entry in entries if entry.filename.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise UserError(f"a zip file without data.pkl, not written by torch.save (it holds {listed(names)})")
    if pickles[0].file_size > MAX_PICKLE_BYTES:
        raise UserError(f"its data.pkl has {pickles[0].file_size:,} bytes, more than the limit of {MAX_PICKLE_BYTES:,}")


def _check_classes(data: bytes) -> None:
    """Raise :class:`UserError` for a class or function that the pickle ``data`` wants and tensors don't."""
    try:
        for code, argument, _ in pickletools.genops(data):
            if code.name == "GLOBAL" and not ALLOWED.fullmatch(str(argument)):
                raise _wants(str(argument).replace(" ", "."))
            if code.name in ("STACK_GLOBAL", "NEWOBJ_EX"):
                raise UserError(
                    "it was written with a pickle_protocol of its own; write it again without (torch has 2)"
                )
            if code.name in ("INST", "OBJ", "NEWOBJ", "EXT1", "EXT2", "EXT4"):
                raise _wants(f"an object ({code.name})")
    except (ValueError, IndexError, UnicodeDecodeError) as error:
        raise UserError(f"not a readable torch.save file: {one_line(error)[:200]}") from None


def _wants(name: str) -> UserError:
    return UserError(
        f"to open it, {quoted(name)} would have to be run, and no code of a file is: it holds more than tensors; where "
        "you trust it, load it and write the tensors alone: torch.save(model.state_dict(), NAME.pt)"
    )


def _named(found: Any) -> dict[str, Tensor]:
    """Return the tensors by name in what a file holds."""
    if not isinstance(found, Mapping):
        raise UserError(f"a dictionary of tensors is wanted, as of model.state_dict(), not {type(found).__name__}")
    for holder in HOLDERS:
        if isinstance(found.get(holder), Mapping):
            found = found[holder]
            break
    strange = [
        quoted(name) for name, value in found.items() if not isinstance(name, str) or not isinstance(value, Tensor)
    ]
    if strange or not found:
        what = f"but {listed(strange)} are none" if strange else "and it is empty"
        raise UserError(f"a dictionary of tensors is wanted, as of model.state_dict() or in its 'state_dict', {what}")
    return dict(found)


def _checked(name: str, tensor: Tensor) -> Tensor:
    """Return ``tensor``, one that is not part of a file, if it has memory for all of its numbers."""
    plain = tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
    if not plain or tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise UserError(
            f"tensor {quoted(name)} declares {quoted(tuple(tensor.shape))} without as many numbers in the file"
        )
    return tensor.detach().clone().contiguous()
