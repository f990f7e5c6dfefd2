"""Programs and queries, run apart from everything and compared outside.

Here belongs what has to run a completion to judge it: in the sandbox, in a database of its own, in
a process with a limit. Nothing here executes a completion in this process.
"""
