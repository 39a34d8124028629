"""Tasks on a node's loop: those that actors make are supervised as their handlers are, and the node's own are its own.

A task that is made while an actor's code runs is that actor's. Each of its steps is a watched turn, so that it is named
and ended as a handler is that does not return; what it raises is its actor's failure, unless somebody awaits it; it is
cancelled when its instance fails, and by no other actor. One actor has so many of them at a time at most: whoever leaks
tasks would take the loop from all, and the orderly end. A task that no actor's code makes costs a look at whose turn it
is, and a handler that makes none costs nothing.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast
from weakref import WeakSet

from libra.core.faults import log_failure, whose_doing
from libra.errors import TooManyError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from libra.core.faults import Fatal
    from libra_core import NodeCore

__all__ = ["OwnTask", "Tasks"]

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_SETTERS = ("set_task_factory", "set_exception_handler")
_TURNS = 3
"""Whoever awaits a task takes what it raised within so many turns of the loop."""


class OwnTask(asyncio.Task[_T]):
    """A task of the node's own, or of one actor: no other actor can cancel it, as in ``for task in all_tasks(): ...``.

    Args:
        coro: What it runs.
        may_cancel: Asked who may, at each attempt: see `Tasks.guard`.
        loop: Where it runs.
        options: As `asyncio.Task` has them.
    """

    def __init__(
        self,
        coro: Coroutine[Any, Any, _T],
        may_cancel: Callable[[], bool],
        *,
        loop: asyncio.AbstractEventLoop,
        **options: Any,  # noqa: ANN401 - they go through
    ) -> None:
        self._may_cancel = may_cancel
        super().__init__(coro, loop=loop, **options)

    def cancel(self, msg: Any | None = None) -> bool:  # noqa: ANN401 - as asyncio has it
        """See `asyncio.Task.cancel`; False, and nothing done, for whoever may not."""
        return super().cancel(msg) if self._may_cancel() else False

    def end(self) -> None:
        """Cancel it, as the node does."""
        super().cancel()


class Tasks:
    """The tasks of a node's actors.

    Args:
        core: The node's native side.
        owner: Gives slot of an actor that runs, and what tells its instance from others, by its name.
        on_failure: Called with (slot, instance, exception) when a task raised.
        fatal: What is no actor's failure and ends the run.
        on_fatal: Called with that.
        most: Tasks of one actor at a time; 0 for no limit.
    """

    def __init__(
        self,
        core: NodeCore,
        owner: Callable[[str], tuple[int, object] | None],
        on_failure: Callable[[int, object, BaseException], None],
        fatal: Fatal,
        on_fatal: Callable[[BaseException], None],
        most: int = 0,
    ) -> None:
        self._core = core
        self._owner = owner
        self._on_failure = on_failure
        self._fatal = fatal
        self._on_fatal = on_fatal
        self._tasks: dict[int, WeakSet[OwnTask[Any]]] = {}
        self._most = most
        self._unbounded: set[int] = set()
        self._alive: dict[int, int] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._before: tuple[Any, Any] = (None, None)
        self._told: set[str] = set()
        self._context = contextvars.copy_context()
        self._refused: set[tuple[str, str]] = set()

    def guard(self, owner: str | None) -> Callable[[], bool]:
        """Who may cancel a task of an actor, or of the node's own: that actor and the node; of others it is told."""

        def may_cancel() -> bool:
            name = self._core.running()
            if name is None or name == owner:
                return True
            if name not in self._told:
                self._told.add(name)
                _log.error("actor %s cancels tasks that are not its own: they go on, and it is not told again", name)
            return False

        return may_cancel

    def install(self) -> None:
        """From now on tasks of the running loop are made here."""
        loop = self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self._before = (loop.get_task_factory(), loop.get_exception_handler())
        loop.set_task_factory(cast("Any", self._make))
        loop.set_exception_handler(self._callback_raised)
        # An attribute of this one loop, before those of its class: whoever sets another one is known by name.
        for name in _SETTERS:
            setattr(loop, name, partial(self._refuse, name))

    def uninstall(self) -> None:
        """The loop is as it was. What tasks have raised that nobody took is told now."""
        loop, self._loop = self._loop, None
        if loop is not None:
            for name in _SETTERS:
                vars(loop).pop(name, None)
            loop.set_task_factory(self._before[0])
            loop.set_exception_handler(self._before[1])
        for slot, tasks in self._tasks.items():
            for task in list(tasks):
                if task.done():
                    self._tell(slot, None, task)

    def _refuse(self, setter: str, _theirs: object) -> None:
        whose = whose_doing(self._core.running())
        if (whose, setter) not in self._refused:
            self._refused.add((whose, setter))
            _log.error("%s calls %s of the node's loop: it does nothing, and it is not told again", whose, setter)

    def look(self) -> list[str]:
        """Put back what somebody has set all the same; gives what that was."""
        loop, found = self._loop, []
        if loop is not None and loop.get_task_factory() != self._make:
            type(loop).set_task_factory(loop, cast("Any", self._make))
            found.append("the loop's task factory")
        if loop is not None and loop.get_exception_handler() != self._callback_raised:
            type(loop).set_exception_handler(loop, self._callback_raised)
            found.append("the loop's exception handler")
        return found

    def allow_any(self, slot: int) -> None:
        """This actor makes tasks for others, and is bounded by what they may ask for."""
        self._unbounded.add(slot)

    def alive(self, slot: int) -> int:
        """How many tasks of an actor have not ended."""
        return self._alive.get(slot, 0)

    def cancel(self, slot: int) -> list[OwnTask[Any]]:
        """The instance of an actor has failed: so have its tasks. Gives them."""
        tasks = list(self._tasks.pop(slot, ()))
        for task in tasks:
            task.end()
        return tasks

    def _make(
        self, loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **options: object
    ) -> asyncio.Future[Any]:
        name = self._core.running()
        owner = None if name is None else self._owner(name)
        if name is None or owner is None or not asyncio.iscoroutine(coro):
            before = self._before[0]
            made: asyncio.Future[Any] = (
                asyncio.Task(coro, loop=loop, **cast("Any", options))
                if before is None
                else before(loop, coro, **options)
            )
            return made
        return self._made(loop, name, *owner, coro, options)

    def make(self, name: str, coro: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """A task of this actor, whoever's code asks for it; KeyError for a name that is no actor's."""
        owner = self._owner(name)
        if owner is None:
            raise KeyError(name)
        context = self._core.context_of(owner[0])
        is_its_own = self._core.running() == name
        options: dict[str, object] = {} if context is None or is_its_own else {"context": context.copy()}
        return self._made(asyncio.get_running_loop(), name, *owner, coro, options)

    def _made(
        self,
        loop: asyncio.AbstractEventLoop,
        name: str,
        slot: int,
        instance: object,
        coro: Coroutine[Any, Any, _T],
        options: dict[str, object],
    ) -> OwnTask[_T]:
        alive = self._alive.get(slot, 0)
        if 0 < self._most <= alive and slot not in self._unbounded:
            if inspect.iscoroutine(coro):
                coro.close()
            raise TooManyError(f"actor {name} has {alive} tasks that have not ended, as many as node.max_tasks allows")
        if self._core.is_simulated:
            # It has its turn before time goes on: how fast the machine is must decide nothing.
            self._core.interrupt()
        task: OwnTask[_T] = OwnTask(self._supervise(slot, instance, coro), self.guard(name), loop=loop, **options)
        self._tasks.setdefault(slot, WeakSet()).add(task)
        self._alive[slot] = alive + 1

        def done(task: asyncio.Task[Any]) -> None:
            self._alive[slot] -= 1
            if inspect.iscoroutine(coro) and inspect.getcoroutinestate(coro) == inspect.CORO_CREATED:
                # It was cancelled before its first step.
                coro.close()
            if _has_raised(task):
                self._look(slot, instance, task, _TURNS)

        # What follows is the node's own.
        task.add_done_callback(done, context=self._context)
        return task

    async def _supervise(self, slot: int, instance: object, coro: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401
        try:
            return await self._core.steps(slot, coro, in_task=True)
        except self._fatal as error:
            self._context.copy().run(self._on_fatal, error)
        except (Exception, asyncio.CancelledError, GeneratorExit):
            raise
        except BaseException as error:
            # Left to itself it would end the loop (a `SystemExit`), or wait for somebody to ask.
            self._context.copy().run(self._on_failure, slot, instance, error)
        raise asyncio.CancelledError

    def _look(self, slot: int, instance: object, task: asyncio.Task[Any], turns: int) -> None:
        """Tell of what a task raised, once whoever awaits it has had the time to take it."""
        if turns > 0 and self._loop is not None:
            self._loop.call_soon(self._look, slot, instance, task, turns - 1)
        else:
            self._tell(slot, instance, task)

    def _tell(self, slot: int, instance: object, task: asyncio.Task[Any]) -> None:
        error = task.exception() if _has_raised(task) else None
        if error is not None:
            self._on_failure(slot, instance, error)

    def _callback_raised(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A callback of the loop raised: nobody's handler, so nobody's failure."""
        error = context.get("exception")
        if self._before[1] is not None:
            self._before[1](loop, context)
        elif error is None:
            _log.error("%s", context.get("message"))
        else:
            log_failure(_log, "outside any handler: %s", context.get("message"), error=error, fatal=self._fatal)


def _has_raised(task: asyncio.Task[Any]) -> bool:
    """It ended by an exception that nobody has taken so far: asyncio would log that when the task is thrown away."""
    return task.done() and not task.cancelled() and bool(getattr(task, "_log_traceback", False))
