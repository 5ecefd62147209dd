"""The block as IP-XACT (IEEE 1685-2009, which Vivado reads): ports, buses, clocks, registers, files."""

from collections.abc import Sequence
from xml.etree import ElementTree

from amaranth.lib.wiring import In

from s2nn_hw.ip.block import Block
from s2nn_hw.ip.constraints import clocks
from s2nn_hw.ip.lite import lite_ports
from s2nn_hw.ip.ports import Port, ports
from s2nn_hw.ip.registers import ADDRESS_BITS, registers

SPIRIT = "http://www.spiritconsortium.org/XMLSchema/SPIRIT/1685-2009"
VENDOR, LIBRARY, VERSION = "s2nn_hw", "ip", "1.0"
Element = ElementTree.Element


def component(block: Block, files: Sequence[tuple[str, str]]) -> str:
    """Return ``component.xml`` of ``block``, whose files are ``(name, kind)``, the kinds those of IP-XACT."""
    ElementTree.register_namespace("spirit", SPIRIT)
    root = Element(_tag("component"))
    for name, text in zip(("vendor", "library", "name", "version"), _vlnv(block), strict=True):
        _add(root, name, text)
    buses = _add(root, "busInterfaces")
    streams = [("s_axis", "slave"), ("m_axis", "master")]
    for name, mode in streams:
        members = ("tdata", "tvalid", "tready", "tlast")
        _bus(buses, name, mode, ("interface", "axis"), {part.upper(): f"{name}_{part}" for part in members})
    axi = block.options.axi_lite
    if axi:
        bus = _bus(buses, "s_axi", "slave", ("interface", "aximm"), {p.upper(): f"s_axi_{p}" for p in lite_ports()})
        reference = _add(bus[3], "memoryMapRef")
        reference.set(_tag("memoryMapRef"), "s_axi")
    for port, mhz in clocks(block.options).items():
        bus = _bus(buses, port, "slave", ("signal", "clock"), {"CLK": port})
        settings = {"FREQ_HZ": str(round(1e6 * mhz))}
        if port == "aclk":
            used = [name for name, _ in streams] + ["s_axi"] * axi
            settings |= {"ASSOCIATED_BUSIF": ":".join(used), "ASSOCIATED_RESET": "aresetn"}
        _parameters(bus, settings)
    _parameters(_bus(buses, "aresetn", "slave", ("signal", "reset"), {"RST": "aresetn"}), {"POLARITY": "ACTIVE_LOW"})
    if axi:
        _memory_map(root, block)
    _model(root, block)
    listed = _add(_add(root, "fileSets"), "fileSet")
    _add(listed, "name", "files")
    for name, kind in files:
        file = _add(listed, "file")
        _add(file, "name", name)
        _add(file, *kind_of(kind))
    _add(root, "description", f"Spiking network {block.design.network.name} between AXI4-Streams")
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def kind_of(kind: str) -> tuple[str, str]:
    """Return the element, and its text, that says of what ``kind`` a file is: one that IP-XACT knows or another."""
    return ("fileType", kind) if kind in ("verilogSource", "tclSource") else ("userFileType", kind)


def _vlnv(block: Block) -> tuple[str, str, str, str]:
    return VENDOR, LIBRARY, block.options.name, VERSION


def _tag(name: str) -> str:
    return f"{{{SPIRIT}}}{name}"


def _add(parent: Element, name: str, text: str | None = None) -> Element:
    child = ElementTree.SubElement(parent, _tag(name))
    child.text = text
    return child


def _bus(parent: Element, name: str, mode: str, kind: tuple[str, str], lines: dict[str, str]) -> Element:
    """Add a bus of Xilinx's ``kind`` (library and name), its logical ``lines`` mapped to ports; return it."""
    bus = _add(parent, "busInterface")
    _add(bus, "name", name)
    for element, kind_name in (("busType", kind[1]), ("abstractionType", f"{kind[1]}_rtl")):
        reference = _add(bus, element)
        for attribute, text in (
            ("vendor", "xilinx.com"),
            ("library", kind[0]),
            ("name", kind_name),
            ("version", "1.0"),
        ):
            reference.set(_tag(attribute), text)
    _add(bus, mode)
    maps = _add(bus, "portMaps")
    for logical, physical in lines.items():
        pair = _add(maps, "portMap")
        _add(_add(pair, "logicalPort"), "name", logical)
        _add(_add(pair, "physicalPort"), "name", physical)
    return bus


def _parameters(parent: Element, settings: dict[str, str]) -> None:
    own = _add(parent, "parameters")
    for name, value in settings.items():
        parameter = _add(own, "parameter")
        _add(parameter, "name", name)
        _add(parameter, "value", value)


def _memory_map(root: Element, block: Block) -> None:
    map_ = _add(_add(root, "memoryMaps"), "memoryMap")
    _add(map_, "name", "s_axi")
    area = _add(map_, "addressBlock")
    for name, text in (("name", "registers"), ("baseAddress", "0"), ("range", str(1 << ADDRESS_BITS)), ("width", "32")):
        _add(area, name, text)
    _add(area, "usage", "register")
    for row in registers(block.shape):
        register = _add(area, "register")
        _add(register, "name", row.name)
        _add(register, "description", row.means)
        _add(register, "addressOffset", f"0x{row.offset:x}")
        _add(register, "size", "32")
        _add(register, "access", row.access)
        if row.value is not None:
            reset = _add(register, "reset")
            _add(reset, "value", f"0x{row.value:x}")
        for field in row.fields:
            part = _add(register, "field")
            _add(part, "name", field.name)
            _add(part, "description", field.means)
            _add(part, "bitOffset", str(field.low))
            _add(part, "bitWidth", str(field.width))


def _model(root: Element, block: Block) -> None:
    model = _add(root, "model")
    view = _add(_add(model, "views"), "view")
    _add(view, "name", "verilog")
    _add(view, "envIdentifier", "verilogSource:synthesis.simulation:")
    _add(view, "language", "verilog")
    _add(view, "modelName", block.options.name)
    _add(_add(view, "fileSetRef"), "localName", "files")
    listed = _add(model, "ports")
    for port in ports(block):
        _port(listed, port)


def _port(parent: Element, port: Port) -> None:
    entry = _add(parent, "port")
    _add(entry, "name", port.name)
    _add(entry, "description", port.means)
    wire = _add(entry, "wire")
    _add(wire, "direction", "in" if port.flow is In else "out")
    if port.vector:
        vector = _add(wire, "vector")
        _add(vector, "left", str(port.width - 1))
        _add(vector, "right", "0")
