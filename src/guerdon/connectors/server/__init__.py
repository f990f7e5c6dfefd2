"""A reward over HTTP, for any trainer: ``guerdon serve``.

A request's way: `connections` (how long it may take to arrive), `gate` (who may ask), `bodies`
(JSON, bounded), `rows` (what was asked), `service` (the reward, in threads), `application` (the
answer). `running` starts one process and ends it, `workers` several behind one port.
"""

from guerdon.connectors.server.limits import Limits
from guerdon.connectors.server.running import serve
from guerdon.connectors.server.service import RewardService
from guerdon.connectors.server.workers import serve_with_workers

__all__ = ["Limits", "RewardService", "serve", "serve_with_workers"]
