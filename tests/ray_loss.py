"""A Ray cluster of a head and two workers on this machine, one of which is lost in the middle; run by a test.

Arguments: a folder. Writes ``result.json`` there: what the driver was given, and which tasks each node began.
"""

import json
import os
import sys
import time
from pathlib import Path

from explore.workers import RayWorkers

TASKS = 10
MEMORY = 80 << 20  # Ray's least


def die_once(task, content):
    """End the worker's process at task 2, the first time; used without Ray."""
    mark = Path(task["mark"])
    if task["number"] == 2 and not mark.exists():
        mark.write_text("")
        os._exit(9)
    return task["number"] * len(content)


def slow(task, content):
    """Say that this task was begun and where, take a moment, return its square."""
    import ray

    node = ray.get_runtime_context().get_node_id()
    path = Path(task["folder"]) / f"{task['number']}-{os.getpid()}-{time.monotonic_ns()}"
    path.write_text(node)
    time.sleep(0.4)
    return {"square": task["number"] ** 2, "content": content.decode(), "node": node}


def started(begun):
    """Return ``[task, node]`` of each begin of a task."""
    return [[int(path.name.split("-")[0]), path.read_text()] for path in begun.iterdir()]


def at_work(begun, node, came):
    """Wait, for at most 0.3 s, until ``node`` has begun a task whose result has not come; return whether it has."""
    known = {number for number, _ in came}
    for _ in range(30):
        if any(where == node and number not in known for number, where in started(begun)):
            return True
        time.sleep(0.01)
    return False


def main(folder):
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": MEMORY})
    try:
        nodes = [cluster.add_node(num_cpus=1, object_store_memory=MEMORY) for _ in range(2)]
        begun = folder / "begun"
        begun.mkdir()
        (folder / "content").write_text("shared")
        jobs = [(slow, {"number": n, "folder": str(begun)}, (folder / "content",)) for n in range(TASKS)]
        came, lost = [], None
        with RayWorkers(cluster.address) as workers:
            for number, result in workers.run(jobs):
                came.append([number, result])
                if lost is None and len({r["node"] for _, r in came}) == 2 and at_work(begun, nodes[1].node_id, came):
                    lost = nodes[1].node_id
                    cluster.remove_node(nodes[1], allow_graceful=False)
        starts = started(begun)
        (folder / "result.json").write_text(json.dumps({"came": came, "lost": lost, "begun": starts}))
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
