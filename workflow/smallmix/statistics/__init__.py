"""Floor 4: what the tables of a study allow to be said: intervals, paired differences, verdicts on claims."""
