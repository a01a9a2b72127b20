"""What the cockpit adds to the command palette: every action, every gauge, every view, leaving."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from textual.command import DiscoveryHit, Hit, Hits, Provider

from ...sandbox.model.views import VIEWS
from .gauges import GAUGES

if TYPE_CHECKING:
    from .screen import CockpitScreen

Entry = tuple[str, str, Callable[[], object]]
"""Name, help, what it does."""


class CockpitCommands(Provider):
    """Entries of the palette while the cockpit is open."""

    async def discover(self) -> Hits:
        """All of them."""
        for name, told, do in self._entries():
            yield DiscoveryHit(name, do, help=told)

    async def search(self, query: str) -> Hits:
        """Those that match."""
        matcher = self.matcher(query)
        for name, told, do in self._entries():
            score = max(matcher.match(name), matcher.match(name.replace("-", " ")), 0.5 * matcher.match(told))
            if score > 0:
                yield Hit(score, matcher.highlight(name), do, help=told)

    def _entries(self) -> Iterator[Entry]:
        cockpit = self._cockpit
        for action in cockpit.actions.values():
            yield f"{action.name} ({action.component})", action.help, partial(cockpit.action_act, action.name)
        for gauge in GAUGES:
            yield f"chart: {gauge.title}", gauge.help, partial(cockpit.choose_gauge, gauge.id)
        yield "look: features", "drift, missing values and state of all features", partial(cockpit.action_look, "features")
        for view in VIEWS.values():
            if not view.subject:
                yield f"look: {view.name}", view.help, partial(cockpit.action_look, view.name)
        yield "pager", "what the pager said", partial(cockpit.action_look, "pager")
        yield "jump", "look into anything, by its name", cockpit.action_jump
        yield "metric", "any metric or expression over time", cockpit.action_metric
        yield "filter logs", "show only some log lines", cockpit.action_filter
        yield "pause or go on", "hold the drill, or let it go on", cockpit.action_pause
        yield "leave", "keep the drill running, or give it up", cockpit.action_leave

    @property
    def _cockpit(self) -> CockpitScreen:
        from .screen import CockpitScreen

        return next(screen for screen in self.app.screen_stack if isinstance(screen, CockpitScreen))
