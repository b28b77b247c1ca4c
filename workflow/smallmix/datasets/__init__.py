"""Floor 1: images from outside, verified and brought to one form. Only this room opens the network or foreign files."""
