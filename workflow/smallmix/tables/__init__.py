"""Every CSV of a study: columns declared once, one writer, one reader; and the status of every cell."""
