"""Guerdon: reward-driven post-training as small parts of one pipeline."""

__version__ = "0.1.0"
