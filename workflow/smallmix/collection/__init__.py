"""Floor 4: tables from the cells of a study, with a status for every cell."""
