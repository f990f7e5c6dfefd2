"""The page and its picture: escaped, self-contained, alive on partial runs."""

import json
import re
from dataclasses import replace

import pyarrow.parquet
import pytest
import torch

from guerdon.records import Ending, Rollouts, Scores, Task
from guerdon.report import build_report, draw_curves, number
from guerdon.report.page import SHOWN_ROWS, _first
from guerdon.training.run_folder import RunFolder

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> \"' &lt; \x00 \u202e"
SUMMARY = {
    "recipe": "grpo",
    "steps": 2,
    "seconds": 61.4,
    "before": {"metric": "accuracy", "mean": 0.25, "low": 0.2, "high": 0.31, "tasks": 256},
    "after": {"metric": "accuracy", "mean": 0.5, "low": 0.44, "high": 0.56, "tasks": 256},
    "gain": {"mean": 0.25, "low": 0.18, "high": 0.32},
}


def hostile_step():
    rollouts = Rollouts(
        tasks=(Task("task<b>", HOSTILE, answer=HOSTILE),),
        group=torch.tensor([0, 0, 0]),
        prompts=(torch.tensor([1]),),
        ids=torch.zeros(3, 2, dtype=torch.long),
        mask=torch.ones(3, 2, dtype=torch.bool),
        lengths=torch.tensor([2, 2, 2]),
        logps=torch.full((3, 2), -0.5),
        texts=(HOSTILE, "plain", "silent"),
        endings=Ending.of(torch.tensor([True, False, True]), Ending.TOKEN_LIMIT),
    )
    scores = Scores(
        value=torch.tensor([1.0, 0.0, 5.0]),
        parts={"accuracy": torch.tensor([1.0, 0.0, float("nan")])},
        valid=torch.tensor([True, True, False]),
        reasons=(None, None, HOSTILE),
        diagnostics={f"calls {HOSTILE}": torch.tensor([3.0, float("nan"), 2.0])},
        remarks=(f"because {HOSTILE}", None, None),
    )
    advantage_NT = torch.tensor([[0.02, 0.02], [-0.01, 0.0], [0.0, 0.0]])
    return rollouts, scores, advantage_NT


def made_run(path, *, summary=SUMMARY, steps=2, texts=((HOSTILE, "!"), ("pl", "ain"), ("si", "x"))):
    run = RunFolder(path)
    run.claim(f"name: {HOSTILE}\n")
    run.release()
    for step in range(steps):
        figures = {"reward": 0.1 * step, "kl": float("nan"), "alarms": ["no signal"]}
        run.log_metrics({"step": step, **figures})
        rollouts, scores, advantage_NT = hostile_step()
        run.log_rollouts(step, rollouts, scores, advantage_NT, scores, [list(t) for t in texts])
    if summary is not None:
        run.write_summary(summary)
    return build_report(path).read_text()


def test_what_a_model_wrote_stays_text(tmp_path):
    page = made_run(tmp_path / "run")
    assert page.count("<script>") == 1  # the page's own
    assert page.count("</script>") == 1
    assert "<img src=x" not in page
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in page
    assert "\x00" not in page


def test_the_page_loads_nothing(tmp_path):
    page = made_run(tmp_path / "run")
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert sources
    assert all(s.startswith("data:image/png;base64,") for s in sources)
    assert "default-src 'none'" in page
    assert "@import" not in page


def test_the_header_says_before_after_and_gain(tmp_path):
    page = made_run(tmp_path / "run")
    for text in ("0.250", "0.500", "+0.250", "+0.180 to +0.320", "the interval is above 0"):
        assert text in page
    assert "<b>no signal</b> in 2 of 2 steps" in page


def test_colour_follows_the_sign_relative_to_the_largest_advantage_of_the_step(tmp_path):
    page = made_run(tmp_path / "run")
    # +0.02 is the largest: half opaque blue over both tokens; -0.01 orange, half as strong
    assert page.count('rgba(0,114,178,0.50)" title="advantage +0.02"') == 2  # one a step
    assert '<span style="background:rgba(230,120,0,0.25)" title="advantage -0.01">pl</span>' in page
    assert '<span title="advantage +0">ain</span>' in page


def test_invalid_rows_show_their_reason_and_no_figure(tmp_path):
    page = made_run(tmp_path / "run")
    assert '<tr class="invalid"><td class="n"><b>invalid</b>' in page
    assert "accuracy <i>–</i>" in page
    assert "cut off (token limit)" in page


def test_what_is_not_paid_and_why_a_row_got_its_value_stand_beside_it(tmp_path):
    page = made_run(tmp_path / "run")
    assert '<div class="remark">because &lt;/script&gt;' in page
    assert page.count('<div class="remark">') == 2  # one a step
    assert '<span class="unpaid">calls &lt;/script&gt;' in page
    assert "<i>3</i></span>" in page


def test_a_policy_without_tokenizer_shows_whole_completions(tmp_path):
    page = made_run(tmp_path / "run", texts=((), (), ()))
    assert ">plain</span>" in page


def test_a_killed_run_has_a_page_with_the_alarms_its_figures_tell(tmp_path):
    page = made_run(tmp_path / "run", summary=None)
    assert "not finished" in page
    assert "<b>no signal</b> in 2 of 2 steps" in page


def test_a_run_that_did_no_step_has_a_page(tmp_path):
    page = made_run(tmp_path / "run", summary=None, steps=0)
    assert "What was sampled" not in page


def test_results_that_could_not_be_graded_are_dashes(tmp_path):
    nothing = {"metric": "accuracy", "mean": None, "low": None, "high": None, "tasks": 4}
    summary = {**SUMMARY, "after": nothing, "gain": {"mean": 0.1, "low": None, "high": None}}
    page = made_run(tmp_path / "run", summary=summary)
    assert "<b>–</b>" in page


def test_where_there_is_no_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no run"):
        build_report(tmp_path)


def test_the_picture_is_wide_enough_to_read(tmp_path):
    history = [{"step": i, "reward": i / 50, "part/a": 1.0, "part/b": 0.5} for i in range(50)]
    picture = draw_curves(history, json.loads(json.dumps(SUMMARY)), tmp_path / "curves.png")
    header = picture.read_bytes()[:24]
    assert header[1:4] == b"PNG"
    assert int.from_bytes(header[16:20], "big") >= 1200


def test_number_shows_what_is_missing_as_a_dash():
    assert [number(v) for v in (0.5, None, float("nan"))] == ["0.500", "–", "–"]
    assert number(0.5, "{:+.1f}") == "+0.5"


def test_completions_without_a_reward_are_counted_with_an_escaped_traceback(tmp_path):
    made_run(tmp_path / "run")
    reasons = {"failed: ValueError": 5, HOSTILE: 2}
    figures = {"step": 2, "judged_rows": 64.0, "invalid": reasons, "alarms": []}
    with (tmp_path / "run/metrics.jsonl").open("a") as file:
        file.write(json.dumps(figures) + "\n")
    failure = {"kind": "ValueError", "error": f"ValueError: x (at m.py, line 7)\n{HOSTILE}"}
    failure |= {"task": HOSTILE, "completion": HOSTILE}
    lines = [{"step": 2, "count": 4, **failure}, {"step": 5, "count": 1, **failure}]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "run/failures.jsonl").write_text(text)
    page = build_report(tmp_path / "run").read_text()
    assert "Of 64 that were judged" in page
    assert "<b>5</b></td><td>failed: ValueError" in page
    assert "5 completions in 2 steps, first in step 3" in page
    assert "m.py, line 7" in page
    assert page.count("<script>") == 1
    assert "\x00" not in page


def test_why_a_run_stopped_is_on_its_page(tmp_path):
    stopped = {"by": "an error", "of": 9, "why": "the reward failed <b>"}
    page = made_run(tmp_path / "run", summary={**SUMMARY, "stopped": stopped})
    assert "the reward failed &lt;b&gt;" in page
    assert "not finished" in page


def test_a_run_without_held_out_tasks_says_so(tmp_path):
    bare = {k: v for k, v in SUMMARY.items() if k not in ("before", "after", "gain")}
    assert "no held-out tasks" in made_run(tmp_path / "run", summary=bare)
    assert "no held-out tasks" not in made_run(tmp_path / "other")


def test_rows_that_a_selection_chose_are_marked_and_the_others_pale(tmp_path):
    rollouts, scores, advantage_NT = hostile_step()
    run = RunFolder(tmp_path / "run")
    run.claim("name: x\n")
    run.release()
    rollouts = replace(rollouts, origin=(HOSTILE, "policy", "policy"))
    for step, chosen in enumerate((None, torch.tensor([1]))):
        tokens = [["a", "b"], ["c", "d"], ["e", "f"]]
        run.log_metrics({"step": step})
        run.log_rollouts(step, rollouts, scores, advantage_NT, scores, tokens, chosen=chosen)
    table = pyarrow.parquet.read_table(tmp_path / "run" / "rollouts" / "step-000001.parquet")
    assert table["chosen"].to_pylist() == [False, True, False]
    whole, some = build_report(tmp_path / "run").read_text().split('<div class="step')[1:3]
    assert "chosen" not in whole
    assert "made by" in whole
    assert HOSTILE not in whole
    assert re.findall(r'class="mark">([a-z ]+)<', some).count("chosen") == 1
    assert "1 chosen to learn from" in some
    assert len(re.findall(r'<tr class="[a-z ]*left">', some)) == 2


def test_of_a_large_group_the_chosen_rows_are_shown():
    rows = [{"chosen": i == SHOWN_ROWS + 3, "number": i} for i in range(SHOWN_ROWS + 9)]
    shown = [row["number"] for row in _first(rows)]
    assert shown == [SHOWN_ROWS + 3, *range(SHOWN_ROWS - 1)]
    old = [{"number": i} for i in range(SHOWN_ROWS + 2)]  # from before rows said so
    assert [row["number"] for row in _first(old)] == list(range(SHOWN_ROWS))
