"""Progress on the terminal: lines where there is none, silence when quiet, a clean end."""

import io

import pytest
from rich.console import Console

from guerdon.training.display import Display, sparkline

SUMMARY = {
    "recipe": "grpo",
    "steps": 2,
    "seconds": 61.4,
    "alarms": {"no signal": 2},
    "before": {"metric": "accuracy", "mean": 0.25, "low": 0.2, "high": 0.31, "tasks": 256},
    "after": {"metric": "accuracy", "mean": 0.5, "low": 0.44, "high": 0.56, "tasks": 256},
    "gain": {"mean": 0.25, "low": 0.18, "high": 0.32},
    "folder": "runs/grpo",
    "report": "runs/grpo/report.html",
}


def console(terminal=False):
    return Console(
        file=io.StringIO(), force_terminal=terminal, width=120, color_system=None, _environ={}
    )


def shown(display):
    return display.console.file.getvalue()


def test_without_a_terminal_each_step_is_one_plain_line():
    with Display(2, console=console()) as display:
        display.update(0, {"reward": 0.25, "tokens_per_second": 1234.0, "length": 3.0})
        display.update(1, {"reward": 0.5, "kl": float("nan")})
    first, second = shown(display).splitlines()
    assert first.startswith("step 1/2  reward 0.250  tokens per answer 3.0  tokens/s 1,234")
    assert second.startswith("step 2/2  reward 0.500")
    assert "nan" not in second
    assert "\x1b" not in shown(display)


def test_a_long_line_stays_one_line():
    display = Display(1, console=console())
    display.note("word " * 60)
    assert len(shown(display).splitlines()) == 1


def test_quiet_says_nothing():
    with Display(1, quiet=True, console=console(terminal=True)) as display:
        display.update(0, {"reward": 1.0})
        display.note("a note")
        display.summary(SUMMARY)
    assert shown(display) == ""


def test_the_summary_says_what_changed_how_surely_and_where_to_look():
    display = Display(2, console=console())
    display.summary(SUMMARY)
    for text in ("0.250  (95 % interval 0.200 to 0.310, 256 tasks)", "+0.250", "+0.180 to +0.320"):
        assert text in shown(display)
    for text in ("61 s for 2 steps", "runs/grpo/report.html", "no signal in 2 steps"):
        assert text in shown(display)


def test_a_summary_of_a_run_that_held_nothing_out():
    display = Display(2, console=console())
    display.summary({"recipe": "grpo", "steps": 0, "seconds": 0.0})
    assert "grpo done" in shown(display)


def test_an_interruption_leaves_the_terminal_with_its_cursor():
    display = Display(3, console=console(terminal=True))

    def interrupted():
        with display:
            display.update(0, {"reward": 0.5})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    hidden, visible = shown(display).rfind("\x1b[?25l"), shown(display).rfind("\x1b[?25h")
    assert 0 <= hidden < visible


def test_hostile_text_is_not_markup():
    display = Display(1, console=console())
    display.note("[/red] [bold]x")
    display.summary({**SUMMARY, "recipe": "[/red]", "alarms": {"constant [/x]": 1}})
    assert "[/red] [bold]x" in shown(display)
    assert "constant [/x]" in shown(display)


def test_time_left_counts_from_the_first_step_of_this_process(monkeypatch):
    clock = iter([0.0, 0.0, 10.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock, 20.0))
    display = Display(10, console=console())
    with display:
        display.update(4, {})  # resumed: this is the first of six
        display.update(5, {})
    assert shown(display).splitlines()[1].endswith("40 s left")


def test_sparkline_by_hand():
    assert sparkline([0.0, 0.5, 1.0], 8) == "▁▄█"
    assert sparkline([9.0, 0.0, 1.0], 2) == "▁█"
    assert sparkline([2.0, 2.0], 8) == "▁▁"
    assert sparkline([float("nan")], 8) == ""
