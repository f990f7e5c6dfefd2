"""The load test of the reward server: what it makes of its rounds."""

from __future__ import annotations

import socket

import reward_server


def round_of(server: str, beside: str, value: float) -> dict:
    return {"server": server, "beside": beside} | dict.fromkeys(
        ("a_second", "p50_ms", "p99_ms", "max_ms"), value
    )


def test_ratios_are_of_medians_after_over_before():
    found = [
        round_of(server, beside, value * (1 if beside == "nobody" else 10))
        for server, values in (("before", (1.0, 2.0, 300.0)), ("after", (0.0, 4.0, 5.0)))
        for value in values
        for beside in ("nobody", "slow and abusive")
    ]
    assert reward_server.ratios(found)["nobody"]["p99_ms"] == 2.0
    assert reward_server.ratios(found)["slow and abusive"]["a_second"] == 2.0


def test_lost_answers_count_as_wrong():
    """Nobody listens at the port."""

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    found = reward_server.honest(port, 20)
    assert (found["requests"], found["wrong_or_lost"]) == (20, 20)
