"""A history that shows a difference, cut down to one that still does: what is left says what it is about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.model import terms as t
from tests.model.books import replay
from tests.property.books.comparison import core_facts, differences, model_facts
from tests.property.books.core_books import CoreBooks

PARTS = ("overrides", "charges", "subscriptions", "recurring")


def differing(world: t.World) -> list[str]:
    """What model and core differ in at the end of a history; nothing if it cannot happen."""
    try:
        core = CoreBooks(world)
        for action in world.actions:
            core.do(action)
        return differences(model_facts(replay(world)), core_facts(core))
    except (
        Exception
    ):  # a contract that was never signed, an invoice that was never final: another history
        return []


def shortened(world: t.World) -> t.World:
    """Leave out, one by one, whatever the difference does not need."""
    while True:
        shorter = next((one for one in _without_one_thing(world) if differing(one)), None)
        if shorter is None:
            return world
        world = shorter


def _without_one_thing(world: t.World) -> Iterator[t.World]:
    for n, action in enumerate(world.actions):
        before, after = world.actions[:n], world.actions[n + 1 :]
        yield replace(world, actions=(*before, *after))
        for less in _less(action):
            yield replace(world, actions=(*before, less, *after))


def _less(action: t.Action) -> Iterator[t.Action]:
    match action:
        case t.Use(events):
            for n in range(len(events)):
                yield t.Use((*events[:n], *events[n + 1 :]))
        case t.Sign(contract, grants):
            for n in range(len(grants)):
                yield t.Sign(contract, (*grants[:n], *grants[n + 1 :]))
            for part in PARTS:
                if getattr(contract, part):
                    yield t.Sign(replace(contract, **{part: ()}), grants)
