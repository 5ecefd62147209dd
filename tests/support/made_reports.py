"""Reports made of small networks, and the record of a build beside one."""

from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.report.full import build_report
from s2nn_hw.report.known import Known
from tests.support.networks import random_images


def make_report(network, **known):
    images = random_images(network, 8)
    labels = network.forward(images).classes
    return build_report(network, default_plan(network, "xc7"), images, labels, Known(source="random", **known))


def build_record(network, changes=()):
    row = {"kind": "LUT4", "used": 11, "budget": 100}
    return {
        "format": "s2nn-build",
        "version": 1,
        "board": {"name": "ulx3s"},
        "plan": default_plan(network, "xc7").to_json(),
        "network": {"name": network.name, "digest": network.digest},
        "link": {"baud": 500_000},
        "clock": {"wanted_mhz": 80.0, "reached_mhz": 93.5},
        "resources_source": "nextpnr after packing",
        "resources": dict.fromkeys(("luts", "ffs", "brams", "dsps"), row),
        "flow": "nextpnr",
        "synthesis": {"luts": 9, "ffs": 9, "brams": 3, "dsps": 0},
        "digest": "0123456789abcdef",
        "missing": [],
        "tools": {"yosys": "Yosys 0.70"},
        "bitstream": "top.bit",
    } | dict(changes)
