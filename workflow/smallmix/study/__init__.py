"""The study: configuration, resolved into cells and paths. No torch, no pandas here."""
