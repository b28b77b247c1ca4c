"""The command line: one module a command, which parses arguments and calls the rooms below."""
