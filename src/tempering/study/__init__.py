"""The temperature study: a plan, a store that survives a kill, a run, and what it found."""
