"""The host link: its protocol, the circuit on the chip, the program on the host, and the self-test behind it."""
