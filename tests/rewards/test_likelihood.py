"""Rewards from a frozen model's probabilities, against numbers worked out from a written table."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from completions import START, rollouts_of, task
from toy_predictor import TABLE, ToyPredictor

from guerdon.composition import needs_of
from guerdon.nursery import seedling_path
from guerdon.parts import build, describe
from guerdon.records import Task
from guerdon.rewards import (
    AnswerLikelihood,
    Certainty,
    FrozenModel,
    OptionProbability,
    PolicyConfidence,
    PolicyEntropy,
    arithmetic_mean,
    divergence_from_uniform,
    divergence_per_word,
    entropy,
    geometric_mean,
    joint,
    self_certainty,
)
from guerdon.rollout import LanguagePolicy, SlotPolicy
from guerdon.stages import Sampling
from guerdon.training.recording import recorded

TOY = ToyPredictor()


def value(part: object, text: str, answer: object = "ab", **columns: object) -> float:
    return part(rollouts_of([text], task(answer, **columns)), START).value.item()  # type: ignore[operator]


def test_likelihood_of_the_answer_by_hand() -> None:
    # After "a": a .7, then b .1; after "b" everything .25.
    assert value(AnswerLikelihood(TOY, joint), "a") == pytest.approx(0.07)
    assert value(AnswerLikelihood(TOY, geometric_mean), "a") == pytest.approx(math.sqrt(0.07))
    assert value(AnswerLikelihood(TOY, arithmetic_mean), "a") == pytest.approx(0.4)
    assert value(AnswerLikelihood(TOY, joint), "b") == pytest.approx(0.025)
    assert value(AnswerLikelihood(TOY, joint), "b", ["ab", "b"]) == pytest.approx(0.25)
    assert value(AnswerLikelihood(TOY, joint, cap=0.05), "a") == pytest.approx(0.05)
    assert value(AnswerLikelihood(TOY, joint, template="d{answer}"), "a", "a") == pytest.approx(
        0.04
    )


def test_the_answer_that_was_written_is_not_read() -> None:
    # The context ends with "<answer>": the toy's last token is ">".
    one, two = (value(AnswerLikelihood(TOY, joint), f"a<answer>{x}</answer>") for x in "ab")
    assert one == two


def test_no_answer_is_invalid_and_an_empty_completion_has_the_prompt() -> None:
    part = AnswerLikelihood(TOY, joint)
    assert not part(rollouts_of(["a"], task(None)), START).valid.any()
    # "a question" ends in "n": token (110 - 1) % 4 = 1, like "b".
    assert value(part, "") == pytest.approx(0.025)


def test_option_probability_by_hand() -> None:
    part = OptionProbability(TOY, ("a", "b"))
    assert value(part, "a", "a") == pytest.approx(0.7 / 0.8)
    assert value(part, "a", "b") == pytest.approx(0.1 / 0.8)
    # Options of several tokens: ab .07, ba .1 x .25 = .025
    column = OptionProbability(TOY)
    assert value(column, "a", "ab", options=["ab", "ba"]) == pytest.approx(0.07 / 0.095)
    assert not part(rollouts_of(["a"], task("z")), START).valid.any()


def test_statistics_by_hand() -> None:
    logp = TABLE.log()
    h = -(0.7 * math.log(0.7) + 0.3 * math.log(0.1))
    assert entropy(logp)[:3].tolist() == pytest.approx([h, math.log(4), math.log(2)])
    assert divergence_from_uniform(logp)[:2].tolist() == pytest.approx([0.4458, 0], abs=1e-4)
    certain = torch.tensor([[0.0, -math.inf, -math.inf, -math.inf]])
    assert divergence_from_uniform(certain).item() == pytest.approx(math.log(4))
    per_word = divergence_per_word(torch.cat([logp[:2], certain]))
    assert per_word.tolist() == pytest.approx([0.4458 / 4, 0, math.log(4) / 4], abs=1e-4)
    # KL(uniform || p) = -1/4 sum log(4 p)
    kl = -(math.log(2.8) + 3 * math.log(0.4)) / 4
    assert self_certainty(logp)[:2].tolist() == pytest.approx([kl, 0], abs=1e-6)


def test_certainty_is_the_mean_over_the_section_s_tokens() -> None:
    # Before "ab" after "a": the distributions after a and after a; their mean is one of them.
    h = entropy(TABLE.log())
    part = Certainty(TOY, entropy)
    assert value(part, "ab") == pytest.approx((h[1] + h[0]).item() / 2)  # after "n" (b), after a
    assert value(part, "") == 0
    assert value(Certainty(TOY, entropy, "think"), "x<think>b</think>y") == pytest.approx(
        h[(ord(">") - 1) % 4].item()
    )
    assert value(Certainty(TOY, entropy, "think"), "ab") == 0
    assert value(Certainty(TOY, entropy, cap=0.5), "ab") == 0.5
    assert list(part(rollouts_of(["a"], task("a")), START).parts) == ["entropy"]


@pytest.fixture(scope="module")
def policy() -> LanguagePolicy:
    return LanguagePolicy.load("seedling")


def test_a_real_model_agrees_with_its_policy(policy: LanguagePolicy) -> None:
    model = FrozenModel(str(seedling_path()))
    tasks = [Task("a", "Compute 12+30.\n", "42"), Task("b", "Compute 5+4.\n", "9")]
    rollouts = policy.sample(tasks, 2, Sampling(max_tokens=12), seed=0)
    now = policy.forward(rollouts, frozenset({"entropy"}))
    for row in range(len(rollouts)):
        ids = rollouts.ids[row, : rollouts.lengths[row]].tolist()
        logp_TV = model.log_probs(model.prompt(rollouts.task_of(row)), [], ids)
        got = logp_TV[torch.arange(len(ids)), ids]
        torch.testing.assert_close(got, now.logps[row, : len(ids)].detach(), atol=1e-4, rtol=1e-3)
        assert now.entropy is not None
        torch.testing.assert_close(
            entropy(logp_TV), now.entropy[row, : len(ids)].detach(), atol=1e-4, rtol=1e-3
        )


def tiny(folder: Path, family: str, **more: Any) -> FrozenModel:
    """A random model with the seedling's tokenizer."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(seedling_path())
    config = AutoConfig.for_model(
        family,
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        pad_token_id=0,
        **more,
    )
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return FrozenModel(str(folder), longest=40)


@pytest.mark.parametrize(
    ("family", "more", "reads"),
    [("llama", {}, 11 + 3 * 8 + 13), ("gemma2", {"sliding_window": 4}, 11 + 3 * 19 + 24)],
)
def test_a_prompt_is_read_once_and_its_rows_are_those_of_the_whole(
    tmp_path: Path, family: str, more: dict[str, Any], reads: int
) -> None:
    """Of 12 tokens the last goes with each row: 11 at once, then 1 + 4 + 3 per row, 1 + 12 last.

    Windows keep less than the prompt, so after one attempt it is read with every row. A context
    of 43 tokens is cut to its last 40.
    """
    model = tiny(tmp_path, family, **more)
    reader = model._reader
    tokens: list[int] = []
    reader.model.get_input_embeddings().register_forward_pre_hook(
        lambda _, given: tokens.append(given[0].numel())
    )
    prompt = list(range(3, 15))
    rows = [([5, 6, 7, b], [8, 9, c]) for b, c in ((3, 4), (4, 3), (9, 9))]
    found = [model.log_probs(prompt, *row) for row in rows]
    rows.append(([], list(range(3, 15))))
    found.append(model.log_probs(prompt, *rows[-1]))
    assert sum(tokens) == reads
    for (between, following), logp_TV in zip(rows, found, strict=True):
        whole = torch.tensor([prompt + between + following])
        with torch.no_grad():
            logits = reader.model(whole).logits[0, -len(following) - 1 : -1]
        torch.testing.assert_close(logp_TV, logits.log_softmax(-1), atol=1e-5, rtol=1e-4)
    long = list(range(3, 34))
    cut = model.log_probs(prompt, long, [3])
    torch.testing.assert_close(cut, model.log_probs([], (prompt + long)[3:], [3]))


def test_a_row_does_not_depend_on_the_rows_before_it(tmp_path: Path) -> None:
    model = tiny(tmp_path, "llama")
    prompts, row = (list(range(3, 15)), list(range(4, 10))), ([5, 6], [7, 8])
    alone = model.log_probs(prompts[0], *row)
    model.log_probs(prompts[0], [9, 9, 9, 9, 9], [3])
    assert torch.equal(model.log_probs(prompts[0], *row), alone)
    model.log_probs(prompts[1], *row)
    assert torch.equal(model.log_probs(prompts[0], *row), alone)


def test_policy_entropy_does_not_depend_on_the_batch(policy: LanguagePolicy) -> None:
    rollouts = policy.sample([Task("a", "Compute 1+2.\n")], 5, Sampling(max_tokens=8), seed=1)
    needs = needs_of(PolicyEntropy())
    one, many = (recorded(policy, rollouts, needs, size) for size in (1, 0))
    assert one.entropy is not None
    torch.testing.assert_close(one.entropy, many.entropy, atol=1e-5, rtol=1e-4)
    expected = one.entropy[0].sum() / rollouts.mask[0].sum()
    scores = PolicyEntropy()(many, START)
    assert scores.value[0].item() == pytest.approx(expected.item(), rel=1e-4)
    silent = replace(many, mask=torch.zeros_like(rollouts.mask))
    assert PolicyEntropy()(silent, START).value.tolist() == [0] * 5
    with pytest.raises(ValueError, match="hold no entropy of the policy"):
        PolicyEntropy()(rollouts, START)


def test_confidence_is_the_mean_surprise_of_the_likeliest_tokens(policy: LanguagePolicy) -> None:
    rollouts = policy.sample([Task("a", "Compute 1+2.\n")], 5, Sampling(max_tokens=8), seed=1)
    told = recorded(policy, rollouts, needs_of(PolicyConfidence()), 2)
    ids = torch.cat([rollouts.prompts[0], rollouts.ids[0]])[None]
    start, length = len(rollouts.prompts[0]), int(rollouts.lengths[0])
    with torch.no_grad():
        logp_TV = policy.model(ids).logits[0, start - 1 : start - 1 + length].log_softmax(-1)
    expected = -logp_TV.topk(20).values.mean()
    assert PolicyConfidence()(told, START).value[0].item() == pytest.approx(
        expected.item(), rel=1e-4
    )
    silent = replace(told, mask=torch.zeros_like(rollouts.mask))
    assert PolicyConfidence()(silent, START).value.tolist() == [0] * 5
    slots = SlotPolicy(["a"], [["x", "y"]], lambda _, chosen: "".join(chosen))
    drawn = slots.sample([Task("a", "")], 2, Sampling(), seed=0)
    with pytest.raises(ValueError, match="SlotPolicy gives no largest"):
        recorded(slots, drawn, needs_of(PolicyConfidence()))


def test_a_frozen_model_survives_a_recipe_file() -> None:
    part = AnswerLikelihood(FrozenModel(str(seedling_path())))
    assert build(describe(part)) == part
    scores = part(rollouts_of(["", "\ud800"], task("12")), START)
    assert ((scores.value > 0) & (scores.value < 1)).all()
