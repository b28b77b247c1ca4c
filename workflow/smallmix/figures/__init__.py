"""Pictures: each figure is drawn from the tables alone, with a description and its numbers as text."""
