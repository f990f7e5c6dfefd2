"""How rewards run: row by row, in workers, with limits, from a cache.

Here belongs what knows no rule: it judges by another reward, or by a function of the user's.
"""
