"""Calls of an ``async def`` function, many waiting at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from guerdon.rewards.running.workers import Failed, failure

Asynchronous = Callable[..., Coroutine[Any, Any, Any]]


def call_all(
    function: Asynchronous,
    calls: Sequence[Mapping[str, Any]],
    seconds: float | None,
    workers: int,
) -> list[Any]:
    """One result per call, in order: what the function returned, or `Failed`.

    At most ``workers`` calls are in flight. A call not done after ``seconds`` is cancelled where
    it awaits; the time it waited for its turn does not count. The event loop runs in a thread
    of its own, so that this works where one is running already (notebooks, servers).
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, _all(function, calls, seconds, workers)).result()


async def _all(
    function: Asynchronous,
    calls: Sequence[Mapping[str, Any]],
    seconds: float | None,
    workers: int,
) -> list[Any]:
    turn = asyncio.Semaphore(workers)

    async def one(arguments: Mapping[str, Any]) -> Any:
        async with turn:
            try:
                async with asyncio.timeout(seconds) as limit:
                    return await function(**arguments)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                # Also CancelledError, which a call may raise itself: it must not end the others.
                expired = isinstance(error, TimeoutError) and limit.expired()
                return Failed(f"no result within {seconds:g} s") if expired else failure(error)

    return list(await asyncio.gather(*map(one, calls)))
