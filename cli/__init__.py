"""The roof: what the ``s2nn-hw`` command does and says, one file a group of subcommands."""
