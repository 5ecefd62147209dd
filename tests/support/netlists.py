"""Small mapped netlists of every family: made at random or by hand, and evaluated cycle by cycle."""

from itertools import count

import numpy as np

from s2nn_hw.hw.netlist.flat import FlatNetlist


def cell(kind, outputs, parameters=None, attributes=None, **pins):
    """Return a cell of yosys's JSON; ``outputs``: which of ``pins`` (a net or a list of them) are outputs."""
    connections = {port: list(bits) if isinstance(bits, (list, tuple)) else [bits] for port, bits in pins.items()}
    return {
        "hide_name": 0,
        "type": kind,
        "parameters": parameters or {},
        "attributes": attributes or {},
        "port_directions": {port: "output" if port in outputs else "input" for port in connections},
        "connections": connections,
    }


def design(cells, ports, names=None):
    """Return yosys's JSON of a top module; ``ports``: name to (direction, nets); ``names``: more names of nets."""
    names = {name: bits for name, (_, bits) in ports.items()} | (names or {})
    module = {
        "attributes": {"top": "00000000000000000000000000000001"},
        "ports": {name: {"direction": direction, "bits": list(bits)} for name, (direction, bits) in ports.items()},
        "cells": cells,
        "netnames": {name: {"hide_name": 0, "bits": list(bits), "attributes": {}} for name, bits in names.items()},
    }
    return {"creator": "tests", "modules": {"top": module}}


class Maker:
    """Cells of ``family``, one method a kind; each returns its output nets."""

    def __init__(self, family, rng):
        self.family, self.rng, self.cells = family, rng, {}
        self.nets, self.numbers = count(2), count()

    def _add(self, kind, outputs, parameters=None, **pins):
        self.cells[f"u{next(self.numbers)}_{kind}"] = cell(kind, outputs, parameters, **pins)

    def _bits(self, width):
        return "".join(map(str, self.rng.integers(0, 2, width)))

    def lut(self, inputs):
        out, family = next(self.nets), self.family
        most = 6 if family == "xc7" else 4
        inputs = list(inputs)[:most]
        if family == "xc7" and len(inputs) == 1:
            self._add("INV", "O", I=inputs[0], O=out)
        elif family == "ecp5":
            inputs += ["0"] * (4 - len(inputs))
            self._add("LUT4", "Z", {"INIT": self._bits(16)}, **dict(zip("ABCD", inputs, strict=True)), Z=out)
        elif family == "ice40":
            inputs += ["0"] * (4 - len(inputs))
            pins = {f"I{k}": net for k, net in enumerate(inputs)}
            self._add("SB_LUT4", "O", {"LUT_INIT": self._bits(16)}, **pins, O=out)
        else:
            pins = {f"I{k}": net for k, net in enumerate(inputs)} | {"O" if family == "xc7" else "F": out}
            init = {"INIT": self._bits(1 << len(inputs))}
            self._add(f"LUT{len(inputs)}", ("O", "F"), init, **pins)
        return out

    def mux(self, low, high, select):
        out, family = next(self.nets), self.family
        if family == "xc7":
            self._add("MUXF7", "O", I0=low, I1=high, S=select, O=out)
        elif family == "ecp5":
            self._add("PFUMX", "Z", BLUT=low, ALUT=high, C0=select, Z=out)
        else:
            self._add("MUX2_LUT5", "O", I0=low, I1=high, S0=select, O=out)
        return out

    def wide_mux(self, low, high, select):
        out, family = next(self.nets), self.family
        if family == "xc7":
            self._add("MUXF8", "O", I0=low, I1=high, S=select, O=out)
        elif family == "ecp5":
            self._add("L6MUX21", "Z", D0=low, D1=high, SD=select, Z=out)
        else:
            self._add("MUX2_LUT6", "O", I0=low, I1=high, S0=select, O=out)
        return out

    def carry(self, carry, pick):
        """Return ``(sums, carry out)`` of one carry cell; ``pick()`` gives an input."""
        family = self.family
        if family == "xc7":
            sums, outs = [next(self.nets) for _ in range(4)], [next(self.nets) for _ in range(4)]
            self._add(
                "CARRY4",
                ("O", "CO"),
                CI=carry,
                CYINIT="0",
                DI=[pick() for _ in range(4)],
                S=[pick() for _ in range(4)],
                O=sums,
                CO=outs,
            )
            return sums, outs[3]
        out = next(self.nets)
        if family == "ecp5":
            sums = [next(self.nets), next(self.nets)]
            pins = {f"{port}{half}": pick() for port in "ABCD" for half in "01"}
            inits = {"INIT0": self._bits(16), "INIT1": self._bits(16), "INJECT1_0": "NO", "INJECT1_1": "NO"}
            self._add("CCU2C", ("S0", "S1", "COUT"), inits, CIN=carry, **pins, S0=sums[0], S1=sums[1], COUT=out)
            return sums, out
        if family == "ice40":
            self._add("SB_CARRY", "CO", CI=carry, I0=pick(), I1=pick(), CO=out)
            return [], out
        total = next(self.nets)
        self._add("ALU", ("SUM", "COUT"), I0=pick(), I1=pick(), I3="0", CIN=carry, SUM=total, COUT=out)
        return [total], out

    def register(self, out, clock, data, enable, reset):
        kind = int(self.rng.integers(0, 2))
        if self.family == "xc7":
            pins = {"C": clock, "CE": enable, "D": data, "Q": out, "RS"[kind]: reset}
            self._add(("FDRE", "FDSE")[kind], "Q", {"INIT": "01"[kind]}, **pins)
        elif self.family == "ecp5":
            parameters = {"REGSET": ("RESET", "SET")[kind], "CEMUX": "CE", "LSRMUX": "LSR", "SRMODE": "LSR_OVER_CE"}
            self._add("TRELLIS_FF", "Q", parameters, CLK=clock, CE=enable, DI=data, LSR=reset, Q=out)
        elif self.family == "ice40":
            kinds = ("SB_DFFESR", "SB_DFFESS")
            self._add(kinds[kind], "Q", C=clock, E=enable, D=data, Q=out, **{"RS"[kind]: reset})
        else:
            self._add(
                ("DFFRE", "DFFSE")[kind],
                "Q",
                {"INIT": "01"[kind]},
                CLK=clock,
                CE=enable,
                D=data,
                Q=out,
                **{("RESET", "SET")[kind]: reset},
            )


def random_netlist(seed, family):
    """Return yosys's JSON of a random netlist of LUTs, multiplexers, carries and registers with a few busy nets."""
    rng = np.random.default_rng(seed)
    make = Maker(family, rng)
    clock, *pins = (next(make.nets) for _ in range(int(rng.integers(2, 6))))
    sampled = [next(make.nets) for _ in pins]
    for pin, net in zip(pins, sampled, strict=True):
        make.register(net, clock, pin, "1", "0")
    states = [next(make.nets) for _ in range(int(rng.integers(1, 12)))]
    pool = sampled + states + (pins if rng.random() < 0.4 else [])
    busy = list(rng.choice(pool, int(rng.integers(1, 4))))

    def pick():
        if rng.random() < 0.1:
            return str(rng.integers(0, 2))
        return int(rng.choice(busy if rng.random() < 0.6 else pool))

    for _ in range(int(rng.integers(1, 40))):
        kind = rng.choice(["lut", "lut", "mux", "carry"] if family != "ice40" else ["lut", "lut", "carry"])
        if kind == "lut":
            made = [make.lut([pick() for _ in range(int(rng.integers(1, 7)))])]
        elif kind == "mux":
            made = [
                make.mux(make.lut([pick() for _ in range(4)]), make.lut([pick() for _ in range(4)]), pick())
                for _ in range(2)
            ]
            made = [make.wide_mux(*made, pick())] if rng.random() < 0.3 else made
        else:
            made, carry = [], "0"
            for _ in range(int(rng.integers(1, 4))):
                sums, carry = make.carry(carry, pick)
                made += sums
            made += [carry]
        pool += made
        if rng.random() < 0.15:
            busy += made[:1]
    for net in states:
        make.register(net, clock, pick(), pick() if rng.random() < 0.5 else "1", pick() if rng.random() < 0.3 else "0")
    outs = [int(rng.choice(pool)) for _ in range(int(rng.integers(1, 12)))]
    ports = {"clk": ("input", [clock]), "i": ("input", pins), "o": ("output", outs)}
    return design(make.cells, ports, {f"n{net}": [net] for net in pool[::2]})


class Evaluator:
    """Evaluates the top module of ``design``, clock by clock; every register starts at its INIT, else at 0."""

    def __init__(self, design):
        module = design["modules"]["top"]
        self.ports, self.cells = module["ports"], module["cells"]
        self.registers = {name: cell for name, cell in self.cells.items() if "Q" in cell["connections"]}
        self.logic = {name: cell for name, cell in self.cells.items() if name not in self.registers}
        self.state = {name: int(cell["parameters"].get("INIT", "0") == "1") for name, cell in self.registers.items()}
        self.makers = {
            net: name
            for name, cell in self.logic.items()
            for port, bits in cell["connections"].items()
            if cell["port_directions"][port] == "output"
            for net in bits
        }

    def clock(self, word):
        """Return the bits of port ``o`` with ``word`` at port ``i``, then clock every register once."""
        values = {"0": 0, "1": 1, "x": 0}
        values |= {net: word >> k & 1 for k, net in enumerate(self.ports["i"]["bits"])}
        values |= {cell["connections"]["Q"][0]: self.state[name] for name, cell in self.registers.items()}
        outputs = [self._value(net, values) for net in self.ports["o"]["bits"]]
        self.state = {name: self._next(name, cell, values) for name, cell in self.registers.items()}
        return outputs

    def _value(self, net, values):
        if net not in values:
            cell = self.logic[self.makers[net]]
            ins = {
                port: [self._value(bit, values) for bit in bits]
                for port, bits in cell["connections"].items()
                if cell["port_directions"][port] == "input"
            }
            for port, bits in _outputs(cell, ins).items():
                values.update(zip(cell["connections"][port], bits, strict=True))
        return values[net]

    def _next(self, name, cell, values):
        pins = cell["connections"]
        data, kind = self._value((pins.get("D") or pins["DI"])[0], values), cell["type"]
        enable = self._value((pins.get("CE") or pins["E"])[0], values)
        reset = next(port for port in ("R", "S", "LSR", "RESET", "SET") if port in pins)
        forced = self._value(pins[reset][0], values) and (enable or not kind.startswith("SB_"))
        if forced:
            return int(reset in ("S", "SET") or cell["parameters"].get("REGSET") == "SET")
        return data if enable else self.state[name]


def _table(init, bits):
    return int(init[-1 - sum(bit << k for k, bit in enumerate(bits))])


def _outputs(cell, ins):
    """Return the bits of each output port of a cell of logic."""
    kind, parameters = cell["type"], cell["parameters"]
    first = {port: bits[0] for port, bits in ins.items()}
    if kind == "CARRY4":
        return _carry4(ins, first["CI"] | first["CYINIT"])
    if kind == "CCU2C":
        return _ccu2c(parameters, first)
    if kind in ("SB_CARRY", "ALU"):
        carry = first.get("CI", first.get("CIN"))
        total = first["I0"] + first["I1"] + carry
        return {"CO": [total >> 1]} if kind == "SB_CARRY" else {"SUM": [total & 1], "COUT": [total >> 1]}
    if kind == "INV":
        return {"O": [1 - first["I"]]}
    if kind in ("MUXF7", "MUXF8"):
        return {"O": [first["I1"] if first["S"] else first["I0"]]}
    if kind.startswith("MUX2"):
        return {"O": [first["I1"] if first["S0"] else first["I0"]]}
    if kind == "PFUMX":
        return {"Z": [first["ALUT"] if first["C0"] else first["BLUT"]]}
    if kind == "L6MUX21":
        return {"Z": [first["D1"] if first["SD"] else first["D0"]]}
    (port,) = (port for port, direction in cell["port_directions"].items() if direction == "output")
    return {port: [_table(parameters.get("INIT") or parameters["LUT_INIT"], [first[name] for name in sorted(first)])]}


def _carry4(ins, carry):
    sums, outs = [], []
    for select, data in zip(ins["S"], ins["DI"], strict=True):
        sums.append(select ^ carry)
        carry = carry if select else data
        outs.append(carry)
    return {"O": sums, "CO": outs}


def _ccu2c(parameters, first):
    carry, made = first["CIN"], {}
    for half in "01":
        init = parameters[f"INIT{half}"]
        whole = _table(init, [first[f"{port}{half}"] for port in "ABCD"])
        made[f"S{half}"] = [whole ^ carry]
        carry = carry if whole else _table(init, [first[f"A{half}"], first[f"B{half}"]])
    return made | {"COUT": [carry]}


def check_wiring(netlist):
    """The record of drivers and loads is that of the cells, and no net has two drivers or none."""
    fresh = FlatNetlist(netlist.to_json(), netlist.library)
    assert {net: sorted(pins) for net, pins in fresh.loads.items()} == {
        net: sorted(pins) for net, pins in netlist.loads.items() if pins
    }
    assert fresh.drivers == netlist.drivers
    assert all(len(pins) == 1 for pins in fresh.drivers.values())
    assert set(fresh.loads) <= set(fresh.drivers)
    assert not set(netlist.cells) & set(netlist.names)
