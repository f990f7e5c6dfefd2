"""Which comparisons make a line, and that the picture is drawn."""

import json

from growth import draw_growth, growth_lines


def entry(prompt, group, model="2M"):
    side = {"step": prompt / 100, "fastest": prompt / 110, "slowest": prompt / 90}
    return {
        "work": {
            "model": model,
            "prompt_tokens": prompt,
            "group_size": group,
            "prompts": 2,
            "microbatch": 1024 // prompt,
        },
        "ratio": {"estimate": 0.5},
        "sides": {"guerdon": side, "trl": side},
    }


def test_a_line_differs_in_one_size():
    entries = [entry(512, 8), entry(16, 8), entry(512, 4), entry(512, 8, "25M")]
    lines = growth_lines(entries)
    assert [(size, [e["work"][size] for e in line]) for size, line in lines] == [
        ("prompt_tokens", [16, 512]),
        ("group_size", [4, 8]),
    ]
    assert all(e["work"]["model"] == "2M" for _, line in lines for e in line)


def test_one_comparison_is_no_line(tmp_path):
    path = tmp_path / "one.json"
    path.write_text(json.dumps({"comparisons": [entry(16, 8)]}))
    assert growth_lines([entry(16, 8)]) == []
    assert draw_growth(path) is None
    assert not path.with_suffix(".png").exists()


def test_lines_are_drawn_beside_the_file(tmp_path):
    path = tmp_path / "grid.json"
    path.write_text(json.dumps({"comparisons": [entry(16, 8), entry(512, 8)]}))
    assert draw_growth(path) == tmp_path / "grid.png"
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
