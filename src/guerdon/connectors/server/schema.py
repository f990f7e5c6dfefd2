"""The server's own OpenAPI description, at ``/openapi.json``."""

from __future__ import annotations

from typing import Any

from guerdon.connectors.server.limits import Limits
from guerdon.connectors.server.rows import MOST_TOKENS

_TEXT = {"type": "string"}
_NUMBER = {"type": "number"}
_COUNT = {"type": "integer", "minimum": 0, "maximum": 2**53 - 1}

_MESSAGE = {
    "type": "object",
    "required": ["role", "content"],
    "properties": {"role": _TEXT, "content": _TEXT},
}
_SAID = {"anyOf": [_TEXT, {"type": "array", "items": _MESSAGE}]}
_ROW = {
    "type": "object",
    "required": ["completion"],
    "additionalProperties": False,
    "properties": {
        "completion": {**_SAID, "description": "A text, or messages of which the assistant's."},
        "prompt": {"anyOf": [*_SAID["anyOf"], {"type": "null"}]},
        "answer": {"description": "The reference answer, of any type."},
        "columns": {"type": ["object", "null"], "description": "Further columns of the task."},
        "group": {"type": ["string", "integer", "null"]},
        "tokens": {"type": ["integer", "null"], "minimum": 0, "maximum": MOST_TOKENS},
    },
}
_RESULT = {
    "type": "object",
    "required": ["value", "parts", "valid", "reason"],
    "additionalProperties": False,
    "properties": {
        "value": {"type": ["number", "null"], "description": "null where invalid"},
        "parts": {"type": "object", "additionalProperties": _NUMBER},
        "valid": {"type": "boolean"},
        "reason": {"type": ["string", "null"], "description": "The kind of fault, if invalid."},
    },
}
_ERROR = {
    "type": "object",
    "required": ["error", "request"],
    "properties": {"error": _TEXT, "request": _TEXT},
}
_WHY = {
    "400": "Not strict JSON.",
    "401": "Without the token.",
    "403": "From a web page, or under another host name.",
    "404": "No such path.",
    "405": "Another method.",
    "408": "The body did not come in time.",
    "413": "More than the limits allow.",
    "415": "Not declared as JSON in UTF-8.",
    "422": "JSON of another form, or rows that the reward can't take.",
    "500": "The reward raised; the log says more under the request's id.",
    "503": "Too many requests, or stopping; try again.",
    "504": "Not judged in time.",
}


def openapi(limits: Limits) -> dict[str, Any]:
    """OpenAPI 3.1 of all paths; the sizes are those of ``limits``."""
    many = {"type": "array", "minItems": 1, "maxItems": limits.batch}
    some = {"type": ["array", "null"], "maxItems": limits.batch}
    score = _object(
        ["rows"], rows={**many, "items": _ROW}, step={**_COUNT, "default": 0}, total=_COUNT
    )
    get_reward = _object(
        ["query"],
        query={**many, "items": {"type": ["string", "null"]}},
        prompts={**some, "items": {"type": ["string", "null"]}, "description": "As long as query."},
        labels={**some, "description": "As long as query; the answers, of any type."},
    )
    scored = _object(["results"], results={"type": "array", "items": _RESULT})
    rewards = _object(
        ["rewards", "scores", "extra_logs"],
        rewards={"type": "array", "items": _NUMBER},
        scores={"type": "array", "items": _NUMBER},
        extra_logs=_object(["valid"], valid={"type": "array", "items": _NUMBER}),
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": "guerdon serve", "version": "1"},
        "security": [{"bearer": []}, {}],
        "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
        "paths": {
            "/score": {"post": _posted("Scores of rows.", score, scored)},
            "/get_reward": {"post": _posted("OpenRLHF's protocol.", get_reward, rewards)},
            "/health": {"get": _got("Whether the reward can be asked.", {"type": "object"})},
            "/info": {"get": _got("The reward, its limits and counts.", {"type": "object"})},
            "/metrics": {"get": _got("Counts for Prometheus.", _TEXT, "text/plain")},
            "/openapi.json": {"get": _got("This.", {"type": "object"})},
        },
    }


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required,
        "additionalProperties": False,
        "properties": properties,
    }


def _posted(summary: str, asked: dict[str, Any], answered: dict[str, Any]) -> dict[str, Any]:
    body = {"required": True, "content": {"application/json": {"schema": asked}}}
    return {**_got(summary, answered), "requestBody": body}


def _got(summary: str, answered: dict[str, Any], kind: str = "application/json") -> dict[str, Any]:
    found = {
        status: {
            "description": why,
            "content": {"application/json": {"schema": {"anyOf": [_ERROR, {"type": "object"}]}}},
        }
        for status, why in _WHY.items()
    }
    found["200"] = {"description": summary, "content": {kind: {"schema": answered}}}
    return {"summary": summary, "responses": found}
