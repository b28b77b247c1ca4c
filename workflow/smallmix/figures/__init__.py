"""Pictures: each figure is drawn from tables alone, with its description and its data in words and rows."""
