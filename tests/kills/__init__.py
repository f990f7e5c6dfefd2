"""Runs that are killed, interrupted or out of disk at named moments, and must not notice.

``make kills`` (``python -m kills`` in ``tests``) tries many and prints figures per kind of run;
``tests/training/test_kills.py`` is the short form. A new kind of run is one more line in
``entries.ENTRIES``.
"""
