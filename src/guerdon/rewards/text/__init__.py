"""The text itself: its form, length, language, repetition, and likeness to references.

Here belongs what needs no understanding of an answer. A new likeness is a metric, ``(prediction,
references) -> [0, 1]``, in an `AgainstReferences`.
"""
