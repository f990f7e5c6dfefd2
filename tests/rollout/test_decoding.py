"""Decoding over a shared prompt against the plain model, on tiny random models of many kinds."""

from __future__ import annotations

import math
import warnings

import pytest
import torch
from transformers import AutoModelForCausalLM as Auto
from transformers import (
    Gemma2Config,
    Gemma3TextConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    PhiConfig,
    Qwen2Config,
    Qwen3Config,
    StableLmConfig,
)

from guerdon.models import shared_cache
from guerdon.models.row_engines import CopiedRows, SharedRows, row_engine
from guerdon.models.shared_cache import ATTENTION, FIRST_BLOCK, _partial
from guerdon.records import Ending, Task
from guerdon.rollout import LanguagePolicy, decoding
from guerdon.rollout.decoding import decode
from guerdon.stages import Sampling

END = 1
COMMON = {
    "vocab_size": 48,
    "hidden_size": 32,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "initializer_range": 0.3,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
    "bos_token_id": None,
    "eos_token_id": END,
}
GROUPED = {**COMMON, "num_key_value_heads": 2}
SLIDING = {**GROUPED, "sliding_window": 6}
CONFIGS = {
    "llama": LlamaConfig(**GROUPED),
    "qwen2": Qwen2Config(**GROUPED),
    "qwen3": Qwen3Config(**GROUPED, head_dim=8),
    "mistral": MistralConfig(**SLIDING),
    "gemma2": Gemma2Config(
        **SLIDING, head_dim=8, attn_logit_softcapping=2.0, attn_implementation="eager"
    ),
    "gemma3": Gemma3TextConfig(
        **SLIDING, head_dim=8, layer_types=["sliding_attention", "full_attention"]
    ),
    "phi": PhiConfig(**COMMON),
    "neox": GPTNeoXConfig(**COMMON),
    "gpt2": GPT2Config(
        vocab_size=48,
        n_embd=32,
        n_layer=2,
        n_head=4,
        n_positions=128,
        initializer_range=0.3,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=END,
    ),
}
UNEQUAL = [torch.tensor([5, 9, 2, 30, 11, 7, 8, 3, 21]), torch.tensor([17]), torch.arange(4, 9)]


def tiny(kind: str, dtype: torch.dtype = torch.float64):
    torch.manual_seed(0)
    config = CONFIGS[kind]
    model = Auto.from_config(config, attn_implementation="eager" if kind == "gemma2" else "sdpa")
    return model.to(dtype).eval()


@pytest.fixture
def exact_softmax(monkeypatch):
    """transformers' eager attention takes its softmax in float32, whatever it is given."""
    softmax = torch.nn.functional.softmax
    monkeypatch.setattr(
        torch.nn.functional, "softmax", lambda x, dim, dtype=None: softmax(x, dim=dim)
    )


def sampled(model, contexts, fan, sampling=None, seed=0, keys=None, text_of=str, end=(END,)):
    return decode(
        model,
        contexts,
        fan,
        range(len(fan)) if keys is None else keys,
        sampling or Sampling(max_tokens=10),
        seed,
        end=list(end),
        pad=0,
        text_of=text_of,
    )


@pytest.mark.parametrize("products", [False, True])
@pytest.mark.parametrize("kind", CONFIGS)
@torch.inference_mode()
def test_logits_of_every_step_are_the_plain_models(kind, products, exact_softmax, monkeypatch):
    """Rows leave one by one, a whole group too; others enter; windows and buffers overflow."""
    if products:
        monkeypatch.setattr(shared_cache, "_alike", lambda *_: False)
    model = tiny(kind)
    engine = row_engine(model, 0)
    assert isinstance(engine, SharedRows)
    fan = [0, 0, 0, 1, 2, 2]
    rows = [UNEQUAL[c] for c in fan]
    logits = engine.admit(UNEQUAL, torch.tensor(fan))
    for step in range(FIRST_BLOCK + 6):
        for row, got in zip(rows, logits, strict=True):
            expected = model(input_ids=row[None]).logits[0, -1]
            torch.testing.assert_close(got, expected, atol=1e-9, rtol=0)
        token = torch.randint(2, 48, (len(rows),), generator=torch.Generator().manual_seed(step))
        rows = [torch.cat([row, t[None]]) for row, t in zip(rows, token, strict=True)]
        leaves = {2: 1, 4: 2, 9: 0}.get(step)  # the second: all of group 1; the last: group 0
        if leaves is not None:
            kept = torch.tensor([i for i in range(len(rows)) if i != leaves])
            engine.keep(kept)
            rows, token = [rows[i] for i in kept], token[kept]
        logits = engine.step(token)
        if step == 6:
            logits = torch.cat([logits, engine.admit(UNEQUAL[:1], torch.tensor([0, 0]))])
            rows += [UNEQUAL[0]] * 2


@pytest.mark.parametrize("kind", CONFIGS)
def test_greedy_is_what_generate_of_transformers_writes(kind, exact_softmax):
    model = tiny(kind)
    made = sampled(model, UNEQUAL, [0, 1, 2, 0], Sampling(max_tokens=20, temperature=0.0))
    for row, context in enumerate([*UNEQUAL, UNEQUAL[0]]):
        length = int(made.lengths[row])
        theirs = model.generate(context[None], do_sample=False, max_new_tokens=20)[0]
        assert theirs[len(context) :].tolist() == made.ids[row, :length].tolist()


@pytest.mark.parametrize("kind", ["llama", "mistral", "gemma2", "gpt2"])
def test_samples_depend_on_nothing_but_seed_and_key(kind, monkeypatch):
    model = tiny(kind, torch.float32)
    fan = [2, 0, 1, 0, 2, 2, 0, 1, 0, 2, 2]
    keys = [100 + i for i in range(len(fan))]

    end = (1, 2, 3, 4)

    def text(**settings):
        made = sampled(model, UNEQUAL, fan, Sampling(max_tokens=24, **settings), 3, keys, end=end)
        assert bool((made.logps < 0).sum() == made.lengths.sum())
        return made.ids, made.lengths, torch.tensor([e.by_itself for e in made.endings])

    whole = text()
    assert len(set(whole[1].tolist())) > 3  # rows end at different times
    for most in (1, 2, 4, 5, 10, 99):
        assert all(map(torch.equal, text(max_rows=most), whole))
    for row in (1, 4):
        alone = sampled(
            model, [UNEQUAL[fan[row]]], [0], Sampling(max_tokens=24), 3, [keys[row]], end=end
        )
        assert alone.ids[0].tolist() == whole[0][row, : int(whole[1][row])].tolist()
    monkeypatch.setattr(decoding, "row_engine", CopiedRows)
    assert all(map(torch.equal, text(), whole))
    assert all(map(torch.equal, text(max_rows=4), whole))


def test_no_more_rows_run_than_allowed_and_freed_places_are_taken(monkeypatch):
    model = tiny("llama", torch.float32)
    seen, admitted = [], []

    class Watched(SharedRows):
        def admit(self, contexts, group, inputs=None):
            admitted.append((len(self.position), len(group)))
            return super().admit(contexts, group)

        def step(self, token):
            seen.append(len(token))
            return super().step(token)

    monkeypatch.setattr(decoding, "row_engine", Watched)
    fan = [c for c in range(3) for _ in range(8)]
    made = sampled(model, UNEQUAL, fan, Sampling(max_tokens=40, max_rows=10), 1)
    assert max(seen) <= 10
    assert sum(count for _, count in admitted) == 24
    assert any(beside > 0 for beside, _ in admitted)  # not one batch after the other
    assert len(seen) < 40 * len(admitted)
    assert made.lengths.min() > 0
    admitted.clear()
    sampled(model, UNEQUAL, fan, Sampling(max_tokens=2, max_rows=5), 1)  # groups are split
    assert [count for _, count in admitted] == [5, 3, 5, 3, 5, 3]


def test_a_model_that_cannot_share_says_why_once_and_is_sampled_rightly():
    torch.manual_seed(0)
    model = Auto.from_config(StableLmConfig(**GROUPED)).double().eval()
    with pytest.warns(UserWarning, match=r"StableLm.*keyword arguments") as caught:
        made = sampled(model, UNEQUAL, [0, 1, 2], Sampling(max_tokens=8, temperature=0.0))
    assert len([w for w in caught if "copied" in str(w.message)]) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bounded = Sampling(max_tokens=8, temperature=0.0, max_rows=2)
        again = sampled(model, UNEQUAL, [0, 1, 2], bounded)
    assert torch.equal(made.ids, again.ids)
    for row, context in enumerate(UNEQUAL):
        theirs = model.generate(context[None], do_sample=False, max_new_tokens=8)[0]
        assert theirs[len(context) :].tolist() == made.ids[row, : int(made.lengths[row])].tolist()


def test_a_model_whose_numbers_would_differ_is_not_shared(monkeypatch):
    """An attention that adds something of its own after the cache is caught by trying."""
    model = tiny("llama", torch.float32)
    monkeypatch.setattr(
        "guerdon.models.shared_cache.SharedPrefixCache.attend",
        lambda cache, index, query, *_: query.transpose(1, 2),
    )
    with pytest.warns(UserWarning, match="logits would be off by"):
        assert isinstance(row_engine(model, 0), CopiedRows)


def test_the_models_own_attention_is_back_after_sampling_and_after_an_error(monkeypatch):
    model = tiny("qwen2", torch.float32)
    sampled(model, UNEQUAL, [0, 1])
    assert model.config._attn_implementation == "sdpa"
    engine = SharedRows(model, 0)
    engine.admit(UNEQUAL, torch.tensor([0]))
    monkeypatch.setattr(engine.cache, "attend", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        engine.step(torch.tensor([3]))
    assert model.config._attn_implementation != ATTENTION


def test_edges():
    model = tiny("llama", torch.float32)
    assert sampled(model, [], []).ids.shape == (0, 10)
    assert sampled(model, UNEQUAL, []).lengths.tolist() == []
    one = sampled(model, UNEQUAL, [2, 0], Sampling(max_tokens=1))
    assert one.lengths.tolist() == [1, 1]
    assert [e is Ending.FINISHED for e in one.endings] == (one.ids[:, 0] == END).tolist()
    with pytest.raises(ValueError, match="no tokens"):
        sampled(model, [torch.zeros(0, dtype=torch.long)], [0])


def test_stop_strings_end_rows_where_the_text_first_shows_them():
    """The text is read only after tokens that could complete a stop string."""
    model = tiny("llama", torch.float32)
    read = []

    def text_of(ids):
        if len(ids) > 1:
            read.append(len(ids))
        return "".join(chr(97 + int(i) % 26) for i in ids)

    fan, limit = [0] * 12 + [1] * 12, 30
    free = sampled(model, UNEQUAL, fan, Sampling(max_tokens=limit))
    stops = ("bc", "e", "hgh")
    made = sampled(model, UNEQUAL, fan, Sampling(max_tokens=limit, stop=stops), text_of=text_of)
    expected = []
    for ids, length in zip(free.ids, free.lengths, strict=True):
        ends = [
            k
            for k in range(1, int(length) + 1)
            if text_of(ids[:k]).endswith(stops) or int(ids[k - 1]) == END
        ]
        expected.append(min(ends, default=limit))
    assert made.lengths.tolist() == expected
    assert len(set(expected)) > 3
    for ids, length, ending in zip(made.ids, made.lengths.tolist(), made.endings, strict=True):
        if int(ids[length - 1]) == END:
            assert ending is Ending.FINISHED
        elif text_of(ids[:length]).endswith(stops):
            assert ending is Ending.STOP_STRING
        else:
            assert (ending, length) == (Ending.TOKEN_LIMIT, limit)
    assert len(set(made.endings)) > 1
    read.clear()
    sampled(model, UNEQUAL, fan, Sampling(max_tokens=limit, stop=stops), text_of=text_of)
    assert len(read) < int(made.lengths.sum()) / 2


@pytest.mark.parametrize("products", [False, True])
def test_partial_attention_by_hand(products, monkeypatch):
    """Two keys with scores 0 and log 3: weights 1/4 and 3/4."""
    if products:
        monkeypatch.setattr(shared_cache, "_alike", lambda *_: False)
    query = torch.tensor([[[[math.log(3)]]]], dtype=torch.float64)
    keys = torch.tensor([[[[0.0], [1.0]]]], dtype=torch.float64)
    values = torch.tensor([[[[6.0], [2.0]]]], dtype=torch.float64)
    out, score = (float(x) for x in _partial(query, keys, values, None))
    assert score == pytest.approx(math.log(4))
    assert out == pytest.approx((6 + 3 * 2) / 4)
    hidden = torch.tensor([[False, True]])
    assert [float(x) for x in _partial(query, keys, values, None, hidden)] == [6.0, 0.0]
    top = 0.5 * math.tanh(2 * math.log(3))
    capped = float(_partial(query, keys, values, 0.5)[1])
    assert capped == pytest.approx(math.log(1 + math.exp(top)))


@pytest.mark.parametrize("adapter", [None, "lora"])
def test_the_seedling_shares_with_and_without_an_adapter(adapter):
    if adapter:
        pytest.importorskip("peft")
    policy = LanguagePolicy.load("seedling", adapter=adapter)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        rows = policy.sample([Task("t", "Compute 12+7.\n")], 4, Sampling(max_tokens=12), seed=0)
    torch.testing.assert_close(policy.forward(rows).logps, rows.logps, atol=1e-4, rtol=0)
    assert isinstance(row_engine(policy.model, 0), SharedRows)
