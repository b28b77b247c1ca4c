"""The command line: commands parse arguments and call the rooms below."""
