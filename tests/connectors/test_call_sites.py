"""Each trainer's way of calling a reward, played by a fake: what comes in, what goes out."""

from __future__ import annotations

import asyncio
import inspect
import math
from types import SimpleNamespace

import pytest
import torch
from connected import BOTH, LENGTH, Z, about, right

from guerdon.connectors import easyr1, ms_swift, openrlhf, reward_kit, slime, trl, verifiers, verl
from guerdon.parts import describe, rebuild
from guerdon.records import Progress
from guerdon.rewards import FunctionReward, WeightedSum
from guerdon.shaping import Affine

TEXTS = ["4", "55", "crash"]
VALUES = [1.99, -0.02, None]


def message(text, role="assistant"):
    return {"role": role, "content": text}


# TRL: lists of everything, one call a batch and process


def test_trl_gets_none_for_invalid_and_figures_of_the_valid():
    logged = {}
    score = trl.export(BOTH, answer="solution")
    found = score(
        prompts=["2+2"] * 3,
        completions=TEXTS,
        completion_ids=[[1], [2, 3], [4]],
        solution=["4"] * 3,
        trainer_state=SimpleNamespace(global_step=3, max_steps=10),
        log_extra=None,
        log_metric=logged.__setitem__,
    )
    assert found == [pytest.approx(1.99), pytest.approx(-0.02), None]
    assert logged == {
        "guerdon/invalid": pytest.approx(1 / 3),
        "guerdon/right": pytest.approx(1.0),
        "guerdon/brief": pytest.approx(-0.015),
    }
    assert score.__name__ == "guerdon"


def test_trl_passes_chats_columns_tokens_and_step():
    chats = {"prompts": [[message("y", "user")]] * 2, "completions": [[message("x y")]] * 2}
    assert trl.export(about)(**chats, topic=["x", "z"]) == [1.0, 0.0]
    assert trl.export(LENGTH)(**chats, completion_ids=[[1, 2], [1] * 7]) == [1.0, 0.5]
    step = FunctionReward(lambda completion, step, progress: step + progress)
    state = SimpleNamespace(global_step=2, max_steps=4)
    assert trl.export(step)(**chats, trainer_state=state) == [2.5, 2.5]


def test_trl_groups_are_consecutive_rows():
    with pytest.raises(ValueError, match="group_size=num_generations"):
        trl.export(Z)
    score = trl.export(Z, group_size=2)
    # Two tasks of the same text and answer stay two groups.
    found = score(["a"] * 4, ["4", "5", "4", "4"], answer=["4"] * 4)
    assert found == pytest.approx([1, -1, 0, 0], abs=1e-5)
    with pytest.raises(ValueError, match="different prompts"):
        score(["a", "b"], ["4", "5"], answer=["4", "4"])
    with pytest.raises(ValueError, match="3 rows are not whole groups of 2"):
        score(["a"] * 3, TEXTS, answer=["4"] * 3)


# ms-swift: an object made by its class


def test_ms_swift_class():
    orm = ms_swift.export(BOTH, shaping=[Affine(10)], name="mine")(args=None)
    messages = [[message("2+2", "user"), message(text)] for text in TEXTS]
    found = orm(
        TEXTS,
        messages=messages,
        solution=["4"] * 3,
        response_token_ids=[[1]] * 3,
        request_id=["a", "b", "c"],
        trainer_state=SimpleNamespace(global_step=0, max_steps=1),
    )
    assert found == [pytest.approx(19.9), pytest.approx(-0.2), None]
    assert type(orm).__name__ == "mine"


def test_ms_swift_groups_and_prompt():
    score = ms_swift.export(Z, group_size=2)()
    messages = [[message("2+2", "user"), message(text)] for text in ("4", "5")]
    found = score(["4", "5"], messages=messages, solution=["4", "4"])
    assert found == pytest.approx([1, -1], abs=1e-5)
    messages[1][0]["content"] = "other"
    with pytest.raises(ValueError, match="different prompts"):
        score(["4", "5"], messages=messages, solution=["4", "4"])


# verl: one at a time, or a batch


def test_verl_compute_score():
    compute_score = verl.export(BOTH, invalid=-1.0, parts=["right", "brief"])
    found = [
        compute_score(data_source="d", solution_str=t, ground_truth="4", extra_info={})
        for t in TEXTS
    ]
    assert [one["score"] for one in found] == pytest.approx([1.99, -0.02, -1.0])
    assert [one["valid"] for one in found] == [1.0, 1.0, 0.0]
    assert found[0]["part/right"] == 2.0
    assert math.isnan(found[2]["part/right"])
    assert len({tuple(one) for one in found}) == 1  # verl stacks the entries of a batch
    extra = {"topic": "x", "question": "y"}
    assert verl.export(about)("d", "x y", None, extra, reward_router_address="u")["score"] == 2.0
    assert verl.export(about)("d", "d", None, {"topic": "d"})["score"] == 2.0  # empty prompt
    with pytest.raises(ValueError, match="use export_batch"):
        verl.export(Z)


def test_verl_batch_takes_groups_by_index():
    compute_score = verl.export_batch(Z)
    extras = [{"index": i, "split": "train"} for i in (0, 1, 0, 1, 0)]
    found = compute_score(
        data_sources=["d"] * 5,
        solution_strs=["4", "7", "5", "7", "crash"],
        ground_truths=["4", "7", "4", "7", "4"],
        extra_infos=extras,
    )
    assert [one["score"] for one in found] == pytest.approx([1, 0, -1, 0, 0], abs=1e-5)
    assert [one["valid"] for one in found] == [1, 1, 1, 1, 0]
    with pytest.raises(ValueError, match="extra_info has no 'index'"):
        compute_score(["d"], ["4"], ["4"], [{}])


def test_verl_batch_sends_the_groups_mean_or_a_number():
    extras = [{"index": 0}] * 3
    batch = (["d"] * 3, TEXTS, ["4"] * 3, extras)
    mean = verl.export_batch(right)(*batch)
    assert [one["score"] for one in mean] == [1.0, 0.0, 0.5]
    fixed = verl.export_batch(right, invalid=-2.0)(*batch)
    assert [one["score"] for one in fixed] == [1.0, 0.0, -2.0]


def test_an_invalid_row_alone_has_the_names_of_the_others():
    """verl stacks them over a batch, and takes the names of the first row."""
    mixed = FunctionReward(lambda completion: None if completion == "crash" else {"long": 1.0})
    compute_score = verl.export(mixed, parts=["long"])
    found = [compute_score("d", text, "4", {}) for text in ("crash", "4")]
    assert [tuple(one) for one in found] == [("score", "valid", "part/long")] * 2
    assert found[1] == {"score": 1.0, "valid": 1.0, "part/long": 1.0}


# OpenRLHF: lists of one, query = prompt + completion + end token


def test_openrlhf_reward_func():
    reward_func = openrlhf.export(BOTH, invalid=-1.0, parts=["right", "brief"])
    sent = []
    for text in TEXTS:
        found = reward_func([f"<s>Q: 2+2 A:{text}<|im_end|></s>"], ["Q: 2+2 A:"], ["4"])
        # As its SamplesGenerator reads them.
        sent.append(torch.tensor([found["rewards"]]).item())
        logs = {k: v.flatten()[0].item() for k, v in found["extra_logs"].items()}
        assert set(logs) == {"valid", "part/right", "part/brief"}
        assert logs["valid"] == (0.0 if text == "crash" else 1.0)
    assert sent == pytest.approx([1.99, -0.02, -1.0])


def test_openrlhf_query_without_its_prompt_is_invalid(caplog):
    found = openrlhf.export(right, invalid=-1.0)(["4"], ["a prompt that was cut"], ["4"])
    assert found["rewards"].tolist() == [-1.0]
    assert "does not contain its prompt" in caplog.text
    with pytest.raises(ValueError, match="one row at a time"):
        openrlhf.export(Z)


# EasyR1: a list of rows, or a row; no prompt


def test_easyr1_batch_and_sequential():
    compute_score = easyr1.export(BOTH, invalid=-1.0, parts=["right"])
    rows = [{"response": t, "response_length": 1, "ground_truth": "4"} for t in TEXTS]
    found = compute_score(rows)
    assert [one["overall"] for one in found] == pytest.approx([1.99, -0.02, -1.0])
    assert [one["valid"] for one in found] == [1.0, 1.0, 0.0]
    assert found[0]["part/right"] == 2.0
    assert compute_score(rows[0]) == found[0]
    assert easyr1.export(LENGTH)({**rows[0], "response_length": 7})["overall"] == 0.5
    with pytest.raises(ValueError, match="EasyR1 does not say which rows are a group"):
        easyr1.export(Z)


# slime: a coroutine, one sample or a group


def sample(text, **more):
    known = {"prompt": "2+2", "label": "4", "metadata": {}, "group_index": 0, "response_length": 2}
    return SimpleNamespace(response=text, remove_sample=False, **{**known, **more})


def test_slime_single_samples_are_judged_concurrently():
    custom_rm = slime.export(BOTH, invalid=-1.0)
    assert inspect.iscoroutinefunction(custom_rm)
    samples = [sample(text, metadata=None) for text in TEXTS]

    async def async_rm():
        return await asyncio.gather(*(custom_rm(SimpleNamespace(), each) for each in samples))

    assert asyncio.run(async_rm()) == pytest.approx([1.99, -0.02, -1.0])
    assert [each.remove_sample for each in samples] == [False, False, True]
    assert samples[2].metadata["guerdon"]["reason"] == "right: RuntimeError: grader broke"
    assert samples[0].metadata["guerdon"]["parts"]["right"] == 2.0
    with pytest.raises(ValueError, match="--group-rm"):
        asyncio.run(slime.export(Z)(None, samples[0]))


def test_slime_group():
    samples = [sample(text) for text in ["4", "5", "crash"]]
    found = asyncio.run(slime.export(Z)(SimpleNamespace(), samples))
    assert found == pytest.approx([1, -1, 0], abs=1e-5)
    assert [each.remove_sample for each in samples] == [False, False, True]
    assert asyncio.run(slime.export(LENGTH)(None, [sample("a", response_length=7)])) == [0.5]
    assert asyncio.run(slime.export(right)(None, [sample("4"), sample("crash")])) == [1.0, 1.0]


# reward-kit: messages in, fields of EvaluateResult out


def test_reward_kit_evaluation():
    evaluate = reward_kit.export(BOTH, shaping=[Affine(0.1, 0.5)])
    found = evaluate(messages=[message("2+2", "user"), message("4")], ground_truth="4")
    assert found["score"] == pytest.approx(0.699)
    assert found["is_score_valid"] is True
    assert found["metrics"] == {}  # 2 and -0.01 are outside what reward-kit takes
    assert found["reason"] == "right 2, brief -0.01"
    metrics = reward_kit.export(WeightedSum({"right": right}))([message("4")], "4")["metrics"]
    assert metrics == {"right": {"score": 1.0, "is_score_valid": True, "reason": "right"}}
    asked = [
        SimpleNamespace(role="user", content="y"),
        SimpleNamespace(role="assistant", content="x"),
    ]
    assert reward_kit.export(about)(asked, topic="x")["score"] == 1.0
    broken = evaluate([message("crash")], ground_truth="4")
    assert broken["is_score_valid"] is False
    assert broken["reason"] == "right: RuntimeError: grader broke"
    with pytest.raises(ValueError, match="last message"):
        evaluate([message("2+2", "user")])


# verifiers before v1: functions of a Rubric, called by parameter name


def test_verifiers_rubric_functions():
    score, states = verifiers.export_rubric(BOTH, invalid=-1.0), [{}, {}, {}]
    asked = {"prompt": [message("2+2", "user")], "answer": "4", "info": {}}
    found = [
        score(completion=[message(text)], state=state, **asked)
        for text, state in zip(TEXTS, states, strict=True)
    ]
    assert found == pytest.approx([1.99, -0.02, -1.0])
    assert [s["guerdon_invalid"] for s in states] == [
        None,
        None,
        "right: RuntimeError: grader broke",
    ]
    group = verifiers.export_rubric(Z)
    plural = [[asked[n]] * 3 for n in ("prompt", "answer", "info")]
    found = group(plural[0], [[message(t)] for t in TEXTS], plural[1], states, plural[2])
    assert found == pytest.approx([1, -1, 0], abs=1e-5)
    named = ("prompts", "completions", "answers", "states", "infos")
    assert tuple(inspect.signature(group).parameters) == named


# theirs as ours


def trl_function(completions, solution, prompts, trainer_state, **more):
    assert len(prompts) == len(more["topic"]) == len(completions)
    known = {"4": 1.0, "crash": None}
    return [known.get(c, float(s == "9")) for c, s in zip(completions, solution, strict=True)]


def trl_chat(completions, **more):
    return [float(c[0]["content"] == "4") for c in completions]


async def trl_later(completions, **more):
    return [float(len(c)) for c in completions]


def broken(**more):
    raise KeyError("solution")


def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    if solution_str == "crash":
        raise RuntimeError("grader broke")
    return {"score": float(solution_str == ground_truth), "length": 3, "pred": solution_str}


def reward_func(queries, prompts, labels):
    value = torch.tensor([float(queries[0] == prompts[0] + labels[0])])
    return {"rewards": value, "scores": value, "extra_logs": {"acc": value.mean()}}


def compute_rows(rows):
    return [{"overall": float(r["response"] == r["ground_truth"]), "format": 1.0} for r in rows]


async def custom_rm(args, sample):
    return {"score": float(sample.response == sample.label)}


def evaluate(messages, ground_truth=None, **more):
    valid = messages[-1]["content"] != "crash"
    score = float(messages[-1]["content"] == ground_truth)
    metrics = {"same": {"score": score, "is_score_valid": True, "reason": ""}}
    reason = None if valid else "no verdict"
    return {"score": score, "is_score_valid": valid, "reason": reason, "metrics": metrics}


def rubric(completion, answer, state):
    return float(completion[-1]["content"] == state["answer"] == answer)


def judged(reward):
    from guerdon.connectors.given import Given, rollouts_of

    rows = [Given(t, "2+2", "4", {"topic": "x"}, ids=[1]) for t in TEXTS]
    return reward(rollouts_of(rows, "a test", grouped=False), Progress())


@pytest.mark.parametrize(
    ("reward", "values"),
    [
        (trl.adopt(trl_function, answer="solution"), [1.0, 0.0, None]),
        (trl.adopt(trl_chat, chat=True), [1.0, 0.0, 0.0]),
        (trl.adopt(trl_later), [1.0, 2.0, 5.0]),
        (trl.adopt(broken), [None, None, None]),
        (ms_swift.adopt(trl_function), [1.0, 0.0, None]),
        (verl.adopt(compute_score), [1.0, 0.0, None]),
        (openrlhf.adopt(reward_func), [1.0, 0.0, 0.0]),
        (easyr1.adopt(compute_rows), [1.0, 0.0, 0.0]),
        (slime.adopt(custom_rm), [1.0, 0.0, 0.0]),
        (reward_kit.adopt(evaluate), [1.0, 0.0, None]),
        (verifiers.adopt(rubric), [1.0, 0.0, 0.0]),
    ],
)
def test_theirs_as_ours(reward, values):
    scores = judged(reward)
    pairs = zip(scores.value.tolist(), scores.valid.tolist(), strict=True)
    assert [value if ok else None for value, ok in pairs] == values
    again = judged(rebuild(describe(reward)))
    assert again.valid.tolist() == scores.valid.tolist()


def test_reasons_and_parts_of_theirs():
    assert judged(reward_kit.adopt(evaluate)).reasons[2] == "ValueError: no verdict"
    assert judged(trl.adopt(broken)).reasons[0] == "KeyError: 'solution'"
    assert judged(verl.adopt(compute_score)).parts["length"][0] == 3.0
    assert judged(easyr1.adopt(compute_rows)).parts["format"].tolist() == [1.0, 1.0, 1.0]
    assert judged(openrlhf.adopt(reward_func)).parts["log/acc"].tolist() == [1.0, 0.0, 0.0]
    with pytest.raises(ValueError, match="returned 1 rewards for 3 completions"):
        judged(trl.adopt(lambda **more: [1.0]))


def test_a_stuck_function_of_theirs_is_stopped():
    reward = verl.adopt(stuck, timeout=0.5)
    assert judged(reward).reasons[0] == "no result within 0.5 s"


def stuck(**more):
    while True:
        pass


def test_theirs_to_another_trainer():
    """A TRL function in OpenRLHF, which gives no token ids."""
    reward_func = openrlhf.export(trl.adopt(trl_later))
    assert reward_func(["2+2=55"], ["2+2="], ["4"])["rewards"].tolist() == [2.0]


def test_ours_to_theirs_and_back_is_the_same():
    scores = judged(trl.adopt(trl.export(BOTH)))
    direct = judged(BOTH)
    assert scores.valid.tolist() == direct.valid.tolist()
    torch.testing.assert_close(scores.value, direct.value, equal_nan=True)
