"""Compiled loops behind the plain definitions: the same numbers, read once from memory. One row at a time.

Every function here has a plain NumPy definition elsewhere in ``tempering.sampling``, which stays the reference; the
tests hold both equal. Nothing is compiled when this package is imported: see ``compiler``.
"""
