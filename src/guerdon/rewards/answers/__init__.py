"""Answers against a reference: stated, chosen, computed, listed, dated, measured."""
