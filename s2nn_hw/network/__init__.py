"""What is computed: the integer network, its golden model, its file."""
