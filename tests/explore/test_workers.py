"""Workers of this machine and of a Ray cluster: one that is lost costs no result."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from s2nn_hw.errors import UserError
from s2nn_hw.explore.workers import LocalWorkers, RayWorkers
from tests.support.ray_loss import die_once


def test_a_local_worker_that_is_lost_costs_no_result(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    jobs = [(die_once, {"number": n, "mark": str(tmp_path / "mark")}, (tmp_path / "file",)) for n in range(6)]
    with LocalWorkers(2) as workers:
        came = list(workers.run(jobs))
    assert sorted(came) == [(n, 3 * n) for n in range(6)]


def test_what_answers_but_is_no_ray_cluster_is_not_waited_for(monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setattr("s2nn_hw.explore.workers.RAY_SECONDS", 2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(UserError, match=f"no Ray cluster answers at {address}"), RayWorkers(address):
            pass


@pytest.mark.skipif(shutil.which("true") is None, reason="POSIX only")
def test_ray_loses_a_node_and_every_result_comes_once(tmp_path):
    pytest.importorskip("ray")
    answer = subprocess.run(
        [sys.executable, str(Path(__file__).parents[1] / "support" / "ray_loss.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=dict(os.environ, RAY_USAGE_STATS_ENABLED="0", RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0"),
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    result = json.loads((tmp_path / "result.json").read_text())
    assert sorted(number for number, _ in result["came"]) == list(range(10))
    assert all(r["square"] == n * n and r["content"] == "shared" for n, r in result["came"])
    again = [n for n, node in result["begun"] if node == result["lost"]]
    assert result["lost"]
    assert any(sum(n == m for m, _ in result["begun"]) == 2 for n in again)
