"""How completions are made: policies over language models and small tables, and engines."""

from guerdon.rollout.endpoint import EndpointError, EndpointPolicy
from guerdon.rollout.environments import Environment, Grid, Step, ToyText, make_environment
from guerdon.rollout.episodes import play
from guerdon.rollout.language import LanguagePolicy
from guerdon.rollout.tabular import TabularPolicy
from guerdon.rollout.vllm import VLLMEngine

NAMES = {
    "transformers": LanguagePolicy,
    "vllm": VLLMEngine,
    "tabular": TabularPolicy,
    "endpoint": EndpointPolicy,
}

__all__ = [
    "NAMES",
    "EndpointError",
    "EndpointPolicy",
    "Environment",
    "Grid",
    "LanguagePolicy",
    "Step",
    "TabularPolicy",
    "ToyText",
    "VLLMEngine",
    "make_environment",
    "play",
]
