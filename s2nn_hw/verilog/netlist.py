"""Netlists as yosys's ``write_json`` writes and ``read_json`` reads them, as records that write back what they read.

A *net* is one bit, an integer in the file; the strings "0", "1", "x" and "z" are constants. Bits of a word: the lowest
first. What yosys leaves out where it is nothing (offsets, signs) is left out again.
"""

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from s2nn_hw.errors import quoted

Json = dict[str, Any]  # a part of yosys's file
Bit = int | str  # a net or a constant

_BITS, _TEXTS = frozenset((int, str)), frozenset((str,))
_TABLES, _DECLARED = (dict,) * 4, (int,) * 3


@dataclass(slots=True)
class Port:
    """A port of a module: ``direction`` ("input", "output", "inout") and its bits.

    ``offset``, ``upto``, ``signed``: how its range is declared, 0 where nothing is said.
    """

    direction: str
    bits: list[Bit]
    offset: int = 0
    upto: int = 0
    signed: int = 0

    @classmethod
    def of(cls, data: Json) -> Self:
        """Return the port that ``data`` is; :class:`KeyError` without direction or bits."""
        get = data.get
        return cls(data["direction"], data["bits"], get("offset", 0), get("upto", 0), get("signed", 0))

    def to_json(self) -> Json:
        """Return it as yosys writes it."""
        return {"direction": self.direction, **_said(self), "bits": self.bits}


@dataclass(slots=True)
class Name:
    """The nets that a name stands for, a word of ``bits``; ``hidden``: nobody gave the name.

    ``offset``, ``upto``, ``signed``: how its range is declared, 0 where nothing is said.
    """

    bits: list[Bit]
    hidden: bool = False
    attributes: Json = field(default_factory=dict)
    offset: int = 0
    upto: int = 0
    signed: int = 0

    @classmethod
    def of(cls, data: Json) -> Self:
        """Return the name that ``data`` is; :class:`KeyError` without bits."""
        get = data.get
        declared = get("offset", 0), get("upto", 0), get("signed", 0)
        return cls(data["bits"], bool(get("hide_name")), get("attributes", {}), *declared)

    def to_json(self) -> Json:
        """Return it as yosys writes it."""
        return {"hide_name": int(self.hidden), "bits": self.bits, **_said(self), "attributes": self.attributes}


@dataclass(slots=True)
class Cell:
    """A cell: its type, its pins (bits by port), its parameters and attributes, numbers as strings of bits.

    ``directions``: "input", "output" or "inout" by port; empty where yosys does not know the type. ``hidden``: nobody
    gave its name.
    """

    type: str
    pins: dict[str, list[Bit]]
    directions: dict[str, str] = field(default_factory=dict)
    parameters: Json = field(default_factory=dict)
    attributes: Json = field(default_factory=dict)
    hidden: bool = False

    @classmethod
    def of(cls, data: Json) -> Self:
        """Return the cell that ``data`` is; :class:`KeyError` without type or connections."""
        return cls(
            data["type"],
            data["connections"],
            data.get("port_directions", {}),
            data.get("parameters", {}),
            data.get("attributes", {}),
            bool(data.get("hide_name")),
        )

    def bit(self, port: str) -> Bit:
        """Return what is at ``port``, at its lowest bit if it has several; :class:`KeyError` if nothing is."""
        return self.pins[port][0]

    def inputs(self) -> list[Bit]:
        """Return the bits of all its inputs, in the order of the file."""
        return [bit for port, bits in self.pins.items() if self.directions[port] == "input" for bit in bits]

    def marked(self, attributes: Iterable[str]) -> bool:
        """Whether it has one of ``attributes``."""
        return not self.attributes.keys().isdisjoint(attributes)

    def copy(self) -> Self:
        """Return a cell of its own that is the same."""
        pins = {port: list(bits) for port, bits in self.pins.items()}
        parts = dict(self.directions), dict(self.parameters), dict(self.attributes)
        return type(self)(self.type, pins, *parts, self.hidden)

    def to_json(self) -> Json:
        """Return it as yosys writes it."""
        return {
            "hide_name": int(self.hidden),
            "type": self.type,
            "parameters": self.parameters,
            "attributes": self.attributes,
            "port_directions": self.directions,
            "connections": self.pins,
        }


@dataclass(slots=True)
class Module:
    """A module without processes and memories: ports, cells and names of nets by name, in the order of the file.

    ``parameters``: what they are by default.
    """

    ports: dict[str, Port]
    cells: dict[str, Cell]
    names: dict[str, Name]
    attributes: Json = field(default_factory=dict)
    parameters: Json = field(default_factory=dict)

    @classmethod
    def of(cls, data: Json) -> Self:
        """Return the module that ``data`` is; :class:`KeyError` if something is missing, :class:`TypeError` if it is of
        another kind."""
        if not isinstance(data, dict):
            raise TypeError("a module is no object")
        for part in ("ports", "cells", "netnames", "attributes", "parameter_default_values"):
            if not isinstance(data.get(part, {}), dict):
                raise TypeError(f"'{part}' is no object")
        for part in ("ports", "cells", "netnames"):
            for name, entry in data[part].items():
                if not isinstance(entry, dict):
                    raise TypeError(f"{quoted(name)} of '{part}' is no object")
        module = cls(
            {name: Port.of(port) for name, port in data["ports"].items()},
            {name: Cell.of(cell) for name, cell in data["cells"].items()},
            {name: Name.of(entry) for name, entry in data["netnames"].items()},
            data.get("attributes", {}),
            data.get("parameter_default_values", {}),
        )
        module.check()
        return module

    def check(self) -> None:
        """:class:`TypeError` if a part is of another kind than the records say, as what was read may be."""
        for what, words in (("port", self.ports), ("name", self.names)):
            for name, word in words.items():
                declared = type(word.offset), type(word.upto), type(word.signed)
                if not _are_bits(word.bits) or declared != _DECLARED:
                    raise TypeError(f"{what} {quoted(name)} has no list of bits, or its range is no numbers")
        for name, port in self.ports.items():
            if type(port.direction) is not str:
                raise TypeError(f"port {quoted(name)} has a direction that is no text")
        for name, entry in self.names.items():
            if type(entry.attributes) is not dict:
                raise TypeError(f"name {quoted(name)} has attributes that are no object")
        for name, cell in self.cells.items():
            tables = type(cell.pins), type(cell.directions), type(cell.parameters), type(cell.attributes)
            if type(cell.type) is not str or tables != _TABLES:
                raise TypeError(f"cell {quoted(name)} has a type that is no text, or a part that is no object")
            if not all(map(_are_bits, cell.pins.values())):
                raise TypeError(f"cell {quoted(name)} has a connection that is no list of bits")
            if not _TEXTS.issuperset(map(type, cell.directions.values())):
                raise TypeError(f"cell {quoted(name)} has a direction that is no text")

    def to_json(self) -> Json:
        """Return it as yosys writes it."""
        return {
            "attributes": self.attributes,
            **({"parameter_default_values": self.parameters} if self.parameters else {}),
            "ports": {name: port.to_json() for name, port in self.ports.items()},
            "cells": {name: cell.to_json() for name, cell in self.cells.items()},
            "netnames": {name: entry.to_json() for name, entry in self.names.items()},
        }


@dataclass(slots=True)
class Design:
    """A file of yosys's, one module of which is looked into: ``module``, called ``top``.

    ``modules``, ``header``: all modules and all beside them as they came, in the order of the file, with None for what
    is kept above.
    """

    top: str
    module: Module
    modules: Json
    header: Json

    @classmethod
    def of(cls, data: Json, top: str) -> Self:
        """Return the design that ``data`` is; :class:`KeyError` or :class:`TypeError` if it has no whole ``top``."""
        modules = data["modules"]
        return cls(top, Module.of(modules[top]), modules | {top: None}, data | {"modules": None})

    def to_json(self) -> Json:
        """Return it as yosys writes it."""
        return self.header | {"modules": self.modules | {self.top: self.module.to_json()}}


@contextmanager
def reading() -> Iterator[None]:
    """Read a netlist inside: nothing is looked through for cyclic garbage meanwhile.

    Millions of objects are made of a large file and none is garbage; looking for it took as long as all the rest.
    """
    looked = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if looked:
            gc.enable()


def module_of(data: Json, name: str) -> Module:
    """Return module ``name`` of the design that ``data`` is; :class:`KeyError`, :class:`TypeError` if it has none."""
    return Module.of(data["modules"][name])


def _are_bits(bits: object) -> bool:
    return type(bits) is list and _BITS.issuperset(map(type, bits))


def _said(word: Port | Name) -> Json:
    """Return how the range of ``word`` is declared, as far as something is said."""
    if not (word.offset or word.upto or word.signed):
        return {}
    said = {"offset": word.offset, "upto": word.upto, "signed": word.signed}
    return {name: value for name, value in said.items() if value}
