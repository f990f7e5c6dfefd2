"""The one reader of completions: sections, boxes, choices, numbers, expressions, JSON objects,
prose.

Every function takes hostile text in linear time and raises nothing on account of it.
"""

from guerdon.parsing.boxed import boxed_spans, last_boxed
from guerdon.parsing.choices import (
    LETTERS,
    choice_letters,
    chosen_letters,
    separated_choice_letters,
)
from guerdon.parsing.expressions import LONGEST_EXPRESSION, same_expression
from guerdon.parsing.json_objects import json_object, json_objects, read_json
from guerdon.parsing.lists import MAX_ITEMS, list_items
from guerdon.parsing.numbers import MAX_DIGITS, MAX_EXPONENT, last_number, parse_number
from guerdon.parsing.plain import LONGEST_ANSWER, Plain, plain_answer
from guerdon.parsing.prose import prose
from guerdon.parsing.sections import Sections, answer_text, sections
from guerdon.parsing.sums import sums_hold

__all__ = [
    "LETTERS",
    "LONGEST_ANSWER",
    "LONGEST_EXPRESSION",
    "MAX_DIGITS",
    "MAX_EXPONENT",
    "MAX_ITEMS",
    "Plain",
    "Sections",
    "answer_text",
    "boxed_spans",
    "choice_letters",
    "chosen_letters",
    "json_object",
    "json_objects",
    "last_boxed",
    "last_number",
    "list_items",
    "parse_number",
    "plain_answer",
    "prose",
    "read_json",
    "same_expression",
    "sections",
    "separated_choice_letters",
    "sums_hold",
]
