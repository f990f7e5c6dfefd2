"""Rewards made of rewards, and weights that change over a run."""
