"""What a run would do and cost, and what must be made again, before anything is started. Decides no result."""
