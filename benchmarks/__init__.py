"""How fast smallmix is, against a reference measured in the same run. Decides no result and is imported nowhere."""
