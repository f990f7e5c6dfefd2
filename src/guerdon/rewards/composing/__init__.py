"""Rewards made of rewards: sums, products, gates, routes, and levels of a value.

Here belongs what holds rewards and says how their values become one; the parts always add up to it.
"""
