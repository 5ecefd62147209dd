"""A Ray cluster of a head and two workers on this machine, one of which is lost in the middle; run by a test.

Arguments: a folder. Writes ``result.json`` there: what the driver was given, and which tasks each node began.
"""

import json
import os
import sys
import time
from pathlib import Path

from s2nn_hw.explore.workers import RayWorkers

TASKS = 10
MEMORY = 80 << 20  # Ray's least
PATIENCE = 120  # seconds


def die_once(task, content):
    """End the worker's process at task 2, the first time; used without Ray."""
    mark = Path(task["mark"])
    if task["number"] == 2 and not mark.exists():
        mark.write_text("")
        os._exit(9)
    return task["number"] * len(content)


def shared(task, content):
    """Say that this task was begun and where; return its square, but on the node that is to be lost never."""
    import ray

    folder, node = Path(task["folder"]), ray.get_runtime_context().get_node_id()
    (folder / f"{task['number']}-{os.getpid()}-{time.monotonic_ns()}").write_text(node)
    if node == task["doomed"]:
        time.sleep(PATIENCE)
    wait_for(folder, task["doomed"])
    return {"square": task["number"] ** 2, "content": content.decode(), "node": node}


def started(begun):
    """Return ``[task, node]`` of each begin of a task."""
    return [[int(path.name.split("-")[0]), path.read_text()] for path in begun.iterdir()]


def wait_for(begun, node):
    """Wait until ``node`` has begun a task, however slow this machine is."""
    end = time.monotonic() + PATIENCE
    while not any(where == node for _, where in started(begun)):
        if time.monotonic() > end:
            raise TimeoutError(f"node {node} began nothing")
        time.sleep(0.01)


def main(folder):
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": MEMORY})
    try:
        nodes = [cluster.add_node(num_cpus=1, object_store_memory=MEMORY) for _ in range(2)]
        begun, doomed = folder / "begun", nodes[1].node_id
        begun.mkdir()
        (folder / "content").write_text("shared")
        jobs = [
            (shared, {"number": n, "folder": str(begun), "doomed": doomed}, (folder / "content",)) for n in range(TASKS)
        ]
        came, lost = [], None
        with RayWorkers(cluster.address) as workers:
            for number, result in workers.run(jobs):
                came.append([number, result])
                if lost is None:  # a result came, so the doomed node is in the middle of a task
                    lost = doomed
                    cluster.remove_node(nodes[1], allow_graceful=False)
        starts = started(begun)
        (folder / "result.json").write_text(json.dumps({"came": came, "lost": lost, "begun": starts}))
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
