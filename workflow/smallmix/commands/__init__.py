"""Floor 6: the command line; one module a command."""
