import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from guerdon import recipes
from guerdon.recipes import MARKS, Paper, all_recipes, left_out, load_recipe
from guerdon.reproduction import Claim, Expectation, Role, read, run_claim, write
from guerdon.reproduction.picture import draw, off_axis
from guerdon.reproduction.table import as_data, in_readme, marks, render
from guerdon.reproduction.unit_checks import FOLDER
from guerdon.reproduction.versions import record
from guerdon.reproduction.written import EARLIER, in_words, outcomes_in

ROOT = Path(__file__).parents[2]


def good(seed, report):
    return {"accuracy": 0.8 + 0.01 * seed}


def poor(seed, report):
    return {"accuracy": 0.5 if seed else math.nan}


CLAIM = Claim(
    "toy-r1",
    "good beats poor",
    {"good": good, "poor": poor},
    "accuracy",
    (Expectation("good", "poor", "accuracy", 0.1),),
)


def test_marks_are_read_from_the_tree(tmp_path):
    assert marks("toy-r1", tmp_path).verdict is None
    assert marks("toy-r1", tmp_path).parts == "no"
    checks = tmp_path / FOLDER / "toy-r1.toml"
    checks.parent.mkdir(parents=True)
    checks.write_text('[[check]]\nsays = "one is 1"\nmissing = "nobody counts"\n')
    assert marks("toy-r1", tmp_path).parts == "0 of 1"
    test = tmp_path / "tests" / "recipes" / "test_toy_r1.py"
    test.parent.mkdir(parents=True)
    test.write_text("def test_parts():\n    assert True\n")
    assert not marks("toy-r1", tmp_path).runs
    test.write_text("def test_runs_in_the_loop():\n    assert True\n")
    assert marks("toy-r1", tmp_path).runs


def test_row_of_a_result(tmp_path):
    papers = [("toy-r1", Paper("A | B", "1234.5678"))]
    before = render(tmp_path, papers)
    assert "| – | – | – | – | – |" in before
    assert "Every expectation" not in before
    recorded(tmp_path, CLAIM, range(7))
    page = render(tmp_path, papers)
    # Seed 0 is left out: effects .31 to .36, half width 2.5706 * .0187 / 6 ** .5 = .0196.
    assert "[A \\| B](https://arxiv.org/abs/1234.5678) | no | no | shown | 1 of 1 | 7 |" in page
    row = page.splitlines()[-1]
    told = "| toy-r1 | claim | accuracy: good > poor + 0.1 | 0.335 [0.315, 0.355] | 0.031 | shown |"
    assert row == told


def recorded(root, claim, seeds, because=""):
    return record(run_claim(claim, seeds), root / "reproductions", because, "c0ffee")


def test_every_version_stands_in_the_table(tmp_path):
    recorded(tmp_path, replace(CLAIM, expectations=(Expectation("poor", "good", "accuracy"),)), [1])
    recorded(tmp_path, CLAIM, [200, *range(203, 209)], because="v1 had one seed | too few")
    page = render(tmp_path, [("toy-r1", Paper("A title"))])
    assert "| shown (v1: undecided) | 1 of 1 | 7 |" in page
    _, _, rest = page.partition("## Every version")
    rows = [line for line in rest.splitlines() if line.startswith("| toy-r1 | v")]
    assert rows[0].startswith("| toy-r1 | v1 | – | ")
    assert rows[1].startswith("| toy-r1 | v2 | v1 had one seed \\| too few | ")
    assert rows[0].endswith(" | 1 | undecided |")
    assert rows[1].endswith(" | 200, 203–208 | shown |")
    _, _, each = page.partition("## Every expectation")
    assert "poor > good" not in each  # the newest one's alone
    assert marks("toy-r1", tmp_path).verdict == "shown"


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ("One.\n\nLeft out: people, and\nthe judge.\n\nThe run: sums.", "people, and the judge."),
        ("One.\n\nPaper: it. Left out: people.\n", "people."),
        ("One.\n\nNothing is left out.\n", ""),
        ("", ""),
    ],
)
def test_what_is_left_out_is_read_from_the_docstring(told, found, monkeypatch):
    monkeypatch.setattr(recipes, "_source", lambda module: f'"""{told}"""\nSLUG = "toy"\n')
    assert left_out("toy") == found


def test_what_is_left_out_stands_in_the_table():
    page = render(ROOT, [("crm", Paper("A title"))])
    assert left_out("crm")
    assert f" | {left_out('crm')} |" in page


def test_a_small_p_is_no_zero(tmp_path):
    recorded(tmp_path, replace(CLAIM, seeds=12), range(1, 13))
    row = render(tmp_path, [("toy-r1", Paper("A title"))]).splitlines()[-1]
    assert " | < 0.001 | shown |" in row  # 2 ** -11


def test_an_undecided_row_says_how_many_seeds_would_tell(tmp_path):
    claim = replace(CLAIM, expectations=(Expectation("good", 0.82, "accuracy", 0.004),))
    # sd .01871, .001 from the bar: (1.9617 * .01871 / .001)² = 1346.9.
    recorded(tmp_path, claim, range(6))
    row = render(tmp_path, [("toy-r1", Paper("A title"))]).splitlines()[-1]
    assert row.endswith("| undecided (1347 seeds would tell) |")


def test_picture_is_drawn_with_a_seed_left_out(tmp_path):
    path = draw(write(run_claim(CLAIM, range(7)), tmp_path))
    assert path == tmp_path / "toy-r1.png"
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_picture_of_the_earlier_rule_is_drawn_again(tmp_path):
    """A file as it was written then: no roles, no p, other words."""
    given = {"better": "good", "worse": "poor", "metric": "accuracy", "at_least": 0.1}
    interval = {"estimate": -0.2, "low": None, "high": None, "level": 0.95}
    outcome = {"expectation": given, "interval": interval, "verdict": "refuted"}
    runs = {"good": {"0": {"accuracy": 0.3}}, "poor": {"0": {"accuracy": 0.5}}, "mute": {"0": {}}}
    data = {"slug": "toy-r1", "statement": "good beats poor", "metric": "accuracy"}
    data |= {"verdict": "refuted", "outcomes": [outcome], "runs": runs, "seeds": [0]}
    (tmp_path / "toy-r1.json").write_text(json.dumps(data))
    (known,) = outcomes_in(data)
    assert (known.told, known.bar) == ("accuracy: good > poor + 0.1", 0.1)
    assert draw(tmp_path / "toy-r1.json").stat().st_size > 5_000


def test_a_sentence_says_what_a_verdict_means_and_what_decided_it(tmp_path):
    def sentence(*expectations):
        claim = replace(CLAIM, expectations=expectations)
        return in_words(read(write(run_claim(claim, range(1, 8)), tmp_path)))

    holds = Expectation("good", "poor", "accuracy", 0.1)
    assert sentence(holds) == (
        "good beats poor: shown. Every effect that is claimed is larger than the smallest one "
        "worth claiming."
    )
    small = [Expectation("good", "poor", "accuracy", 0.5 + bar) for bar in (0.0, 0.1, 0.2)]
    assert sentence(holds, *small) == (
        "good beats poor: too small. If there is an effect, it is smaller than the smallest one "
        "worth claiming. Decisive: accuracy: good > poor + 0.5; accuracy: good > poor + 0.6 "
        "(and 1 more)."
    )
    fails = Expectation("poor", 0.5, "accuracy", 0.1, role=Role.CHECK)
    assert sentence(holds, small[0], fails) == (
        "good beats poor: void. A check of the set-up is not surely met: this miniature "
        "can't tell. Decisive: accuracy: poor > 0.5 + 0.1."
    )
    assert sentence(Expectation("poor", "good", "accuracy")).endswith(
        "opposite. The effect goes the other way. Decisive: accuracy: poor > good."
    )
    earlier = {"statement": "it rises.", "verdict": "refuted", "outcomes": []}
    assert in_words(earlier) == f"it rises: refuted. {EARLIER}"


def test_clumps_stand_in_the_table(tmp_path):
    def arm(seed, report):
        return {"accuracy": 0.9 if seed % 2 else 0.1}

    claim = replace(CLAIM, arms={"good": arm, "poor": poor})
    recorded(tmp_path, claim, range(1, 8))
    row = render(tmp_path, [("toy-r1", Paper("A title"))]).splitlines()[-1]
    told = "two clumps, 3 about -0.4 and 4 about 0.4: many worlds belong inside one seed) |"
    assert row.endswith(f" seeds would tell; {told}")


def test_an_arm_that_ran_away_is_off_the_axis():
    near = {"a": [-0.66, -0.68], "b": [-0.65, -0.7]}
    assert off_axis({**near, "far": [-37.0, -38.0]}) == {"far"}
    assert off_axis({**near, "c": [-0.6], "far": [-37.0], "further": [40.0]}) == {"far", "further"}
    assert off_axis({**near, "near": [-0.9]}) == set()
    assert off_axis({"a": [0.979], "b": [0.978], "c": [0.218]}) == set()  # shares stay together
    assert off_axis({"a": [0.0], "b": [0.0], "c": [1.0]}) == set()  # nothing beside it has a size
    assert off_axis({"a": [0.1], "b": [100.0]}) == set()
    assert off_axis({}) == set()


def test_unknown_recipe_names_the_known():
    with pytest.raises(ValueError, match="no recipe 'nothing-such'"):
        load_recipe("nothing-such")


@pytest.mark.skipif(not all_recipes(), reason="no recipe in the package yet")
def test_committed_table_is_current():
    assert (ROOT / "docs" / "systems.md").read_text() == render(ROOT)
    assert MARKS.read_text() == as_data(ROOT)
    readme = (ROOT / "README.md").read_text()
    assert in_readme(readme, ROOT) == readme


def test_the_readme_keeps_what_stands_around_the_table(tmp_path):
    text = "a\n<!-- systems begin -->\nold\n<!-- systems end -->\nb\n"
    made = in_readme(text, tmp_path, [("toy-r1", Paper("A title"))])
    assert made.startswith("a\n<!-- systems begin -->\n| system |")
    assert made.endswith("| toy-r1 | A title | no | no | – |\n<!-- systems end -->\nb\n")
    assert in_readme(made, tmp_path, [("toy-r1", Paper("A title"))]) == made
    with pytest.raises(ValueError, match="systems begin"):
        in_readme("nothing", tmp_path, [])
