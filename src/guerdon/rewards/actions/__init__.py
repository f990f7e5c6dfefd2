"""What an agent does: tool calls, clicks, steps, and where things are in an image."""
