"""Conformance suites: what a third party runs on its own model. Knows the protocols; knows no backend."""

from tempering.testing.models import check_model

__all__ = ["check_model"]
