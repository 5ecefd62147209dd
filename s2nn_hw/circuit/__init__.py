"""How it is computed: stages, windows, engines, joins."""
