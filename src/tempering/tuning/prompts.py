"""The prompts of the built-in task. Knows texts; knows nothing of models."""

from __future__ import annotations

from tempering.study.prompts import STORY_OPENINGS

OPENINGS: tuple[tuple[str, str], ...] = (
    *STORY_OPENINGS,
    ("boat", "The little boat wanted to see the sea. One day"),
    ("cat", "There was a cat who could not sleep. She"),
    ("garden", "Mia planted a seed in the garden and waited. After a week"),
    ("snow", "It was cold and white outside. Ben put on his hat and"),
    ("train", "The old train had not moved for years. Then"),
    ("moon", "Every night the moon looked down at a house where"),
    ("bear", "A small bear lost his red ball. He asked"),
    ("market", "Anna went to the market with her grandma. There they"),
    ("rain", "The rain did not stop. All the animals of the farm"),
    ("door", "Behind the kitchen there was a tiny door. Sam opened it and"),
    ("bird", "A blue bird with a broken wing sat on the window. Lily"),
    ("cake", "Today was the birthday of the baker. His friends"),
    ("river", "Two frogs lived by the river. The big frog"),
    ("kite", "The kite flew higher and higher until"),
    ("shell", "On the beach Max found a shell that could talk. It said"),
    ("clock", "The clock in the tower had stopped. So the mouse"),
)
"""Prompt ids and texts: the openings of the built-in study and sixteen more, so that eight can be held out."""
