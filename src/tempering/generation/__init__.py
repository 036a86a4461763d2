"""From a model and settings to completions: batched decoding with shared prompts, and streaming."""
