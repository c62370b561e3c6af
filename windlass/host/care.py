"""The runs in the care of a host: started, found again, stopped, forgotten."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import monotonic

from windlass.host import memory
from windlass.host.children import ChildRun, Program
from windlass.host.endings import EXIT_BLOCKED, EXIT_FULL, EXIT_REPLACED
from windlass.host.hosted import Driver, Hosted
from windlass.host.lifespan import Lifespan
from windlass.host.orders import Order
from windlass.host.shared import SharedRun
from windlass.host.watchdog import Patience, Watchdog
from windlass.host.wire import Message
from windlass.service import ServeAPI

TELL_S = 0.5  # time to send last words
STUCK_S = 2.0  # time for a driver to store an end
CLOSE_S = 1.5  # at least so long a program may take to close what it has opened, when the runs took all of the time
KEEP_S = 900.0  # how long an end that nobody fetches is kept

Leave = Callable[[int], None]
Say = Callable[[Message], None]


@dataclass(frozen=True, slots=True)
class Setting:
    """Where the runs are executed."""

    app: ServeAPI
    lifespan: Lifespan
    program: Program
    agents: asyncio.AbstractEventLoop
    leave: Leave  # end the process with this exit code
    patience: Patience
    memory_bytes: int  # how much the process may use
    is_child: bool = False  # this process exists for one run


class Care:
    """Every run this host executes. Lives on the server's loop."""

    def __init__(self, setting: Setting) -> None:
        self.app = setting.app
        self.agents = setting.agents
        self.watchdog = Watchdog(setting.agents, setting.patience)
        self.is_stopping = False
        self._setting = setting
        self._runs: dict[str, Hosted] = {}
        self._drivers: dict[str, Driver] = {}
        self._watchers: list[Say] = []
        self._over_since: dict[str, float] = {}
        self._has_settled = asyncio.Event()
        self._visits = 0  # requests at the program's own routes
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def open_runs(self) -> int:
        """How many runs have not ended."""
        return sum(not run.is_over for run in self._runs.values())

    def find_or_start(self, message: Message) -> Hosted:
        """The run of an attach. A `ValueError` says why there can be none."""
        order = Order.read(message)
        run = self._runs.get(order.run_id)
        if run is not None and run.order.attempt == order.attempt:
            return run
        if run is not None:
            run.cancel()
            self.forget(run)
        flow = self.app.flow(order.flow)
        if flow is None:
            raise ValueError(f"no such flow: {order.flow}")
        setting = self._setting
        is_alone = message.get("isolate") or self.app.isolation == "process"
        if is_alone and not setting.is_child:
            run = ChildRun(order, setting.program, on_report=self._call_driver, on_gone=self._forget_child)
        else:
            run = SharedRun(
                setting.agents, setting.program.boot_id, on_report=self._call_driver, on_stuck=self._replace
            ).start(order, flow, self.app, message.get("steps") or [])
            if setting.is_child:
                run.own_process()
        self._runs[order.run_id] = run
        return run

    def drive(self, run: Hosted, driver: Driver, message: Message) -> None:
        """Attach a driver; an earlier one is hung up on."""
        before = self._drivers.get(run.order.run_id)
        if before is not None and before is not driver:
            before.close()
        self._drivers[run.order.run_id] = driver
        run.attach(driver, message)

    def undrive(self, run: Hosted, driver: Driver) -> None:
        """The driver is gone."""
        if self._drivers.get(run.order.run_id) is driver:
            del self._drivers[run.order.run_id]
            run.detach()
        self._settle()

    def cancel(self, run_id: str) -> None:
        """Stop a run, if it is here."""
        if run_id in self._runs:
            self._runs[run_id].cancel()

    def forget(self, run: Hosted) -> None:
        """A run's end is stored."""
        run.forget()
        if self._runs.get(run.order.run_id) is run:
            del self._runs[run.order.run_id]
        self._settle()
        if self._setting.is_child:
            self._spawn(self.depart(CLOSE_S))

    @contextmanager
    def visited(self) -> Generator[None]:
        """Somebody is at the program's own routes: who stops it in order waits for them as well."""
        self._visits += 1
        try:
            yield
        finally:
            self._visits -= 1
            self._settle()

    def watch(self, say: Say) -> None:
        """Tell about parked runs that have something to report, now and from now on."""
        self._watchers.append(say)
        for run in self._runs.values():
            if run.order.run_id not in self._drivers and run.is_parked:
                run.detach()  # calls again, if there is something to report

    def unwatch(self, say: Say) -> None:
        """Tell no more."""
        with suppress(ValueError):
            self._watchers.remove(say)

    def stop_soon(self, grace_s: float, *, visits_s: float = 0, closing_s: float = CLOSE_S) -> None:
        """Take no more runs, give those that work time to end, have the program close what is open, and leave.

        Runs that take longer are the next host's from here on; that of a process that is gone has nobody to hear them.
        Visits, which nobody can take over, have `visits_s` more where no run is open: a parked one could go on by
        itself beside the next host, which has it from here on.
        """
        self.is_stopping = True
        self._spawn(self._stop(grace_s, visits_s, closing_s))

    async def depart(self, closing_s: float) -> None:
        """Have the program close what it has opened, and leave."""
        await self._setting.lifespan.close(closing_s)
        self._setting.leave(0)

    def begin(self) -> None:
        """Start looking after the loop, the memory, and ends nobody fetches."""
        self._spawn(self.watchdog.watch(self._warn_all, lambda: self._leave_with(EXIT_BLOCKED)))
        limit = self._setting.memory_bytes
        self._spawn(memory.watch(limit, self._warn_all, lambda: self._leave_with(EXIT_FULL)))
        self._sweep()

    async def _stop(self, grace_s: float, visits_s: float, closing_s: float) -> None:
        self._settle()
        until = monotonic() + grace_s
        await self._settled(grace_s)
        if not self.open_runs:
            await self._settled(visits_s)
        self._hang_up()
        await self.depart(max(until - monotonic(), 0) + closing_s)

    async def _settled(self, patience_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._has_settled.wait()

    def _hang_up(self) -> None:
        """Part from every driver: what a run meets when the program closes is not its end, the next host has it."""
        drivers, self._drivers = self._drivers, {}
        for run_id, driver in drivers.items():
            if run_id in self._runs:
                self._runs[run_id].detach()
            driver.close()

    def _settle(self) -> None:
        if not self._visits and all(run.is_parked for run in self._runs.values()):
            self._has_settled.set()
        else:
            self._has_settled.clear()

    def _call_driver(self, run: Hosted) -> None:
        order = run.order
        for say in self._watchers:
            say({"op": "wake", "run_id": order.run_id, "tenant_id": order.tenant_id, "attempt": order.attempt})

    def _forget_child(self, run: Hosted) -> None:
        if self._runs.get(run.order.run_id) is run:
            del self._runs[run.order.run_id]
        self._settle()

    def _replace(self, stuck: Hosted) -> None:
        self._warn_all(f"The process is replaced: run {stuck.order.run_id} did not stop. Runs resume from their steps.")
        self.is_stopping = True
        asyncio.get_running_loop().call_later(STUCK_S, self._setting.leave, EXIT_REPLACED)

    def _leave_with(self, code: int) -> None:
        self.is_stopping = True
        asyncio.get_running_loop().call_later(TELL_S, self._setting.leave, code)

    def _warn_all(self, text: str) -> None:
        for run in self._runs.values():
            if not run.is_parked:
                run.warn(text)

    def _sweep(self) -> None:
        """Forget ends that nobody has fetched for a quarter of an hour: the record tells how the run ended."""
        now = monotonic()
        lonely = {key: run for key, run in self._runs.items() if run.is_over and key not in self._drivers}
        self._over_since = {key: self._over_since.get(key, now) for key in lonely}
        for key, since in self._over_since.items():
            if now - since > KEEP_S:
                self.forget(lonely[key])
        asyncio.get_running_loop().call_later(60, self._sweep)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
