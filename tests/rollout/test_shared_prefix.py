"""Prompts computed once per group give what every row by itself gives, gradients included."""

from __future__ import annotations

import copy
import warnings
from dataclasses import replace
from typing import Any

import pytest
import torch
from making import SMALL_DECODER
from torch.overrides import TorchFunctionMode
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from guerdon.models import packing, shared_attention, shared_prefix
from guerdon.models.flex_attention import row_blocks
from guerdon.nursery import seedling_path
from guerdon.records import Rollouts, Task
from guerdon.rollout import LanguagePolicy

WINDOWED = {"layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}
EXPERTS = {
    "experts_implementation": "eager",
    "num_experts": 4,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {}),
    "llama, tied": ("llama", {"tie_word_embeddings": True}),
    "llama, every head its own keys": ("llama", {"num_key_value_heads": 4}),
    "llama, eager": ("llama", {"attn_implementation": "eager"}),
    "qwen2": ("qwen2", {}),
    "qwen2, windows": ("qwen2", {"sliding_window": 4, "use_sliding_window": True, **WINDOWED}),
    "qwen3": ("qwen3", {}),
    "mistral": ("mistral", {"sliding_window": 5}),
    "mistral, window within a completion": ("mistral", {"sliding_window": 2}),
    "gemma2": ("gemma2", {"sliding_window": 5, "query_pre_attn_scalar": 16, **WINDOWED}),
    "gemma2, hard caps": (
        "gemma2",
        {"sliding_window": 5, "attn_logit_softcapping": 1.0, "final_logit_softcapping": 2.0},
    ),
    "gemma3": ("gemma3_text", {"sliding_window": 5, **WINDOWED}),
    "phi": ("phi", {"partial_rotary_factor": 0.5}),
    "phi3": ("phi3", {"sliding_window": 6}),
    "smollm3": ("smollm3", {"no_rope_layers": [1, 0, 1]}),
    "gpt2": ("gpt2", {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 64}),
    "gpt_neox": ("gpt_neox", {}),
    "olmo2": ("olmo2", {}),
    "cohere": ("cohere", {"logit_scale": 0.5}),
    "granite": ("granite", {"logits_scaling": 3.0, "attention_multiplier": 0.2}),
    "opt": ("opt", {"ffn_dim": 48, "word_embed_proj_dim": 32, "max_position_embeddings": 64}),
    "starcoder2": ("starcoder2", {"sliding_window": 5}),
    "stablelm": ("stablelm", {}),
    "gpt_oss": ("gpt_oss", {"sliding_window": 4, **EXPERTS}),
    "qwen3_moe": ("qwen3_moe", {"moe_intermediate_size": 16, **EXPERTS}),
    "mixtral": ("mixtral", {"sliding_window": None, **EXPERTS}),
    "glm4": ("glm4", {"partial_rotary_factor": 0.5}),
}
REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "bloom": ("bloom", {"n_layer": 2, "n_head": 4}),
    "mpt": ("mpt", {"d_model": 32, "n_heads": 4, "n_layers": 2}),
    "mamba": ("mamba", {}),
    "lfm2": ("lfm2", {"layer_types": ["conv", "full_attention", "conv"]}),
}
NO_DROPOUT = dict.fromkeys(
    ("dropout", "hidden_dropout", "resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0
)


class Float64(TorchFunctionMode):
    """Models ask for float32 in places (norms, softmax, rotations); here they get float64.

    Without it both computations are only as exact as float32 and could not be told apart.
    """

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is torch.Tensor.float:
            function = torch.Tensor.double
        double = lambda x: torch.float64 if x is torch.float32 else x  # noqa: E731
        return function(*map(double, args), **{k: double(v) for k, v in (kwargs or {}).items()})


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(seedling_path())


def build(kind: str, more: dict[str, Any], seed: int = 0) -> Any:
    settings = {**SMALL_DECODER, **NO_DROPOUT, **more}
    how = {
        k: settings.pop(k)
        for k in ("attn_implementation", "experts_implementation")
        if k in settings
    }
    config = AutoConfig.for_model(kind, **settings)
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, **how)
    return model.double().eval()


def rollouts(
    prompts=(21, 37, 3, 1),
    lengths=((5, 9, 1), (2, 7), (6, 6, 0, 12), (4,)),
    seed=0,
    vocabulary=64,
) -> Rollouts:
    """Random tokens; groups of several sizes, one completion empty, one token only observed."""
    generator = torch.Generator().manual_seed(seed)
    flat = torch.tensor([n for group in lengths for n in group])
    rows, width = len(flat), int(flat.max())
    mask = torch.arange(width) < flat[:, None]
    if width > 2:
        mask[rows // 2, 2] = False
    return Rollouts(
        tasks=tuple(Task(str(i), "") for i in range(len(prompts))),
        group=torch.tensor([g for g, group in enumerate(lengths) for _ in group]),
        prompts=tuple(torch.randint(vocabulary, (n,), generator=generator) for n in prompts),
        ids=torch.randint(vocabulary, (rows, width), generator=generator),
        mask=mask,
        lengths=flat,
        logps=torch.zeros(rows, width),
        texts=("",) * rows,
        temperature=1.3,
    )


def by_itself(model: Any, data: Rollouts, row: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probs and entropies [T] of one row from the model's own logits for it alone."""
    prompt = data.prompts[int(data.group[row])]
    length = int(data.lengths[row])
    ids = torch.cat([prompt, data.ids[row, :length]])
    logits = model(input_ids=ids[None], use_cache=False).logits[0] / data.temperature
    logp = logits.log_softmax(-1)[len(prompt) - 1 : len(ids) - 1]
    taken = logp.gather(1, ids[len(prompt) :, None])[:, 0]
    keep = data.mask[row, :length]
    pad = (0, data.ids.shape[1] - length)
    entropy = -(logp.exp() * logp).sum(-1)
    return tuple(torch.nn.functional.pad(torch.where(keep, x, 0), pad) for x in (taken, entropy))  # type: ignore[return-value]


def plain(model: Any, data: Rollouts) -> tuple[torch.Tensor, torch.Tensor]:
    rows = [by_itself(model, data, row) for row in range(len(data))]
    return torch.stack([a for a, _ in rows]), torch.stack([b for _, b in rows])


def gradients(module: Any) -> dict[str, torch.Tensor]:
    return {n: p.grad.clone() for n, p in module.named_parameters() if p.grad is not None}


def compare(policy: LanguagePolicy, oracle: Any, data: Rollouts, tolerance=1e-9) -> None:
    """Log-probs, entropies and every gradient of a random function of them."""
    generator = torch.Generator().manual_seed(5)
    weight = torch.randn(data.ids.shape, dtype=torch.float64, generator=generator)
    policy.module.zero_grad()
    oracle.zero_grad()
    with Float64():
        out = policy.forward(data, frozenset({"entropy"}))
        (weight * (out.logps + 0.3 * out.entropy)).sum().backward()
        logps, entropy = plain(oracle, data)
        (weight * (logps + 0.3 * entropy)).sum().backward()
    torch.testing.assert_close(out.logps, logps, atol=tolerance, rtol=0)
    torch.testing.assert_close(out.entropy, entropy, atol=tolerance, rtol=0)
    mine, theirs = gradients(policy.model), gradients(oracle)
    assert mine.keys() == theirs.keys()
    for name in mine:
        torch.testing.assert_close(mine[name], theirs[name], atol=tolerance, rtol=tolerance)
    assert any(g.abs().max() > 1e-3 for g in mine.values())


@pytest.fixture
def always(monkeypatch):
    """Pack whatever the token counts say."""
    monkeypatch.setattr(shared_prefix, "WORTH_IT", 0)


def shared(model: Any, tokenizer: Any) -> LanguagePolicy:
    """The model as a policy that must share, and does."""
    policy = LanguagePolicy(model, tokenizer)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Float64() if model.dtype == torch.float64 else torch.enable_grad():
            assert policy.shared_prefix.works(policy.model)
    return policy


@pytest.mark.parametrize("family", FAMILIES)
def test_equals_every_row_by_itself_in_float64(family, tokenizer, always):
    model = build(*FAMILIES[family])
    oracle = copy.deepcopy(model)
    policy = shared(model, tokenizer)
    compare(policy, oracle, rollouts())


@pytest.mark.parametrize("family", ["llama", "mistral", "phi3", "gpt2"])
def test_the_attention_for_other_devices_is_equal_too(family, tokenizer, always, monkeypatch):
    monkeypatch.setattr(shared_attention, "_fits", lambda *_: False)
    model = build(*FAMILIES[family])
    oracle = copy.deepcopy(model)
    compare(shared(model, tokenizer), oracle, rollouts())


@pytest.mark.parametrize(
    ("prompts", "lengths"),
    [
        ((5,), ((4,),)),
        ((5, 5), ((3, 3), (3, 3))),
        ((1, 1), ((1,), (1, 1))),
        ((2, 9), ((0, 0), (6, 1))),
        ((40,), ((1,) * 9,)),
        ((3, 3, 3), ((8,), (2,), (5,))),
    ],
)
@pytest.mark.parametrize("family", ["llama", "mistral", "gemma2"])
def test_every_shape_of_batch(family, prompts, lengths, tokenizer, always):
    model = build(*FAMILIES[family])
    oracle = copy.deepcopy(model)
    compare(shared(model, tokenizer), oracle, rollouts(prompts, lengths))


def test_rows_in_any_order(tokenizer, always):
    policy = shared(build("llama", {}), tokenizer)
    data = rollouts()
    order = torch.tensor([8, 3, 0, 5, 9, 1, 7, 2, 6, 4])
    ordered, width = policy.forward(data).logps[order], int(data.lengths.max())
    torch.testing.assert_close(policy.forward(data.select(order)).logps, ordered[:, :width])


@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_gradient_checkpointing_changes_nothing(family, tokenizer, always):
    model = build(*FAMILIES[family]).float()
    policy = shared(model, tokenizer)
    calls = []
    model.get_decoder().layers[0].self_attn.register_forward_pre_hook(lambda *_: calls.append(1))
    found = []
    for checkpointed in (False, True):
        if checkpointed:
            model.gradient_checkpointing_enable()
            model.train()
        policy.module.zero_grad()
        policy.forward(rollouts()).logps.sum().backward()
        found.append(gradients(policy.model))
    assert len(calls) == 1 + 2  # the second time it was computed again in the backward pass
    assert found[0].keys() == found[1].keys()
    for name in found[0]:
        torch.testing.assert_close(found[0][name], found[1][name], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_adapters(family, tokenizer, always):
    peft = pytest.importorskip("peft")
    settings = peft.LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    torch.manual_seed(1)
    model = peft.get_peft_model(build(*FAMILIES[family]), settings)
    oracle = copy.deepcopy(model)
    policy = shared(model, tokenizer)
    compare(policy, oracle, rollouts())
    assert all("lora_" in n for n in gradients(policy.model))
    with Float64(), torch.no_grad(), model.disable_adapter(), oracle.disable_adapter():
        off = policy.forward(rollouts()).logps
        torch.testing.assert_close(off, plain(oracle, rollouts())[0], atol=1e-9, rtol=0)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.3)])
def test_narrower_types(dtype, tolerance, tokenizer, always):
    model = build("llama", {"initializer_range": 0.1}).to(dtype)
    oracle = copy.deepcopy(model)
    policy = shared(model, tokenizer)
    now = policy.forward(rollouts()).logps
    torch.testing.assert_close(now, plain(oracle, rollouts())[0].float(), atol=tolerance, rtol=0)


@pytest.mark.parametrize("other_device", [False, True])
@pytest.mark.parametrize(
    "family", ["llama", "llama, eager", "mistral", "gemma2", "gpt2", "gpt_oss"]
)
def test_mixed_precision_shares_and_is_as_exact_as_the_plain_path(
    family, other_device, tokenizer, always, monkeypatch
):
    if other_device:
        monkeypatch.setattr(shared_attention, "_fits", lambda *_: False)
    kind, more = FAMILIES[family]
    model = build(kind, {**more, "initializer_range": 0.1}).float()
    data, found = rollouts(), []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for precision, share in (("bf16", True), ("bf16", False), ("no", False)):
            policy = LanguagePolicy(
                copy.deepcopy(model), tokenizer, mixed_precision=precision, shared_prefix=share
            )
            logps = policy.forward(data).logps
            logps.sum().backward()
            assert policy.shared_prefix.shares == ({"prompts": True} if share else {})
            assert {p.grad.dtype for p in policy.module.parameters() if p.grad is not None} == {
                torch.float32
            }
            found.append(
                (
                    logps.detach(),
                    torch.cat([*map(torch.flatten, gradients(policy.module).values())]),
                )
            )
    for mine, plain_one, exact in zip(*found, strict=True):
        rounding = float((plain_one - exact).norm())
        assert rounding > 1e-4 * float(exact.norm())  # it did compute in bfloat16
        assert float((mine - exact).norm()) < 1.5 * rounding


@pytest.mark.parametrize("family", REFUSED)
def test_a_model_that_cannot_share_says_so_once_and_is_right(family, tokenizer, always):
    model = build(*REFUSED[family])
    implementation = model.config._attn_implementation
    oracle = copy.deepcopy(model)
    policy = LanguagePolicy(model, tokenizer)
    data = rollouts()
    with Float64(), torch.no_grad():
        with pytest.warns(UserWarning, match="once per completion, not once per group") as told:
            now = policy.forward(data).logps
        assert len(told) == 1
        torch.testing.assert_close(now, plain(oracle, data)[0], atol=1e-9, rtol=0)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            policy.forward(data)
    assert model.config._attn_implementation == implementation


def test_a_wrong_result_is_noticed(tokenizer, always, monkeypatch):
    """Positions that do not start again: near enough to run, and wrong."""

    def counted_on(rollouts, device):
        packed = packing.pack(rollouts, device)
        return replace(packed, positions=torch.arange(packed.tokens)[None])

    model = build("llama", {})
    oracle = copy.deepcopy(model)
    policy = LanguagePolicy(model, tokenizer)
    monkeypatch.setattr(shared_prefix, "pack", counted_on)
    with pytest.warns(UserWarning, match="differs from the plain one by"):
        now = policy.forward(rollouts()).logps
    torch.testing.assert_close(now, plain(oracle, rollouts())[0], atol=1e-6, rtol=0)


def test_completions_do_not_see_each_other(tokenizer, always):
    policy = shared(build("llama", {}), tokenizer)
    data = rollouts()
    ids = data.ids.clone()
    ids[1, :4] = (ids[1, :4] + 7) % 64
    with torch.no_grad():
        before, after = policy.forward(data).logps, policy.forward(replace(data, ids=ids)).logps
    same = torch.arange(len(data)) != 1
    assert torch.equal(before[same], after[same])
    assert not torch.equal(before[1], after[1])


def test_the_model_still_samples_and_computes_plainly(tokenizer, always):
    from guerdon.stages import Sampling

    model = build("mistral", {"sliding_window": 5})
    untouched = LanguagePolicy(copy.deepcopy(model), tokenizer, shared_prefix=False)
    policy = shared(model, tokenizer)
    tasks = [Task("a", "a"), Task("b", "b")]
    mine, theirs = (
        p.generate([torch.tensor([3, 4, 5, 6])] * 2, [1, 2], Sampling(max_tokens=8), 0)
        for p in (policy, untouched)
    )
    assert len(tasks) == 2
    assert torch.equal(mine.ids, theirs.ids)
    assert torch.equal(mine.logps, theirs.logps)
    ids = torch.arange(12)[None]
    assert torch.equal(model(input_ids=ids).logits, untouched.model(input_ids=ids).logits)


def test_a_copy_shares_as_well(tokenizer, always):
    policy = shared(build("llama", {}), tokenizer)
    twin = copy.deepcopy(policy)
    with torch.no_grad():
        assert torch.equal(twin.forward(rollouts()).logps, policy.forward(rollouts()).logps)


def test_it_can_be_switched_off(tokenizer, always, monkeypatch):
    model = build("llama", {})
    policy = LanguagePolicy(model, tokenizer, shared_prefix=False)
    monkeypatch.setattr("guerdon.models.shared_prefix.packed_hidden", None)
    policy.forward(rollouts())
    assert model.config._attn_implementation == "sdpa"


def test_it_is_left_alone_where_it_would_not_pay(tokenizer, monkeypatch):
    policy = LanguagePolicy(build("llama", {}), tokenizer)
    called = []
    monkeypatch.setattr(
        "guerdon.models.shared_prefix.packed_hidden",
        lambda *_: called.append(1) or torch.zeros(200, 32, dtype=torch.float64),
    )
    policy.forward(rollouts((4, 4), ((8,), (8,))))  # nothing to save
    assert not called
    policy.forward(rollouts((4, 4), ((8, 8), (8, 8))))  # 48 tokens in 40
    assert not called
    policy.forward(rollouts((16, 16), ((8, 8), (8, 8))))  # 96 tokens in 64
    assert called


def test_where_everything_stands():
    """Two groups, worked by hand: prompts of 3 and 2, completions of 3, 1 and 2, 0, 1 tokens.

    The last token of each is left out.
    """
    data = rollouts((3, 2), ((3, 1), (2, 0, 1)))
    packed = packing.pack(data, torch.device("cpu"))
    (a, b), ids = data.prompts, data.ids
    assert packed.ids.tolist() == [[*map(int, [*a, *b, ids[0, 0], ids[0, 1], ids[2, 0]])]]
    assert packed.positions.tolist() == [[0, 1, 2, 0, 1, 3, 4, 2]]
    real = torch.arange(3) < data.lengths[:, None]
    assert packed.before[real].tolist() == [2, 5, 6, 2, 4, 7, 4]
    assert packed.group.tolist() == [0, 0, 1, 1, 1]
    assert packed.prompt_tokens == 5
    assert packed.tokens == 8
    assert packed.padded == 5 * 5


def test_completions_of_one_token_keep_it():
    """Attention over no tokens at all is not to be asked of anyone."""
    packed = packing.pack(rollouts((3,), ((1, 0, 1),)), torch.device("cpu"))
    assert packed.positions.tolist() == [[0, 1, 2, 3, 3]]


def test_padding_and_back():
    pieces = packing.Ragged.of(torch.tensor([2, 0, 3]), torch.device("cpu"))
    flat = torch.arange(1.0, 6.0)[:, None].requires_grad_()
    table = pieces.pad(flat)
    assert table[..., 0].tolist() == [[1, 2, 0], [0, 0, 0], [3, 4, 5]]
    assert torch.equal(pieces.flatten(table), flat)
    (table * torch.arange(9.0).view(3, 3, 1)).sum().backward()
    assert flat.grad[:, 0].tolist() == [0, 1, 6, 7, 8]


def test_an_empty_prompt_is_refused(tokenizer, always):
    policy = LanguagePolicy(build("llama", {}), tokenizer)
    with pytest.raises(ValueError, match="a prompt has no tokens"):
        policy.forward(rollouts((0, 3), ((2,), (2,))))


THREE = rollouts((21, 37, 3), ((5, 9, 1), (2, 7), (6, 6, 6, 12)))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_three_prompts_are_as_exact_as_their_numbers(dtype, tolerance, tokenizer, always):
    """Nine completions of three prompts, against each row computed by itself."""
    model = build("llama", {"initializer_range": 0.1}).to(dtype)
    oracle = copy.deepcopy(model)
    policy = shared(model, tokenizer)
    with Float64() if dtype == torch.float64 else torch.enable_grad():
        mine, theirs = policy.forward(THREE).logps, plain(oracle, THREE)[0]
        mine.sum().backward()
        theirs.sum().backward()
    assert policy.shared_prefix.shares == {"prompts": True}
    torch.testing.assert_close(mine, theirs, atol=tolerance, rtol=0)
    for name, gradient in gradients(oracle).items():
        apart = (gradients(policy.model)[name] - gradient).norm()
        assert apart <= 1e-5 * gradient.norm(), name


def test_a_group_of_one_is_a_plain_forward_and_empty_completions_are_no_obstacle(tokenizer, always):
    """One completion a group; completions of no token and of one."""
    model = build("llama", {})
    oracle = copy.deepcopy(model)
    policy = shared(model, tokenizer)
    for prompts, lengths in (((5, 3), ((4,), (6,))), ((5, 3), ((0, 1, 0), (1, 1)))):
        compare(policy, oracle, rollouts(prompts, lengths))
    nothing = rollouts((5,), ((0, 1),))
    assert torch.isfinite(policy.forward(nothing).logps).all()


def pairs_seen(lengths) -> int:
    """How many pairs of tokens attend over prompts of 4 tokens, counted in the row's own mask."""
    packed = packing.pack(rollouts((4,) * len(lengths), lengths), torch.device("cpu"))
    at = torch.arange(packed.tokens)
    seen = row_blocks(packed, None, by_group=False).mask_mod
    return int(seen(0, 0, at[:, None], at[None]).sum())


def test_pairs_that_attend_by_hand():
    """A prompt of 4 and three completions, of which 2 tokens predict another.

    Repeated: 3 times 1 + 2 + ... + 6 = 63. Shared: 1 + 2 + 3 + 4, and for each completion 4 + 1
    and 4 + 2: 43.
    """
    assert pairs_seen(((3,), (3,), (3,))) == 63
    assert pairs_seen(((3, 3, 3),)) == 43


def test_two_groups_stand_in_a_row_by_hand():
    """Prompts of 3 and 2; completions of 2 and 1 tokens that predict, and of 1 and 1."""
    packed = packing.pack(rollouts((3, 2), ((3, 2), (2, 2))), torch.device("cpu"))
    first, second = [0, 1, 2], [0, 1]
    assert packed.positions[0].tolist() == [*first, *second, 3, 4, 3, 2, 2]
    ones = torch.ones(packed.tokens)
    own = packed.responses.pad(ones[packed.prompt_tokens :])
    assert own.tolist() == [[1, 1], [1, 0], [1, 0], [1, 0]]
    assert packed.prompts.pad(ones[: packed.prompt_tokens]).tolist() == [[1, 1, 1], [1, 1, 0]]
    assert (packed.prompts.width, packed.responses.width, packed.responses.count) == (3, 2, 4)
    # The longest group, prompt and completions in one row, has 6 tokens.
    assert max(3 + 2 + 1, 2 + 1 + 1) == packed.prompts.width + packed.tails.width == 6


def test_a_loss_on_the_prompt_counts_once_where_the_plain_form_counts_it_for_every_row(
    tokenizer, always
):
    """What stands once has a gradient G times smaller; times G it is the plain one again."""
    model = build("llama", {})
    data = rollouts((6,), ((3, 3, 3, 3),))
    policy = shared(model, tokenizer)
    packed = packing.pack(data, torch.device("cpu"))
    with Float64():
        once = shared_prefix.packed_hidden(policy.model, packed, data)[packed.ends].sum()
        each = shared_prefix.padded_hidden(policy.model, data, 0, torch.device("cpu"))[:, 5].sum()
    torch.testing.assert_close(4 * once, each, atol=1e-9, rtol=0)
    embedding = policy.model.get_input_embeddings().weight
    (mine,), (plain_one,) = (torch.autograd.grad(x, [embedding]) for x in (once, each))
    torch.testing.assert_close(4 * mine, plain_one, atol=1e-9, rtol=1e-9)
    assert float((mine - plain_one).norm()) > 0.5 * float(plain_one.norm())
