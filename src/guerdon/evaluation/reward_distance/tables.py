"""Reward tables from files, and processes from Gymnasium's worlds with numbered states."""

from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from guerdon.evaluation.reward_distance.canonical import full, shaped
from guerdon.mdp import MDP, from_gymnasium, optimal
from guerdon.mdp.process import Floats

SUFFIXES = (".npz", ".npy", ".json", ".csv")


def load_process(source: str, discount: float) -> tuple[MDP, Floats | None]:
    """A process, and its own reward float64[S, A, S] where it has one.

    ``source`` is a world of Gymnasium with a table (``FrozenLake-v1``), or a file of transitions
    [S, A, S] and optionally ``start`` [S] and ``reward``: ``.npz``, or JSON with these names.
    Raises ValueError, naming the file or the world, for what is none.
    """
    path = Path(source)
    if path.suffix not in SUFFIXES:
        return from_gymnasium(_world(source), discount)
    named = _read(path)
    if "transitions" not in named:
        raise ValueError(f"{path} has no 'transitions' [S, A, S]; it has {', '.join(named)}")
    try:
        mdp = MDP(named["transitions"], discount, named.get("start"))
        return mdp, full(mdp, named["reward"]) if "reward" in named else None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def load_reward(path: Path, mdp: MDP) -> Floats:
    """A reward float64[S, A, S] of a process.

    ``.npy``, ``.npz`` or JSON hold ``reward`` as [S, A] or [S, A, S] (in the last two under that
    name, or alone). A CSV has a line for each entry that is not 0, with the columns state, action,
    next_state (or none: the reward is then the same for every state that follows) and reward.
    Raises ValueError naming the file, and in a CSV the line.
    """
    if path.suffix == ".csv":
        return _from_csv(path, mdp)
    named = _read(path)
    if "reward" not in named and len(named) != 1:
        raise ValueError(f"{path} has no 'reward'; it has {', '.join(named)}")
    try:
        return full(mdp, named.get("reward", next(iter(named.values()))))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def variants(mdp: MDP, reward: Floats) -> dict[str, Floats]:
    """Rewards to hold against a process's own.

    ``shaped`` by the optimal values and ``redistributed`` over the states that follow (its mean is
    paid for each) lose nothing; ``a cost a step`` is paid outside states that are never left;
    ``negated`` is the reward's opposite.
    """
    stays_SA = np.einsum("sas->sa", mdp.dense) >= 1.0
    steps_SA = np.where(stays_SA.all(1, keepdims=True), 0.0, -1.0)
    return {
        "shaped": shaped(mdp, reward, optimal(mdp, reward).values),
        "redistributed": full(mdp, mdp.reward(reward)),
        "a cost a step": full(mdp, np.broadcast_to(steps_SA, (mdp.states, mdp.actions))),
        "negated": -reward,
    }


def _world(name: str) -> Any:
    import gymnasium

    if name not in gymnasium.registry:  # "module:World" would import a module
        raise ValueError(
            f"{name!r} is no file ({', '.join(SUFFIXES)}) and no world that gymnasium has; those "
            "with a table are FrozenLake-v1, FrozenLake8x8-v1, CliffWalking-v1 and Taxi-v3"
        )
    return gymnasium.make(name)


def _read(path: Path) -> dict[str, Any]:
    """The named tables of a file that is no CSV."""
    try:
        if path.suffix == ".json":
            data = json.loads(path.read_text(encoding="utf-8"))
            return data if isinstance(data, dict) else {"reward": data}
        found = np.load(path, allow_pickle=False)
        return {"reward": found} if isinstance(found, np.ndarray) else dict(found)
    except (ValueError, EOFError, zipfile.BadZipFile, RecursionError) as error:
        raise ValueError(f"{path} can't be read as {path.suffix}: {error}") from error


def _from_csv(path: Path, mdp: MDP) -> Floats:
    table = np.zeros((mdp.states, mdp.actions, mdp.states))
    with path.open(newline="", encoding="utf-8") as file:
        lines = csv.DictReader(file)
        wanted = {"state", "action", "reward"}
        if missing := sorted(wanted - set(lines.fieldnames or ())):
            raise ValueError(f"{path} has no column {missing[0]!r}")
        for number, line in enumerate(lines, 2):
            try:
                at = [int(line[name]) for name in ("state", "action")]
                to = line.get("next_state")
                place = (at[0], at[1], int(to) if to else slice(None))
                if min(at) < 0 or (to and int(to) < 0):
                    raise IndexError("a negative number")
                table[place] = float(line["reward"])
            except (ValueError, TypeError, IndexError) as error:
                told = f"states are 0 to {mdp.states - 1}, actions 0 to {mdp.actions - 1}"
                raise ValueError(f"{path}, line {number}: {error}; {told}") from error
    return full(mdp, table)
