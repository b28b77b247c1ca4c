"""One cell from start to end: devices, checkpoints, the store, the loop, evaluation."""
