"""How completions are made: policies over language models and small tables, and engines."""

from guerdon.rollout.endpoint import EndpointError, EndpointPolicy
from guerdon.rollout.engines import Engine, Transformers
from guerdon.rollout.environments import Environment, Grid, Step, ToyText, make_environment
from guerdon.rollout.episodes import play
from guerdon.rollout.language import LanguagePolicy
from guerdon.rollout.slots import SlotPolicy
from guerdon.rollout.tabular import TabularPolicy
from guerdon.rollout.vllm import VLLM, VLLMEngine

NAMES = {
    "transformers": Transformers,
    "vllm": VLLM,
    "endpoint": EndpointPolicy,
}
"""The engines, by what ``--model.engine`` calls them."""

__all__ = [
    "NAMES",
    "VLLM",
    "EndpointError",
    "EndpointPolicy",
    "Engine",
    "Environment",
    "Grid",
    "LanguagePolicy",
    "SlotPolicy",
    "Step",
    "TabularPolicy",
    "ToyText",
    "Transformers",
    "VLLMEngine",
    "make_environment",
    "play",
]
