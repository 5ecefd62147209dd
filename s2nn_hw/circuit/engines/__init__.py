"""How accumulations are computed: one Component per engine."""
