"""The built-in studies: a data file each, and what only that study computes."""
