"""What reads model text below the rewards, fed directly: each ends in time and raises nothing."""

from __future__ import annotations

import random
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from guerdon import parsing
from guerdon.parsing.end_tokens import without_end_tokens
from guerdon.parsing.fenced import fenced_blocks
from guerdon.parsing.last_number import last_amount
from guerdon.parsing.number_words import in_digits
from guerdon.parsing.plain import plain_answer
from guerdon.rewards.actions import tool_calls, web_action
from guerdon.rewards.actions.places import number_lists, read_boxes, read_interval, read_point
from guerdon.rewards.answers.answer import Boxed, LastNumber, Tagged, WholeText
from guerdon.rewards.answers.charts import edit_similarity
from guerdon.rewards.answers.dates_units import date_fields
from guerdon.rewards.answers.equality import looks_mathematical, same_answer
from guerdon.rewards.answers.free_text import normalised
from guerdon.rewards.answers.yes_no import verdict
from guerdon.rewards.models import spans
from guerdon.rewards.programs.code import program_of
from guerdon.rewards.text.overlap import add_one_bleu, rouge_l, sacrebleu_bleu
from guerdon.rewards.text.similarity import chrf, meteor
from guerdon.rewards.text.similarity import edit_similarity as edit
from guerdon.shaping import signals_of
from guerdon.tasks.facts import stated_facts
from hostile import grammar
from hostile.judge import SECONDS, Finding

_TWO = ("think", "answer")
READERS: Mapping[str, Callable[[str], Any]] = {
    "after_thinking": parsing.after_thinking,
    "answer_text": parsing.answer_text,
    "boxed": Boxed(),
    "boxed_answer": parsing.boxed_answer,
    "boxed_spans": parsing.boxed_spans,
    "choice_letters": parsing.choice_letters,
    "chosen_letters": parsing.chosen_letters,
    "chrf": lambda text: chrf(text, ("a word", text[:50])),
    "date_fields": date_fields,
    "edit": lambda text: edit(text, ("a word", text[:50])),
    "edit_similarity": lambda text: edit_similarity(text, text[:50]),
    "fenced_blocks": fenced_blocks,
    "hashed_answer": parsing.hashed_answer,
    "json_object": parsing.json_object,
    "json_objects": parsing.json_objects,
    "last_boxed": parsing.last_boxed,
    "last_number": parsing.last_number,
    "last_number_reader": LastNumber(),
    "line_ends": spans.line_ends,
    "list_items": parsing.list_items,
    "lone_answer": parsing.lone_answer,
    "looks_mathematical": looks_mathematical,
    "meteor": lambda text: meteor(text, ("a word", text[:50])),
    "normalised": normalised,
    "number_lists": lambda text: number_lists(text, 4),
    "only_number": parsing.only_number,
    "parse_number": parsing.parse_number,
    "plain_answer": plain_answer,
    "plain_digits": parsing.plain_digits,
    "program_of": program_of,
    "prose": parsing.prose,
    "read_boxes": read_boxes,
    "read_calls": tool_calls.read_calls,
    "read_interval": read_interval,
    "read_point": read_point,
    "read_released_calls": tool_calls.read_released_calls,
    "read_web_action": web_action.read_web_action,
    "last_amount": last_amount,
    "in_digits": in_digits,
    "options_of": lambda text: parsing.options_of([text, {text: text}]),
    "without_end_tokens": without_end_tokens,
    "reference_letters": parsing.reference_letters,
    "rouge_l": lambda text: rouge_l(text, ("a word", text[:50])),
    "rouge_l_f1": lambda text: web_action.rouge_l_f1(text, text[:50]),
    "same_answer": lambda text: [same_answer(text, gold) for gold in ("7", "x^2", text[:50])],
    "same_expression": lambda text: parsing.same_expression(text, text[:50]),
    "section_text": lambda text: parsing.section_text(text, "answer"),
    "sections": lambda text: parsing.sections(text, _TWO),
    "sentence_ends": spans.sentence_ends,
    "separated_choice_letters": parsing.separated_choice_letters,
    "signals_of": signals_of,
    "stated_answer": parsing.stated_answer,
    "stated_facts": lambda text: stated_facts(text, "city"),
    "strict_sections": lambda text: parsing.sections(text, _TWO, strict=True),
    "sums_hold": parsing.sums_hold,
    "tagged": Tagged(),
    "undecorated": parsing.undecorated,
    "verdict": verdict,
    "whole_text": WholeText(),
    "word_ends": spans.word_ends,
    "add_one_bleu": lambda text: add_one_bleu(text, ("a word",)),
    "sacrebleu": lambda text: sacrebleu_bleu(text, ("a word",)),
}
NAMES = (*READERS, "read_json")


def tried(name: str, source: random.Random, count: int) -> list[Finding]:
    """What ``count`` hostile texts did to a reader."""
    read = READERS.get(name, _read_json)
    findings = []
    for _ in range(count):
        text = grammar.large(source) if source.random() < 0.02 else grammar.leaf(source)
        text += "" if source.random() < 0.7 else grammar.leaf(source)
        begun = time.process_time()
        try:
            read(text)
        except Exception:
            findings.append(Finding("raised", name, "", text, traceback.format_exc(limit=-8)))
        spent = time.process_time() - begun
        if spent > SECONDS:
            findings.append(Finding("slow", name, "", text, f"{spent:.1f} s"))
    return findings


def _read_json(text: str) -> Any:
    """The one reader that raises: ValueError and nothing else."""
    try:
        return parsing.read_json(text)
    except ValueError:
        return None
