"""When it is computed: the exact cycle of every word, without a simulator."""
