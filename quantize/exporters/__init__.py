"""Networks in the exchange formats of other programs."""
