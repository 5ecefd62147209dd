"""A design in Amaranth's simulator, built once and run as often as wanted: building is most of a short run."""

import warnings

from amaranth.sim import Simulator


class Replay:
    """``design`` with a clock and ``testbenches`` places for testbenches, of which the last one ends a run.

    :meth:`run` starts from reset.
    """

    def __init__(self, design, *, testbenches):
        self._parts = ()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            self._simulator = Simulator(design)
            self._simulator.add_clock(1e-8)
            for number in range(testbenches):
                self._simulator.add_testbench(self._player(number), background=number < testbenches - 1)

    def _player(self, number):
        async def play(ctx):
            await self._parts[number](ctx)

        return play

    def run(self, *parts):
        """Run the functions ``parts`` of the testbenches' context, one in each place, until the last returns."""
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            if self._parts:
                self._simulator.reset()
            self._parts = parts
            self._simulator.run()
