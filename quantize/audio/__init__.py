"""From recordings to frames: reading, log-mel energies in integers, level crossings."""
