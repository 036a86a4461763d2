"""From logits to a token: distribution, truncation, order, noise, draw. Arrays only: knows no model, text or file."""
