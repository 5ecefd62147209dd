"""A finished record of activity is taken as it is, a damaged one is counted anew."""

import json

import pytest

from s2nn_hw.cli.activity import _finished
from tests.report.test_device_energy import record


@pytest.mark.parametrize(
    ("change", "kept"),
    [({}, True), ({"digest": "x"}, False), ({"network": None}, False), ({"vivado": 5}, False), ({"plan": []}, False)],
)
def test_what_is_finished(tmp_path, change, kept):
    for name in ("activity.saif", "accelerator_netlist.v"):
        (tmp_path / name).write_text("")
    (tmp_path / "activity.json").write_text(json.dumps(record(**change)))
    assert (_finished(tmp_path, "0" * 64) is not None) == kept
