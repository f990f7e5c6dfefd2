"""Rewards that a model computes: likelihoods, reward models, scores of spans."""
