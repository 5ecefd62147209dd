"""The queue with registers at both ends: order, room, and in which cycle a word is offered."""

from collections import deque

import numpy as np
import pytest
from amaranth.sim import Simulator

from s2nn_hw.circuit.fifo import MemoryQueue, Queue


@pytest.mark.parametrize("depth", [2, 3, 4, 5, 8, 9, 17])
@pytest.mark.parametrize(("offered", "taken"), [(1.0, 1.0), (0.5, 0.5), (0.9, 0.2), (0.2, 0.9), (1.0, 0.0)])
def test_queue_is_a_queue_in_every_cycle(depth, offered, taken):
    rng = np.random.default_rng([depth, int(10 * offered), int(10 * taken)])
    queue, inside = Queue(width=12, depth=depth), deque()

    async def bench(ctx):
        for cycle in range(300):
            payload, valid = int(rng.integers(1 << 12)), bool(rng.random() < offered)
            ready = bool(rng.random() < taken) or cycle > 250
            ctx.set(queue.i.payload, payload)
            ctx.set(queue.i.valid, valid)
            ctx.set(queue.o.ready, ready)
            assert ctx.get(queue.i.ready) == (len(inside) < depth), cycle
            assert ctx.get(queue.o.valid) == bool(inside), cycle
            if inside:
                assert ctx.get(queue.o.payload) == inside[0], cycle
            free, coming = ctx.get(queue.free), ctx.get(queue.coming)
            push = valid and len(inside) < depth
            assert free == (ready or not inside)
            if inside and ready:
                inside.popleft()
            if push:
                inside.append(payload)
            if free and inside:
                assert coming == inside[0]
            await ctx.tick()

    simulator = Simulator(queue)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("depth", [2, 3, 4, 7, 8])
@pytest.mark.parametrize(("offered", "taken"), [(1.0, 1.0), (0.5, 0.5), (0.9, 0.2), (0.2, 0.9)])
def test_queue_of_memory_alone_is_a_queue_in_every_cycle(depth, offered, taken):
    rng = np.random.default_rng([depth, int(10 * offered), int(10 * taken)])
    queue, inside = MemoryQueue(width=12, depth=depth), deque()

    async def bench(ctx):
        for _ in range(300):
            payload, ready = int(rng.integers(1 << 12)), bool(rng.random() < taken)
            valid = bool(rng.random() < offered) and len(inside) < depth
            ctx.set(queue.i.payload, payload)
            ctx.set(queue.i.valid, valid)
            ctx.set(queue.o.ready, ready)
            assert ctx.get(queue.o.valid) == bool(inside)
            if inside:
                assert ctx.get(queue.o.payload) == inside[0]
            if inside and ready:
                inside.popleft()
            if valid:
                inside.append(payload)
            await ctx.tick()

    simulator = Simulator(queue)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
