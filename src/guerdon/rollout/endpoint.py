"""Completions from any server that speaks the OpenAI protocol: remote policies and judges."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor, nn

from guerdon.extras import install
from guerdon.keyed import row_key
from guerdon.models.prompts import refuse_images
from guerdon.ranges import PositiveInt, Seconds, between, check_ranges
from guerdon.records import Ending, PolicyOutput, Rollouts, Task
from guerdon.rollout.language import LanguagePolicy
from guerdon.stages import Policy, Sampling

RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""Answers that a later attempt may change; any other refusal is final."""

LONGEST_ANSWER = 16 << 20
"""Bytes of one answer that are read; a server that sends more is refused."""


class EndpointError(RuntimeError):
    """Requests that got no usable answer; the message says how many, and why."""


class _Final(Exception):
    """A refusal that a further attempt would not change."""


@dataclass(frozen=True)
class Answer:
    """What came of one request: a text, or the reason why there is none."""

    text: str = ""
    ending: Ending = Ending.TOKEN_LIMIT
    error: str | None = None


@dataclass(frozen=True)
class EndpointPolicy:
    """A model behind an OpenAI-compatible address; it can be sampled, not trained.

    It is a policy and, as a recipe's engine, its own setting. The protocol leaves a stop
    string out of the text, where other engines keep it.

    Attributes:
        url: the address up to and including the version.
        model: the name the server knows the model by; as an engine, empty means the
            recipe's ``model.name``.
        chat: ask ``/chat/completions`` (messages) rather than ``/completions`` (plain text).
        key_variable: the environment variable that holds the key; unset means no key.
        concurrency: requests under way at a time.
        attempts: how often one request is tried; waits between grow from ``wait`` seconds by
            doubling, with jitter, and follow the server's Retry-After where it gives one.
        timeout: seconds for one attempt.
        total: seconds for one request with all its attempts and waits.
        native: also send ``top_k`` and ``min_p``, which are no part of the protocol but which
            vLLM and others know. Without it these settings are refused, not dropped.
    """

    couples: ClassVar[str] = "row"

    url: str = "http://127.0.0.1:8000/v1"
    """The address up to and including the version."""
    model: str = ""
    """The name that the server knows the model by; empty: the recipe's model.name."""
    chat: bool = True
    """Whether messages are sent (/chat/completions), and not plain text (/completions)."""
    key_variable: str = "OPENAI_API_KEY"
    """The environment variable that holds the key."""
    concurrency: PositiveInt = 8
    """Requests under way at a time."""
    attempts: PositiveInt = 4
    """How often one request is tried."""
    wait: Annotated[float, between(0, 1_000_000)] = 0.5
    """Seconds before the second attempt; they double with each."""
    timeout: Seconds = 60.0
    """Seconds for one attempt."""
    total: Seconds = 300.0
    """Seconds for one request with all its attempts and waits."""
    native: bool = False
    """Whether top_k and min_p are sent too, which are no part of the protocol."""

    def __post_init__(self) -> None:
        check_ranges(self)

    def start(self, name: str, load: Callable[[], LanguagePolicy]) -> Policy:
        """The model called ``name`` by the server; nothing is loaded here."""
        return replace(self, model=self.model or name)

    @property
    def module(self) -> nn.Module:
        """Raises ValueError: the weights are elsewhere."""
        raise ValueError("an endpoint can't be trained: name a local model instead")

    def forward(self, rollouts: Rollouts, needs: frozenset[str] = frozenset()) -> PolicyOutput:
        """Raises ValueError: the protocol does not score given completions."""
        raise ValueError("an endpoint can't say how likely a completion was: name a local model")

    def answers(self, requests: Sequence[dict[str, Any]]) -> list[Answer]:
        """One answer per request body, in the order given; a failure says why it failed.

        Callable from plain code and from inside a running event loop alike.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(self._all(requests))
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, self._all(requests)).result()

    def sample(
        self, tasks: Sequence[Task], group_size: int, sampling: Sampling, seed: int
    ) -> Rollouts:
        """``group_size`` completions of each task, as texts.

        There are no token ids here: one position per row stands for the whole completion, its
        log-probability unknown and so left out by a mask that is False. Raises EndpointError
        if any request failed: a missing completion is not an empty one.
        """
        rows = [(b, member) for b in range(len(tasks)) for member in range(group_size)]
        got = self.answers(
            [
                self.body(tasks[b], sampling, row_key(seed, tasks[b].id, member) % 2**31)
                for b, member in rows
            ]
        )
        failed = [(row, a.error) for row, a in zip(rows, got, strict=True) if a.error is not None]
        if failed:
            (b, _), why = failed[0]
            raise EndpointError(
                f"{len(failed)} of {len(got)} requests to {self.url} failed; "
                f"the first, of task {tasks[b].id!r}: {why}"
            )
        n = len(rows)
        return Rollouts(
            tasks=tuple(tasks),
            group=torch.tensor([b for b, _ in rows], dtype=torch.long),
            prompts=tuple(_nothing() for _ in tasks),
            ids=torch.zeros(n, 1, dtype=torch.long),
            mask=torch.zeros(n, 1, dtype=torch.bool),
            lengths=torch.ones(n, dtype=torch.long),
            logps=torch.zeros(n, 1),
            texts=tuple(a.text for a in got),
            endings=tuple(a.ending for a in got),
            temperature=sampling.temperature or 1.0,
        )

    def body(self, task: Task, sampling: Sampling, seed: int) -> dict[str, Any]:
        """The request for one completion of ``task``. Raises ValueError if it shows images."""
        refuse_images(task)
        body: dict[str, Any] = {
            "model": self.model,
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": seed,
        }
        if sampling.stop:
            body["stop"] = list(sampling.stop)
        extra = {"top_k": sampling.top_k, "min_p": sampling.min_p}
        if any(extra.values()):
            if not self.native:
                raise ValueError(
                    "sampling.top_k and sampling.min_p are no part of the OpenAI protocol; set "
                    "native=True for a server that knows them, or set them to 0"
                )
            body.update({k: v for k, v in extra.items() if v})
        if self.chat:
            plain = isinstance(task.prompt, str)
            body["messages"] = (
                [{"role": "user", "content": task.prompt}]
                if plain
                else [dict(m) for m in task.prompt if not isinstance(m, str)]
            )
        else:
            body["prompt"] = task.text
        return body

    async def _all(self, requests: Sequence[dict[str, Any]]) -> list[Answer]:
        try:
            import httpx
        except ImportError as error:
            raise ImportError(f"endpoints need httpx: {install('endpoint')}") from error
        key = os.environ.get(self.key_variable)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        gate = asyncio.Semaphore(self.concurrency)
        async with httpx.AsyncClient(headers=headers, timeout=self.timeout) as client:

            async def one(body: dict[str, Any]) -> Answer:
                async with gate:
                    return await self._persist(client, body)

            return list(await asyncio.gather(*(one(body) for body in requests)))

    async def _persist(self, client: Any, body: dict[str, Any]) -> Answer:
        """One request with its attempts, under the total limit."""
        deadline = time.monotonic() + self.total
        why = "no attempt was made"
        for attempt in range(self.attempts):
            left = deadline - time.monotonic()
            if left <= 0:
                break
            pause: float | None = None
            try:
                return await asyncio.wait_for(self._once(client, body), min(left, self.timeout))
            except _Final as refusal:
                return Answer(error=str(refusal))
            except TimeoutError:
                why = f"no answer within {min(left, self.timeout):.3g} s"
            except _Again as refusal:
                why, pause = str(refusal), refusal.pause
            if attempt + 1 < self.attempts:
                if pause is None:
                    pause = self.wait * 2**attempt * random.uniform(0.5, 1.5)
                await asyncio.sleep(min(pause, max(0.0, deadline - time.monotonic())))
        return Answer(error=f"{why} (gave up after at most {self.attempts} attempts)")

    async def _once(self, client: Any, body: dict[str, Any]) -> Answer:
        import httpx

        path = "/chat/completions" if self.chat else "/completions"
        try:
            async with client.stream("POST", self.url.rstrip("/") + path, json=body) as reply:
                raw = b""
                async for piece in reply.aiter_bytes():
                    raw += piece
                    if len(raw) > LONGEST_ANSWER:
                        raise _Final(f"the answer is longer than {LONGEST_ANSWER} bytes")
        except httpx.HTTPError as error:
            raise _Again(f"{type(error).__name__}: {error}") from error
        if reply.status_code in RETRIED:
            raise _Again(_says(reply.status_code, raw), _retry_after(reply.headers))
        if reply.status_code != 200:
            raise _Final(_says(reply.status_code, raw))
        return _read(raw, self.chat)


class _Again(Exception):
    """A failure that a further attempt may mend, ``pause`` seconds later if the server says."""

    def __init__(self, why: str, pause: float | None = None) -> None:
        super().__init__(why)
        self.pause = pause


def _read(raw: bytes, chat: bool) -> Answer:
    """The first choice of an answer. Raises _Again where it is not of the protocol's form."""
    import json

    try:
        choice = json.loads(raw)["choices"][0]
        text = choice["message"]["content"] if chat else choice["text"]
        reason = choice.get("finish_reason")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise _Again(f"the answer is not of the protocol's form: {raw[:200]!r}") from error
    if text is None:  # a server's way of saying that nothing came before the end
        text = ""
    if not isinstance(text, str):
        raise _Again(f"the answer's text is a {type(text).__name__}")
    return Answer(text=text, ending=Ending.FINISHED if reason == "stop" else Ending.TOKEN_LIMIT)


def _says(status: int, raw: bytes) -> str:
    return f"HTTP {status}: {raw[:300].decode('utf-8', 'replace')}"


def _retry_after(headers: Any) -> float | None:
    """Seconds to wait, if the server names them (its form as a date is not followed)."""
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


def _nothing() -> Tensor:
    return torch.zeros(0, dtype=torch.long)


__all__ = ["Answer", "EndpointError", "EndpointPolicy"]
