"""Which temperature for a use case: goals, search, recommendation, export. Knows nothing of pages or commands."""
