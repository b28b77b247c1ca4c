"""The page: one HTML file that answers the study's question and shows how it is known."""
