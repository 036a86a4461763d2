"""Conformance suites: what a third party runs on its own model or measure. Knows the protocols; knows no backend."""

from tempering.testing.measures import check_measure
from tempering.testing.models import check_model, check_text_model

__all__ = ["check_measure", "check_model", "check_text_model"]
