"""At which temperature was a text drawn? The likelihood of T, and what it says."""
