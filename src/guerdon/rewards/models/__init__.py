"""Rewards that a model computes: likelihoods, reward models, scores of spans.

Here belongs what asks a model: a frozen one, a `Scorer`, or the policy for its own distributions.
"""
