"""The science: which images, mixed how, seen by what network, updated by which step."""
