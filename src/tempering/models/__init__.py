"""From text to tokens to logits: what a model must offer, and one file a backend. Knows nothing of sampling."""
