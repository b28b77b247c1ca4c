"""What the tables of a study allow to be said: intervals, paired differences, verdicts on claims."""
