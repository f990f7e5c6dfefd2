"""Settings of all tests."""

from hypothesis import settings

# A loaded machine makes any example slow now and then: time is what --timeout is for.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
