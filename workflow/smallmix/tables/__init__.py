"""The tables of a study: every CSV between the cells and the page, read and written in one place."""
