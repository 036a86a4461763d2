"""The prompt set of the built-in study. Knows texts; knows nothing of models."""

from __future__ import annotations

STORY_OPENINGS: tuple[tuple[str, str], ...] = (
    ("girl", "Once upon a time, there was a little girl who"),
    ("forest", "Deep in the forest there lived an old"),
    ("robot", "Tom found a small robot in the garden. The robot"),
    ("dragon", "The dragon was afraid of the dark. Every night"),
    ("island", "One morning, two friends sailed to an island and"),
    ("letter", "A letter came to the house, and nobody knew who had sent it."),
    ("king", "The king had everything he wanted, but he was"),
    ("star", "A star fell from the sky and landed in"),
)
"""Prompt ids and texts: eight story openings that the embedded model has something to say to."""
