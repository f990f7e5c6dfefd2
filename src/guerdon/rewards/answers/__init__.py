"""Answers against a reference: stated, chosen, computed, listed, dated, measured.

Here belongs what reads one answer out of a completion and says whether, or how nearly, it is the
task's. What only compares texts as texts is in `guerdon.rewards.text`.
"""
