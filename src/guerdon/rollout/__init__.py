"""How completions are made: policies over language models and small tables, and engines."""

from typing import TYPE_CHECKING

from guerdon.exports import Index, exporting

if TYPE_CHECKING:
    from guerdon.rollout.endpoint import EndpointError as EndpointError
    from guerdon.rollout.endpoint import EndpointPolicy as EndpointPolicy
    from guerdon.rollout.engines import Engine as Engine
    from guerdon.rollout.engines import Transformers as Transformers
    from guerdon.rollout.environments import Environment as Environment
    from guerdon.rollout.environments import Grid as Grid
    from guerdon.rollout.environments import Step as Step
    from guerdon.rollout.environments import ToyText as ToyText
    from guerdon.rollout.environments import make_environment as make_environment
    from guerdon.rollout.episodes import play as play
    from guerdon.rollout.language import LanguagePolicy as LanguagePolicy
    from guerdon.rollout.samplers import Groups as Groups
    from guerdon.rollout.slots import SlotPolicy as SlotPolicy
    from guerdon.rollout.sources import Model as Model
    from guerdon.rollout.sources import Network as Network
    from guerdon.rollout.sources import Table as Table
    from guerdon.rollout.tabular import NetworkPolicy as NetworkPolicy
    from guerdon.rollout.tabular import TabularPolicy as TabularPolicy
    from guerdon.rollout.vllm import VLLM as VLLM
    from guerdon.rollout.vllm import VLLMEngine as VLLMEngine

NAMES = Index(
    __name__, {"transformers": "Transformers", "vllm": "VLLM", "endpoint": "EndpointPolicy"}
)
"""The engines, by what ``--model.engine`` calls them."""

POLICIES = Index(__name__, {"table": "Table", "network": "Network"})
"""What ``--model`` calls policies that are no language model; any other name is a model's."""

SAMPLERS = Index(__name__, {"groups": "Groups"})

if not TYPE_CHECKING:
    __getattr__, __dir__, __all__ = exporting(__name__)
