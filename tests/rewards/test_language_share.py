"""Telling the language of a completion."""

import sys

import pytest
from completions import START, rollouts_of, task

from guerdon.parsing import prose
from guerdon.records import Task
from guerdon.rewards import LanguageShare

ENGLISH = "We first add the two numbers and carry the one."
GERMAN = "Dann addieren wir die beiden Zahlen und schreiben sie auf."
CHINESE = "然后我们把这两个数字相加。"


def share(part: LanguageShare, *texts: str) -> list[float]:
    return part(rollouts_of(texts, task("7")), START).value.tolist()


def test_prose_is_without_code_formulas_tags_and_addresses() -> None:
    told = {
        "a ```python\nif x: y\n``` b `for` c": "a b c",
        "a ```python\nnot closed": "a",
        "a $x^2$ b \\(y\\) c \\[z\n= w\\] d $$u\nv$$ \\alpha e": "a b c d e",
        "<think>a</think> https://example.org/x?y=z b <answer>c": "a b c",
        "five $ and": "five $ and",
        "": "",
    }
    assert {text: " ".join(prose(text).split()) for text in told} == told


def test_sentences_are_joined_until_they_can_be_told() -> None:
    part = LanguageShare(least=6)
    # 3 + 4 letters reach six; the last three do not and go with what was before them.
    assert list(part.sentences("One. Four. Sevenup! End")) == [
        ("One. Four.", 7),
        (" Sevenup! End", 10),
    ]
    assert list(part.sentences("数字")) == [("数字", 8)]
    for text in ("", "12 + 3", "short", "$ab cdefgh$"):
        assert list(part.sentences(text)) == []


def test_an_absent_library_is_named_with_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)
    other = LanguageShare(among=("en", "nl"))  # not one that the cache holds
    with pytest.raises(ImportError, match=r"pip install 'py3langid.*ScriptShare"):
        share(other, ENGLISH)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"language": "xx"}, "must name the language 'xx'"),
        ({"among": ("en",)}, "at least one other"),
        ({"least": 0}, "give a whole number of 1 or more"),
    ],
)
def test_senseless_settings_are_refused(settings: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        LanguageShare(**settings)  # type: ignore[arg-type]


class TestWithTheLibrary:
    @pytest.fixture(autouse=True)
    def library(self) -> None:
        pytest.importorskip("py3langid")

    def test_the_share_of_letters_in_the_right_language(self) -> None:
        part = LanguageShare()
        # 37 letters of English, 48 of German; 12 signs of Chinese count as 48.
        texts = (ENGLISH, GERMAN, f"{ENGLISH} {GERMAN}", f"{ENGLISH}\n{CHINESE}", "85", "")
        expected = [1, 0, 37 / (37 + 48), 37 / (37 + 48), 1, 1]
        assert share(part, *texts) == pytest.approx(expected)
        assert share(LanguageShare("de"), *texts) == pytest.approx([0, 1, 48 / 85, 0, 1, 1])
        assert share(LanguageShare("zh"), CHINESE, ENGLISH) == [1, 0]

    def test_code_and_formulas_do_not_count(self) -> None:
        code = f"{GERMAN}\n```python\nfor number in numbers: print(number)\n```"
        assert share(LanguageShare("de"), code, f"{GERMAN} $\\text{{the right answer}}$") == [1, 1]

    def test_the_task_may_say_which_language(self) -> None:
        part = LanguageShare(column="speaks")
        for speaks, value in (("de", 1.0), ("en", 0.0)):
            scores = part(rollouts_of([GERMAN], Task("t", "p", columns={"speaks": speaks})), START)
            assert scores.value.tolist() == [value]
        for columns in ({}, {"speaks": "Klingon"}):
            scores = part(rollouts_of([GERMAN], Task("t", "p", columns=columns)), START)
            assert scores.valid.tolist() == [False]
            assert "none of the languages told apart" in (scores.reasons[0] or "")

    def test_unknown_codes_are_named(self) -> None:
        with pytest.raises(ValueError, match="does not know qq"):
            share(LanguageShare(among=("en", "qq")), ENGLISH)

    def test_the_order_of_calls_changes_nothing(self) -> None:
        part, texts = LanguageShare(), (ENGLISH, GERMAN, CHINESE, f"{GERMAN} {ENGLISH}")
        forwards = share(part, *texts)
        assert share(part, *reversed(texts)) == forwards[::-1]
