"""The one reader of completions: sections, boxes, choices, numbers, expressions, JSON objects,
prose.

Every function takes hostile text in linear time and raises nothing on account of it.
"""

from guerdon.parsing.boxed import boxed_answer, boxed_spans, last_boxed
from guerdon.parsing.choices import (
    CHOICES,
    LETTERS,
    choice_letters,
    chosen_letters,
    options_of,
    reference_letters,
    separated_choice_letters,
)
from guerdon.parsing.expressions import LONGEST_EXPRESSION, same_expression
from guerdon.parsing.json_objects import json_object, json_objects, read_json
from guerdon.parsing.last_number import last_number, only_number
from guerdon.parsing.lists import MAX_ITEMS, list_items
from guerdon.parsing.numbers import MAX_DIGITS, MAX_EXPONENT, parse_number, plain_digits
from guerdon.parsing.plain import LONGEST_ANSWER, Plain, plain_answer
from guerdon.parsing.prose import prose
from guerdon.parsing.sections import (
    Sections,
    after_thinking,
    answer_text,
    section_text,
    sections,
)
from guerdon.parsing.stated import hashed_answer, lone_answer, stated_answer, undecorated
from guerdon.parsing.sums import sums_hold

__all__ = [
    "CHOICES",
    "LETTERS",
    "LONGEST_ANSWER",
    "LONGEST_EXPRESSION",
    "MAX_DIGITS",
    "MAX_EXPONENT",
    "MAX_ITEMS",
    "Plain",
    "Sections",
    "after_thinking",
    "answer_text",
    "boxed_answer",
    "boxed_spans",
    "choice_letters",
    "chosen_letters",
    "hashed_answer",
    "json_object",
    "json_objects",
    "last_boxed",
    "last_number",
    "list_items",
    "lone_answer",
    "only_number",
    "options_of",
    "parse_number",
    "plain_answer",
    "plain_digits",
    "prose",
    "read_json",
    "reference_letters",
    "same_expression",
    "section_text",
    "sections",
    "separated_choice_letters",
    "stated_answer",
    "sums_hold",
    "undecorated",
]
