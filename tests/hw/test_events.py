"""Frames of events over the link: the circuit against its model in Python, whatever comes."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib.wiring import connect
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from s2nn_hw.accelerator import Accelerator
from s2nn_hw.hw.link import protocol
from s2nn_hw.hw.link.event_packets import EventPackets
from s2nn_hw.hw.link.link import EventLink
from s2nn_hw.hw.link.places import Places
from s2nn_hw.hw.link.protocol import ErrorCode, Identity, Packet, Reply, Request, Splitter
from s2nn_hw.network.layer import Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.neurons.ttfs import Ttfs
from s2nn_hw.network.synapses import Conv2d, Dense, MaxPool
from tests.support.device_model import DeviceModel
from tests.support.networks import random_images


def network_of(inputs=9, hidden=5, *, bits=2, slots=7, seed=0):
    """Return a random network of one hidden layer of ttfs neurons."""
    rng = np.random.default_rng(seed)

    def weights(*shape):
        return rng.integers(-3, 4, shape).astype(np.int8)

    def table(low, high, count):
        return rng.integers(low, high, count).astype(np.int32)

    layers = (
        Layer("hidden", Dense(weights(hidden, inputs), 3), Ttfs(table(1, 6, hidden), table(-3, 9, hidden), slots)),
        Layer("readout", Dense(weights(3, hidden), 3), Readout(table(-9, 9, 3))),
    )
    return Network("events", Input((inputs,), bits), layers, tuple("abc"))


@pytest.mark.parametrize(
    ("positions", "channels", "lanes"),
    [(1, 12, 5), (1, 1, 1), (1, 16, 4), (1, 9, 16), (4, 3, 4), (5, 3, 2), (3, 7, 2), (6, 4, 2), (7, 1, 1), (2, 11, 3)],
)
def test_places(positions, channels, lanes):
    identity = Identity(bytes(16), positions * channels, channels, lanes, 2, 3, 9, 4, 1)
    dut, found = Places(identity, group=channels), []

    async def run(ctx):
        for address in range(identity.pixels):
            ctx.set(dut.address, address)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            while ctx.get(dut.busy):
                await ctx.tick()
            found.append((ctx.get(dut.beat), ctx.get(dut.lane)))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(run)
    simulator.run()
    assert [identity.beat_pixels[place] for place in found] == list(range(identity.pixels))


class Rig:
    """A link of events and its accelerator; :meth:`exchange` sends bytes and returns the packets that come back."""

    def __init__(self, network=None, *, window=4):
        self.network = network or network_of()
        accelerator = Accelerator(self.network, spikes=True)
        self.link = link = EventLink.of(accelerator, clock_hz=12_000_000, window=window)
        self.packets, self.identity = link.packets, link.identity
        self.model = DeviceModel(self.packets, self.network, cycles=0)
        self.reset = Signal()
        m = Module()
        m.submodules.link, m.submodules.accelerator = link, accelerator
        connect(m, link.frames, accelerator.i)
        connect(m, accelerator.o, link.results)
        connect(m, accelerator.spikes, link.spikes)
        self.module = ResetInserter(self.reset)(m)

    def frame(self, number, source):
        pixels = [source.randrange(1 << self.identity.bits) * (source.random() < 0.7) for _ in range(self.identity.pixels)]
        return Packet(Request.EVENTS, number, self.packets.pack_frame(np.array(pixels)))

    def exchange(self, wire, *, gap=1, tail=3000):
        link, out = self.link, bytearray()

        async def send(ctx):
            for byte in wire:
                ctx.set(link.i.payload, byte)
                ctx.set(link.i.valid, 1)
                await ctx.tick().until(link.i.ready)
                ctx.set(link.i.valid, 0)
                if gap > 1:
                    await ctx.tick().repeat(gap - 1)
            await ctx.tick().repeat(tail)

        async def receive(ctx):
            while True:
                ctx.set(link.o.ready, 1)
                _, _, valid, byte = await ctx.tick().sample(link.o.valid, link.o.payload)
                if valid:
                    out.append(byte)

        simulator = Simulator(self.module)
        simulator.add_clock(1e-6)
        simulator.add_testbench(send)
        simulator.add_testbench(receive, background=True)
        simulator.run()
        splitter = Splitter()
        packets = splitter.feed(bytes(out))
        assert not splitter.damaged
        return packets


def test_frames():
    rig, source = Rig(), random.Random(1)
    requests = [rig.frame(n, source) for n in range(3)]
    got = rig.exchange(b"".join(map(protocol.encode, requests)))
    for packet, request in zip(got, requests, strict=True):
        print(packet, request)
        assert packet.type == Reply.EVENTS
        assert packet.answered == (request.sequence, request.check)
        r = rig.packets.unpack_result(packet.payload)
        print(r)
