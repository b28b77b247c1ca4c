"""What a run would do, before it is started: cells, iterations, time, disk. Decides no result."""
