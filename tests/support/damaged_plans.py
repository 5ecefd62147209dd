"""Damaged plans in JSON, and whether one that was taken says what was read."""

import json

from s2nn_hw.circuit.choices import Plan
from s2nn_hw.network.synapses import MaxPool
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.plan.plan import load_plan
from tests.support import outsider_container
from tests.support.damage import Wrong, bent, changed, twice
from tests.support.graphs import build, convolution, dense, joined


class Plans:
    """Plans in JSON."""

    def __init__(self, folder):
        self.network = build((6, 6, 2), 2, [convolution(4, 3, padding=1), joined(MaxPool(2)), dense(6), dense(3)])
        plan = Plan(
            default_plan(self.network, "xc7").layers,
            {"network": "graph", "board": "ulx3s", "clock_mhz": 50.0, "estimate": {"luts": 3}},
        )
        self.plan = plan.to_json()

    def draw(self, rng):
        what = rng.random()
        if what < 0.2:
            return bent(json.dumps(self.plan).encode(), rng)
        if what < 0.3:
            return twice(json.dumps(self.plan), rng).encode()
        return json.dumps(changed(self.plan, rng)).encode()

    def accepted(self, path):
        plan, said = load_plan(path, self.network).to_json(), outsider_container.strict_json(path.read_text(), "plan")
        layers = [full | entry for full, entry in zip(plan["layers"], said["layers"], strict=True)]
        if json.dumps(plan, sort_keys=True) != json.dumps(said | {"layers": layers}, sort_keys=True):
            raise Wrong("a plan says something that was not read")
