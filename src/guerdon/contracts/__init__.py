"""What every part of a stage promises, as checks that anybody's part can be put to.

Each ``check_...(mine)`` returns nothing, or raises AssertionError with a sentence that says what
broke and on which input. They need no test framework; this package's own parts pass the same ones.
"""

from guerdon.contracts.advantages import check_advantage
from guerdon.contracts.buffers import check_buffer
from guerdon.contracts.curricula import check_curriculum, check_filter
from guerdon.contracts.monitors import check_monitor
from guerdon.contracts.objectives import check_objective
from guerdon.contracts.recipes import check_recipe
from guerdon.contracts.rewards import check_reward
from guerdon.contracts.samplers import check_sampler
from guerdon.contracts.scorers import check_scorer
from guerdon.contracts.selections import check_selection
from guerdon.contracts.shapers import check_shaper

__all__ = [
    "check_advantage",
    "check_buffer",
    "check_curriculum",
    "check_filter",
    "check_monitor",
    "check_objective",
    "check_recipe",
    "check_reward",
    "check_sampler",
    "check_scorer",
    "check_selection",
    "check_shaper",
]
