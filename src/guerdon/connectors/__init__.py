"""Rewards in other trainers, one module a trainer, and over HTTP.

``export`` makes of any `Reward` (and a chain of shapers) what that trainer calls; ``adopt`` makes
a `Reward` of what was written for it. No trainer is imported here. docs/connectors.md has the
lines to write in each.
"""
