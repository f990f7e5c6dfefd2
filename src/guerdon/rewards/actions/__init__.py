"""What an agent does: tool calls, clicks, steps, and where things are in an image.

Here belongs what reads an action (JSON, a box, an interval) and compares it with the right one, and
what the environment itself paid.
"""
