r"""Units at the end of a short answer, in one spelling: ``5\text{ square meters}`` has m^2."""

from __future__ import annotations

import re
from functools import lru_cache

# fmt: off
_NO_UNITS = frozenset((
    "hundred", "thousand", "million", "billion", "trillion", "dozen", "percent", "times", "half",
    "halves", "third", "thirds", "quarter", "quarters", "fifth", "fifths", "or", "and", "not",
    "no", "maybe", "than", "more", "less", "about", "wrong", "minus", "plus", "if", "but", "to",
    "is", "at", "least", "most", "only", "remainder", "mod", "modulo", "over", "base", "zero",
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "twenty", "negative", "approximately", "roughly", "almost", "nearly", "except",
))
_WORDS_FOR = {
    "m": "meter metre", "cm": "centimeter centimetre", "mm": "millimeter millimetre",
    "km": "kilometer kilometre", "g": "gram gramme", "kg": "kilogram", "mg": "milligram",
    "s": "second sec", "min": "minute", "h": "hour hr", "L": "liter litre l", "lb": "pound lbs",
    "mL": "milliliter millilitre ml", "ft": "foot feet", "in": "inch", "mi": "mile",
    "oz": "ounce", "yd": "yard", "°": "degree deg", "$": "dollar usd", "J": "joule",
    "N": "newton", "W": "watt", "V": "volt", "K": "kelvin", "Pa": "pascal", "Hz": "hertz",
    "rad": "radian", "mol": "mole", "kJ": "kilojoule", "kW": "kilowatt", "°C": "celsius",
    "°F": "fahrenheit", "€": "euro", "d": "day", "person": "people", "child": "children",
}
# fmt: on
_SYMBOL = {word: symbol for symbol, words in _WORDS_FOR.items() for word in words.split()}
_SHORT = {"mph": "mi/h", "kph": "km/h", "kmh": "km/h", "sq": "square", "cu": "cubic", "cc": "cm^3"}
_GLUED = "(?:cm|mm|km|kg|mg|ft|lbs?|oz|mph|mL|ml|kJ|kW|Hz|hrs?|sec|mins?|mol|m|g|s|L|in)"
_WRAPPED = (
    r"\\(?:text(?:rm|bf|it|sf|normal)?|mathrm|mathbf|mbox|operatorname|rm)"
    r"\s?\{((?:[^{}\\]|\\cdot)*)\}"
)
WRAPPED = re.compile(_WRAPPED)
r"""``\text{x}`` and its kind."""

_POWER = r"(?:\s?\^\s?\{?\s?-?[1-3]\s?\}?)"
_WRAPPED_END = re.compile(_WRAPPED + _POWER + r"?\Z")
_DEGREE = re.compile(
    r"\s?\^\s?(?:\\circ|\{\s?\\circ\s?\})(?:\s?([CF]))?\Z|\s?\\degree(?:\s?([CF]))?\Z"
)
_WORD = rf"[a-zA-Zµ]{{1,24}}{_POWER}?"
_TYPED = re.compile(
    rf"(?:(?<=[\d}})])|(?<=\\pi))(?:\s(?P<spaced>(?:1\s?/\s?)?{_WORD}(?:(?:\s?(?:[/*]|\\cdot)\s?|\s|-){_WORD}){{0,3}})"
    rf"|(?P<glued>{_GLUED}(?:/{_GLUED})?{_POWER}?))\Z"
)
_LETTER = frozenset("mgshLlNJWVAKCFd")
_MONEY = {"\\$": "$", "$": "$", "£": "£", "€": "€", "¥": "¥", "₹": "₹"}
_TEMPERATURE = re.compile(r"[dD]eg(?:ree)?s? ([cCfF])(?:elsius|ahrenheit)?(?![a-zA-Z])")
_PARTS = re.compile(r"[a-zA-Zµ°$€£]+|\^\s?\{?\s?(-?\d)\s?\}?|[/]|\d")


@lru_cache(maxsize=2048)
def is_unit(words: str) -> bool:
    """Whether words of a text are a known unit: "km", "miles per hour", but not "in", a preposition
    more often."""
    for word in words.replace("/", " ").split():
        known = word in _WORDS_FOR or word in _SHORT or word in ("square", "cubic", "per")
        if word == "in" or not (known or _singular(word) in (*_WORDS_FOR, "cent")):
            return False
    return True


def split_unit(body: str) -> tuple[str, str]:
    r"""A short answer without its unit, and the unit in one spelling ("" where there is none).

    A unit stands behind a digit or a bracket: ``^\circ``, ``\text{ cm}^2``, "cm", "square
    meters", "km/h", a counted thing ("apples"); or it is a sign of money in front. A word that
    scales (million), joins (or) or counts is none.
    """
    for sign, unit in _MONEY.items():
        rest = body.removeprefix("-").lstrip()
        if rest.startswith(sign) and len(rest) > len(sign):
            return body.replace(sign, "", 1).strip(), unit
    degree = _DEGREE.search(body)
    if degree:
        return body[: degree.start()].rstrip(), f"°{degree[1] or degree[2] or ''}"
    wrapped = _WRAPPED_END.search(body)
    if wrapped and wrapped.start() and body[wrapped.start() - 1] not in "_^{(+-*/=":
        spelt = _spelt(WRAPPED.sub(r"\1", wrapped.group()))
        if spelt is not None:
            return body[: wrapped.start()].rstrip(), spelt
    body = WRAPPED.sub(lambda found: f" {found.group(1).strip()} ", body)
    body = " ".join(body.split()).replace("{ ", "{").replace(" }", "}")
    typed = _TYPED.search(body)
    if typed:
        unit = typed["spaced"] or typed["glued"]
        single = len(unit) == 1 and unit not in _LETTER
        spelt = None if single else _spelt(unit)
        if spelt is not None:
            return body[: typed.start()].rstrip(), spelt
    return body, ""


@lru_cache(maxsize=2048)
def _spelt(unit: str) -> str | None:
    """A unit in one spelling: factors in order, with powers; None where it is no unit."""
    unit = unit.replace("\\cdot", "*")
    powers: dict[str, int] = {}
    sign, power, last = 1, 1, ""
    words = " ".join(_SHORT.get(word, word) for word in _TEMPERATURE.sub(_scale, unit).split())
    if _PARTS.sub("", words).strip(" *·.-") or len(words) > 80:
        return None
    for found in _PARTS.finditer(words):
        token = found.group()
        if token[0] == "^":
            powers[last] = powers.get(last, 0) + sign * (int(found[1]) - 1)
        elif token in ("/", "per"):
            sign = -1
        elif token in ("square", "cubic"):
            power = 2 if token == "square" else 3
        elif token in ("squared", "cubed") and last:
            powers[last] += sign * (1 if token == "squared" else 2)
        elif token.isdigit():
            if token != "1" or powers:
                return None
        elif token.lower() in _NO_UNITS:
            return None
        else:
            last = _singular(token)
            powers[last] = powers.get(last, 0) + sign * power
            power = 1
    return "*".join(
        name if n == 1 else f"{name}^{n}" for name, n in sorted(powers.items()) if name and n
    )


def _scale(found: re.Match[str]) -> str:
    return "celsius" if found[1] in "cC" else "fahrenheit"


def _singular(word: str) -> str:
    """A word for a unit without its plural, and as a symbol where it has one."""
    if len(word) < 3 or word in _WORDS_FOR or not word[1:].islower():
        return _SYMBOL.get(word, word)
    plain = word.lower()
    for ending, instead in (("ies", "y"), ("ches", "ch"), ("shes", "sh"), ("xes", "x"), ("s", "")):
        if plain.endswith(ending) and not plain.endswith("ss") and plain not in _SYMBOL:
            plain = plain.removesuffix(ending) + instead
            break
    return _SYMBOL.get(plain, plain)
