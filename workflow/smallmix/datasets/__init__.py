"""Floor 1: verified arrays from outside."""
