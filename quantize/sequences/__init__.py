"""Networks over sequences: their recipes' layers, training by rates and tick by tick, and the way to integers."""
