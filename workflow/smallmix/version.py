"""The version, apart from all else: no result depends on it, so a release retrains nothing."""

VERSION = "0.5.0"
