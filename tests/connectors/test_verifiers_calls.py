"""verifiers' own tasks score with an exported reward (docs/connectors.md says how)."""

from __future__ import annotations

import asyncio

import pytest
from connected import BOTH, LENGTH, Z, about

from guerdon.connectors import verifiers

vf = pytest.importorskip(
    "verifiers.v1", reason="verifiers has an environment of its own: docs/connectors.md"
)


class Data(vf.TaskData):
    answer: str = "4"
    topic: str = "x"


score = verifiers.export(BOTH)
score_about = verifiers.export(about)


class Sum(vf.Task[Data]):
    @vf.reward(weight=0.5)
    async def about(self, trace) -> float:
        return await score_about(self.data, trace)


def trace_of(task, text):
    from verifiers.v1.types import AssistantMessage, UserMessage

    told = [
        vf.MessageNode(message=UserMessage(content=task.data.prompt)),
        vf.MessageNode(parent=0, message=AssistantMessage(content=text), sampled=True),
    ]
    known = vf.TraceTask(type="Sum", data=task.data)
    agent = vf.AgentInfo(config=vf.AgentConfig())
    return vf.Trace(task=known, agent=agent, nodes=told)


@pytest.fixture
def task():
    plugged = {"total": {"fn": f"{__name__}:score"}}
    return Sum(Data(prompt="2+2", id="sum-1"), vf.TaskConfig(rewards=plugged))


def test_scores_and_parts_are_on_the_trace(task):
    trace = trace_of(task, "4")
    asyncio.run(task.score(trace))
    assert {n: r.value for n, r in trace.rewards.items()} == {
        "total": pytest.approx(1.99),
        "about": 0.0,
    }
    assert trace.reward == pytest.approx(1.99)


def test_prompt_and_columns_reach_the_reward(task):
    trace = trace_of(task, "x 2+2")
    assert asyncio.run(score_about(task.data, trace)) == 2.0
    assert trace.info["guerdon"] == {"parts": {}, "reason": None}


def test_an_invalid_row_is_an_error_of_the_task_and_no_reward(task):
    trace = trace_of(task, "crash")
    with pytest.raises(vf.TaskError, match="grader broke"):
        asyncio.run(task.score(trace))
    assert trace.rewards["total"] is None
    assert trace.info["guerdon"]["reason"] == "right: RuntimeError: grader broke"


def test_tokens_and_groups_are_not_given(task):
    with pytest.raises(ValueError, match="one trace at a time"):
        verifiers.export(Z)
    with pytest.raises(ValueError, match="'mask' of the rollouts, which verifiers does not"):
        asyncio.run(verifiers.export(LENGTH)(task.data, trace_of(task, "4")))
