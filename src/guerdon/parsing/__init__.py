"""The one reader of completions: sections, boxes, choices, numbers and JSON objects.

Every function takes hostile text in linear time and raises nothing on account of it.
"""

from guerdon.parsing.boxed import boxed_spans, last_boxed
from guerdon.parsing.choices import LETTERS, choice_letters, separated_choice_letters
from guerdon.parsing.json_objects import json_object, json_objects
from guerdon.parsing.numbers import MAX_DIGITS, MAX_EXPONENT, last_number, parse_number
from guerdon.parsing.sections import Sections, answer_text, sections

__all__ = [
    "LETTERS",
    "MAX_DIGITS",
    "MAX_EXPONENT",
    "Sections",
    "answer_text",
    "boxed_spans",
    "choice_letters",
    "json_object",
    "json_objects",
    "last_boxed",
    "last_number",
    "parse_number",
    "sections",
    "separated_choice_letters",
]
