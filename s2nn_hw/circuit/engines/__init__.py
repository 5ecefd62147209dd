"""How accumulations are computed: a file an engine; the table of all engines, by their names in plans."""

from s2nn_hw.circuit.engines.event import EventParams
from s2nn_hw.circuit.engines.parallel import ParallelParams
from s2nn_hw.circuit.engines.params import EngineParams
from s2nn_hw.circuit.engines.ramp import RampParams
from s2nn_hw.circuit.engines.unrolled import UnrolledParams

ENGINES: dict[str, type[EngineParams]] = {
    "event": EventParams,
    "parallel": ParallelParams,
    "ramp": RampParams,
    "unrolled": UnrolledParams,
}
