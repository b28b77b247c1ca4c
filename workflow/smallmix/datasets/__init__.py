"""Turn images from outside into verified arrays of one form. Only this package opens the network or foreign files."""
