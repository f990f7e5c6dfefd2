"""Figures reach accelerate's trackers; a missing package is named with its extra."""

import pytest
from accelerate.tracking import GeneralTracker

from guerdon.training.trackers import Trackers


class Kept(GeneralTracker):
    name = "kept"
    requires_logging_directory = False

    def __init__(self):
        super().__init__()
        self.rows = []
        self.finished = False

    @property
    def tracker(self):
        return self.rows

    def store_init_configuration(self, values):
        pass

    def log(self, values, step=None, **kwargs):
        self.rows.append((step, dict(values)))

    def finish(self):
        self.finished = True


def test_none_named_is_nothing_done():
    trackers = Trackers((), None)
    trackers.log({"reward": 1.0}, 0)
    trackers.close()


def test_figures_reach_the_tracker(tmp_path):
    kept = Kept()
    trackers = Trackers((kept,), tmp_path)
    trackers.log({"reward": 0.5}, 3)
    trackers.close()
    assert kept.rows == [(3, {"reward": 0.5})]
    assert kept.finished


def test_a_missing_package_is_named_with_its_extra():
    with pytest.raises(ImportError, match=r"'no-such-tracker'.*guerdon\[trackers\]"):
        Trackers(("no-such-tracker",), None)
