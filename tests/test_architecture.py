"""What the layout promises: who may import whom, and how large things may grow."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "guerdon"
FILES = sorted(SOURCE.rglob("*.py"))
STAGES = frozenset(
    {"tasks", "rollout", "rewards", "judges", "reward_models", "shaping", "advantages"}
    | {"objectives", "curriculum", "evaluation", "diffusion", "selection", "monitors"}
)
SPINE = frozenset(
    {
        "composition",
        "declared",
        "documented",
        "examples",
        "exports",
        "extras",
        "failures",
        "groups",
        "judging",
        "keyed",
        "mdp",
        "models",
        "names",
        "older",
        "overlong",
        "parsing",
        "parts",
        "ranges",
        "rankings",
        "records",
        "schedules",
        "sealed",
        "stages",
        "traits",
        "trust",
    }
)
OPTIONAL = frozenset(
    ["trl", "vllm", "reasoning_gym", "trackio", "wandb", "httpx", "rapidfuzz", "pint", "nltk"]
)
OPTIONAL |= {"py3langid", "sqlglot", "duckdb", "fastapi", "uvicorn", "h11"}
OPTIONAL |= {"verl", "openrlhf", "swift", "slime", "verifiers", "reward_kit"}
SEES_AUDIT = frozenset({"cli", "audit"})
SEES_RECIPES = frozenset({"claims", "cli", "recipes", "reproduction"})
SEES_CLAIMS = frozenset({"claims", "cli"})
VAGUE = frozenset({"utils", "common", "helpers", "misc", "core"})


def module_name(path: Path) -> str:
    """``guerdon.rollout.language`` for its file."""
    names = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


def imported(nodes: Iterator[ast.AST] | list[ast.stmt], path: Path) -> Iterator[str]:
    """Full names of what the import statements among ``nodes`` bring in."""
    package = module_name(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


@cache
def ours(path: Path) -> frozenset[str]:
    """First name below guerdon of everything a file imports, at any depth."""
    names = imported(ast.walk(ast.parse(path.read_text())), path)
    return frozenset(name.split(".")[1] for name in names if name.startswith("guerdon."))


def top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements run on import: also inside top-level if, try and with; not TYPE_CHECKING."""
    for node in body:
        yield node
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.If | ast.Try | ast.With):
            for field in ("body", "orelse", "finalbody"):
                yield from top_level(getattr(node, field, []))
            for handler in getattr(node, "handlers", []):
                yield from top_level(handler.body)


def documented(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Module) -> int:
    """Lines of the docstring: explaining more must not count against what is explained."""
    if ast.get_docstring(node) is None:
        return 0
    return (node.body[0].end_lineno or 0) - node.body[0].lineno + 1


def test_the_reader_of_imports_reads_every_form() -> None:
    text = "import a.b, c\nfrom d import e\nfrom . import f\nfrom .g import h\nfrom ..i import j"
    found = set(imported(ast.parse(text).body, SOURCE / "rollout" / "language.py"))
    assert found == {"a.b", "c", "d.e", "guerdon.rollout.f", "guerdon.rollout.g.h", "guerdon.i.j"}


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_a_stage_imports_only_the_spine_and_itself(stage: str) -> None:
    wrong = {
        module_name(path): extra
        for path in FILES
        if path.is_relative_to(SOURCE / stage) and (extra := ours(path) - SPINE - {stage})
    }
    assert not wrong


def test_models_stand_below_the_stages() -> None:
    inside = [path for path in FILES if path.is_relative_to(SOURCE / "models")]
    assert frozenset().union(*map(ours, inside)) <= SPINE


def test_pretrained_files_are_opened_in_one_module() -> None:
    """One place that never runs a folder's code, merges adapters and says what is wrong."""
    users = {module_name(path) for path in FILES if "from_pretrained(" in path.read_text()}
    assert users == {"guerdon.models.loading"}


def test_only_what_seedlings_read_imports_tasks() -> None:
    users = {
        module_name(path)
        for path in FILES
        if path.is_relative_to(SOURCE / "nursery") and ours(path) & STAGES
    }
    assert users <= {"guerdon.nursery.corpus", "guerdon.nursery.worked"}
    for name in ("corpus.py", "worked.py"):
        assert ours(SOURCE / "nursery" / name) & STAGES <= {"tasks"}


def test_connectors_see_rewards_and_only_the_command_line_sees_them() -> None:
    files = [path for path in FILES if path.is_relative_to(SOURCE / "connectors")]
    seen = frozenset().union(*map(ours, files))
    assert seen <= SPINE | {"connectors", "rewards", "shaping", "__version__"}
    users = {path for path in FILES if path not in files and "connectors" in ours(path)}
    assert {path.parent for path in users} <= {SOURCE / "cli"}


def test_only_the_ends_import_recipes() -> None:
    users = {
        path.relative_to(SOURCE).with_suffix("").parts[0]
        for path in FILES
        if "recipes" in ours(path)
    }
    assert users <= SEES_RECIPES


def test_only_the_command_line_imports_claims() -> None:
    users = {
        path.relative_to(SOURCE).with_suffix("").parts[0]
        for path in FILES
        if "claims" in ours(path)
    }
    assert users <= SEES_CLAIMS


def test_a_recipe_knows_nothing_of_its_claim() -> None:
    seen = {name for path in (SOURCE / "recipes").glob("*.py") for name in ours(path)}
    assert not seen & {"claims", "reproduction"}


def test_systems_do_not_import_each_other() -> None:
    """What two of them need belongs to a stage; a claim may see its own recipe."""
    files = [p for kind in ("recipes", "claims") for p in (SOURCE / kind).glob("[!_]*.py")]
    systems = {module_name(path) for path in files}
    wrong = {
        module_name(path): found
        for path in files
        if (
            found := {
                name
                for name in imported(ast.walk(ast.parse(path.read_text())), path)
                if (system := ".".join(name.split(".")[:3])) in systems
                and system != f"guerdon.recipes.{path.stem}"
            }
        )
    }
    assert not wrong


def test_the_contracts_see_the_spine_alone() -> None:
    inside = [path for path in FILES if path.is_relative_to(SOURCE / "contracts")]
    assert frozenset().union(*map(ours, inside)) <= SPINE | {"contracts"}
    assert not {p for p in FILES if p not in inside and "contracts" in ours(p)}


def test_the_audit_sees_rewards_and_only_the_command_line_sees_it() -> None:
    inside = [path for path in FILES if path.is_relative_to(SOURCE / "audit")]
    assert frozenset().union(*map(ours, inside)) <= SPINE | {"audit", "rewards", "nursery"}
    users = {
        path.relative_to(SOURCE).with_suffix("").parts[0] for path in FILES if "audit" in ours(path)
    }
    assert users <= SEES_AUDIT


def test_records_import_nothing_of_ours() -> None:
    files = [path for path in FILES if path.is_relative_to(SOURCE / "records")]
    assert frozenset().union(*map(ours, files)) == {"records"}


def test_the_spine_does_not_look_upwards() -> None:
    assert ours(SOURCE / "stages.py") == {"records", "ranges"}
    assert ours(SOURCE / "rankings.py") == {"records"}
    assert ours(SOURCE / "parts.py") == {"composition", "declared", "older", "ranges", "trust"}
    assert ours(SOURCE / "declared.py") == {"composition"}
    assert ours(SOURCE / "older.py") == set()
    assert ours(SOURCE / "schedules.py") == {"composition", "ranges", "records"}
    assert ours(SOURCE / "documented.py") == set()
    assert ours(SOURCE / "examples.py") == {"records", "stages"}
    assert ours(SOURCE / "exports.py") == set()
    assert ours(SOURCE / "trust.py") == set()
    assert ours(SOURCE / "names.py") == set()
    assert ours(SOURCE / "groups.py") == set()
    assert ours(SOURCE / "overlong.py") == {"ranges"}
    assert ours(SOURCE / "ranges.py") == {"composition"}
    assert ours(SOURCE / "composition.py") == set()
    assert ours(SOURCE / "sealed.py") == set()


def test_optional_packages_are_imported_where_they_are_used() -> None:
    wrong = {
        module_name(path): found
        for path in FILES
        if (
            found := {
                name.split(".")[0]
                for name in imported(list(top_level(ast.parse(path.read_text()).body)), path)
            }
            & OPTIONAL
        )
    }
    assert not wrong


def test_no_file_is_longer_than_450_lines() -> None:
    sizes = {path: len(path.read_text().splitlines()) for path in FILES}
    assert not {str(p.relative_to(ROOT)): n for p, n in sizes.items() if n > 450}


@pytest.mark.parametrize(("package", "most"), [("recipes", 80), ("claims", 250)])
def test_a_system_is_read_in_one_sitting(package: str, most: int) -> None:
    """Wide enough that nobody squeezes: a composition is a screen and a half, a claim four."""
    sizes = {}
    for path in (SOURCE / package).glob("[!_]*.py"):
        text = path.read_text()
        sizes[path.stem] = len(text.splitlines()) - documented(ast.parse(text))
    assert not {name: n for name, n in sizes.items() if n > most}


def test_no_function_is_longer_than_60_lines() -> None:
    wrong = {}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1 - documented(node)
                if lines > 60:
                    wrong[f"{path.relative_to(ROOT)}:{node.name}"] = lines
    assert not wrong


def test_no_module_has_a_vague_name() -> None:
    assert not [p for p in FILES if VAGUE & set(p.relative_to(SOURCE).with_suffix("").parts)]


def test_every_recipe_has_a_test() -> None:
    slugs = {p.stem for p in (SOURCE / "recipes").glob("[!_]*.py")}
    tested = {p.stem.removeprefix("test_") for p in (ROOT / "tests").rglob("test_*.py")}
    assert slugs
    assert slugs <= tested


def test_what_parts_say_of_themselves_is_read_in_one_place() -> None:
    """An attribute that is asked for by name elsewhere would have a default of its own there."""
    said = "scope|range|reads_sampler|least_updates|uses_margins|needs_adapter|check_tasks|makes"
    asked = re.compile(rf"(?:getattr|hasattr)\([^()]*(?:\([^()]*\))?[^()]*, \"(?:{said})\"")
    users = {module_name(path) for path in FILES if asked.search(path.read_text())}
    assert not users
