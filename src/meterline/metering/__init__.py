"""What the engine runs: events to columns, duplicates dropped, metrics folded to partial sums."""
