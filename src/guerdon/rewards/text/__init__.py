"""The text itself: its form, length, language, repetition, and likeness to references."""
