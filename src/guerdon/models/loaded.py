"""Frozen models that parts read, each loaded once and kept while a part that reads it lives."""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")

SPARE = 2
"""How many models are kept beyond their users' lives, for the next part that asks for them."""


class _Held:
    """A loaded model; unlike a tuple or a tensor's table it can always be referred to weakly."""

    def __init__(self, model: Any) -> None:
        self.model = model


class LoadedModels:
    """What ``load(*settings)`` gives, once for equal loaders and settings.

    A model is kept while any user that asked for it lives, however many these are: five reward
    models in a recipe are five loads, whatever the number of batches. Of models whose users are
    gone, the ``spare`` that were asked for last are kept, so that equal parts made one after
    another share them. What was loaded is shared: nobody may change it.
    """

    def __init__(self, spare: int = SPARE) -> None:
        self.spare = spare
        self._held: weakref.WeakValueDictionary[Hashable, _Held] = weakref.WeakValueDictionary()
        self._users: dict[int, set[_Held]] = {}
        self._last: OrderedDict[Hashable, _Held] = OrderedDict()
        self._renew_lock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew_lock)

    def __call__(self, user: object, load: Callable[..., T], *settings: Hashable) -> T:
        """``load(*settings)``, or what it gave before; ``user`` is who keeps it."""
        key = (load, *settings)
        with self._lock:
            held = self._held.get(key)
            if held is None:
                self._drop(self.spare - 1)  # before there is one model more in memory
                held = self._held[key] = _Held(load(*settings))
            if id(user) not in self._users:
                self._users[id(user)] = set()
                weakref.finalize(user, self._users.pop, id(user), None).atexit = False
            self._users[id(user)].add(held)
            self._last[key] = held
            self._last.move_to_end(key)
            self._drop(self.spare)
        found: T = held.model
        return found

    def _drop(self, spare: int) -> None:
        while len(self._last) > spare:
            self._last.popitem(last=False)

    def _renew_lock(self) -> None:
        """In a forked process, where the thread that held the lock is not."""
        self._lock = threading.RLock()


loaded = LoadedModels()
"""The models of this process."""
