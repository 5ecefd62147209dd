"""Energy of a network, of a circuit and of a board: estimates that carry their bands, and readings beside them.

* :mod:`.arithmetic`: operations and memory bits times their cost in 45 nm, for this network and its rivals
* :mod:`.coefficients`: energy per toggle, clock edge and block RAM access of a device, each with its source
* :mod:`.device`: toggles of the simulated netlist times these coefficients
* :mod:`.sanity`: the estimate beside published readings of boards
* :mod:`.readings`: readings of one's own board
"""
