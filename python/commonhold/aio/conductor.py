"""How an event loop drives a client: no thread, one descriptor and one timer."""

import asyncio
import os
import weakref

_NOT_YET = object()

_conductors = weakref.WeakSet()


class Conductor:
    """Drives the connection of one client from the loop in which it is made.

    The loop keeps it while the client lives. It ends by itself once the client was closed, or forgotten: what a forgotten
    client held is given back then.
    """

    def __init__(self, driver):
        self.loop = asyncio.get_running_loop()
        self._driver = driver
        # The futures of those who wait, by the numbers of their calls.
        self._waiting = {}
        self._timer = None
        # A turn was asked for and has not begun.
        self._due = False
        self._over = False
        self.loop.add_reader(driver.fileno(), self._turn)
        _conductors.add(self)

    def expect(self):
        """Takes a turn after everything that is ready to run now, so that calls of one moment travel together.

        RuntimeError in another loop than the client's own.
        """
        if asyncio.get_running_loop() is not self.loop:
            raise RuntimeError(
                "this client belongs to another event loop: every loop needs a client of its own, by aio.connect()"
            )
        if not self._due:
            self._due = True
            self._driver.attend()
            self.loop.call_soon(self._turn_due)

    async def finish(self, call):
        """Waits for a call that was begun, and returns what it returned.

        Cancelled, the call is withdrawn; what it took goes back, even if the reply was here already.
        """
        try:
            while True:
                future = self._waiting[call.number] = self.loop.create_future()
                await future
                # Not before the caller runs: until then it may be cancelled, and then it has got nothing.
                result = call.take(_NOT_YET)
                if result is not _NOT_YET:
                    return result
        finally:
            self._waiting.pop(call.number, None)
            call.abandon()

    def _turn_due(self):
        self._due = False
        self._turn()

    def _turn(self):
        numbers, delay, over = self._driver.drive()
        for number in numbers:
            future = self._waiting.get(number)
            if future is not None and not future.done():
                future.set_result(None)
        if over:
            self._end()
        elif delay is not None:
            self._plan(self.loop.time() + delay)

    def _plan(self, when):
        """Takes a turn then, or sooner: one too many does no harm."""
        if self._timer is not None:
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = self.loop.call_at(when, self._turn_planned)

    def _turn_planned(self):
        self._timer = None
        self._turn()

    def _end(self):
        if self._over:
            return
        self._over = True
        self.loop.remove_reader(self._driver.fileno())
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _forked():
    for conductor in list(_conductors):
        conductor._driver.forget()


# A child that kept its parent's sockets open would keep the parent alive in the server's eyes.
os.register_at_fork(after_in_child=_forked)
