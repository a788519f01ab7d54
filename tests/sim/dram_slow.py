"""A memory controller clock by clock, in plain Python: what the compiled one is compared with.

Nothing is shared with it but JEDEC's timing: each clock, each bank's wish is judged by a table of pairs of commands and
the history of what was issued when.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sim.dram_timing import DramTiming

LENGTH = {"ACT": 4, "RD": 4, "WR": 4, "MWR": 4, "PRE": 2, "PREAB": 2, "REF": 2}


@dataclass
class Request:
    """One burst: kind is RD, WR or MWR."""

    bank: int
    row: int
    kind: str
    arrival: int = 0
    number: int = 0


@dataclass
class Run:
    """What happened."""

    end: int = 0
    commands: list[tuple[int, str, int]] = field(default_factory=list)

    def count(self, *names: str) -> int:
        return sum(name in names for _, name, _ in self.commands)


def rules(t: DramTiming, refresh: str) -> list[tuple[str, str, bool, int]]:
    """Pairs of commands with the least distance between their last clocks; True: of the same bank only."""
    burst = t.burst_beats // 2
    reads, writes = ("RD",), ("WR", "MWR")
    table = [
        ("ACT", "ACT", True, t.rc),
        ("ACT", "ACT", False, t.rrd),
        ("ACT", "PRE", True, t.ras),
        ("ACT", "PREAB", False, t.ras),
        ("ACT", "REF", refresh == "per-bank", t.rc),
        ("ACT", "REF", False, t.rrd),
        ("PRE", "ACT", True, t.rp_bank),
        ("PRE", "REF", refresh == "per-bank", t.rp_bank),
        ("PRE", "PRE", False, t.ppd),
        ("PRE", "PREAB", False, t.ppd),
        ("PREAB", "ACT", False, t.rp_all),
        ("PREAB", "REF", False, t.rp_all),
        ("REF", "REF", False, t.rfc_all if refresh == "all-bank" else t.rfc_bank),
        ("REF", "ACT", refresh == "per-bank", t.rfc_all if refresh == "all-bank" else t.rfc_bank),
        ("REF", "ACT", False, t.rrd if refresh == "per-bank" else 0),
    ]
    for column in reads + writes:
        table += [("ACT", column, True, t.rcd)]
        table += [(first, column, False, t.ccd) for first in (reads if column in reads else writes)]
    for first in reads:
        close = burst + max(t.rtp, 8) - 8
        table += [(first, "PRE", True, close), (first, "PREAB", False, close)]
        table += [(first, write, False, t.rl + t.dqsck + burst - t.wl + t.wpre + t.rpst) for write in writes]
    for first in writes:
        close = t.wl + 1 + burst + t.wr
        table += [(first, "PRE", True, close), (first, "PREAB", False, close)]
        table += [(first, "RD", False, t.wl + 1 + burst + t.wtr), (first, "MWR", True, t.ccdmw)]
    return table


class Controller:
    """One channel."""

    def __init__(self, timing: DramTiming, banks: int, depth: int, refresh: str) -> None:
        self.timing, self.banks, self.depth, self.refresh = timing, banks, depth, refresh
        self.before: dict[str, list[tuple[str, bool, int]]] = {name: [] for name in LENGTH}
        for first, second, same, distance in rules(timing, refresh):
            self.before[second].append((first, same, distance + LENGTH[first] - LENGTH[second]))
        self.last: dict[tuple[str, int], int] = {}
        self.windowed = ("ACT", "REF") if refresh == "per-bank" else ("ACT",)
        self.window: list[int] = []
        self.open: dict[int, int] = {}
        self.queues: list[list[Request]] = [[] for _ in range(banks)]
        self.bus = 0
        self.run = Run()
        self.period = {"none": None, "all-bank": timing.refi, "per-bank": timing.refi_bank}[refresh]
        self.refresh_at = self.period
        self.todo = list(range(banks))
        self.fixed: int | None = None

    def ready(self, name: str, bank: int, now: int) -> int:
        """Soonest clock, from now on, at which a command may start."""
        soonest = max(now, self.bus)
        for first, same, distance in self.before[name]:
            for other in (bank,) if same else range(self.banks):
                if (first, other) in self.last:
                    soonest = max(soonest, self.last[first, other] + distance)
        if name in self.windowed and len(self.window) >= 4:
            soonest = max(soonest, self.window[-4] + self.timing.faw - LENGTH[name])
        return soonest

    def wish(self, bank: int) -> tuple[str, Request] | None:
        queue = self.queues[bank]
        if not queue:
            return None
        if bank not in self.open:
            return "ACT", queue[0]
        for request in queue:
            if request.row == self.open[bank]:
                return request.kind, request
        return "PRE", queue[0]

    def refresh_wish(self, now: int) -> tuple[str, int] | None:
        if self.refresh_at is None or now < self.refresh_at:
            return None
        if self.refresh == "all-bank":
            return ("PREAB" if self.open else "REF"), 0
        if self.fixed is None:
            idle = [bank for bank in self.todo if not self.queues[bank]]
            bank = (idle or self.todo)[0]
            if bank in self.open:
                return "PRE", bank
            self.fixed = bank
        return "REF", self.fixed

    def issue(self, now: int) -> Request | None:
        """Start at most one command; return the request it serves."""
        offers = []
        due = self.refresh_wish(now)
        if due:
            offers.append((self.ready(*due, now) + LENGTH[due[0]], -1, due[0], due[1], None))
        for bank in range(self.banks):
            wish = self.wish(bank)
            if wish and not (due and (self.refresh == "all-bank" or bank == self.fixed)):
                name, request = wish
                offers.append((self.ready(name, bank, now) + LENGTH[name], request.number, name, bank, request))
        if not offers:
            return None
        done, _, name, bank, request = min(offers, key=lambda offer: offer[:2])
        if done - LENGTH[name] > now:
            return None
        self.start(name, bank, request, now)
        self.refresh_wish(now)
        return request if name in ("RD", "WR", "MWR") else None

    def start(self, name: str, bank: int, request: Request | None, now: int) -> None:
        self.run.commands.append((now, name, bank))
        self.last[name, bank] = now
        self.bus = now + LENGTH[name]
        if name in self.windowed:
            self.window.append(self.bus)
        t = self.timing
        if name == "ACT":
            assert request is not None
            self.open[bank] = request.row
        elif name == "PRE":
            del self.open[bank]
        elif name == "PREAB":
            self.open.clear()
        elif name == "REF":
            self.refresh_at += self.period
            self.fixed = None
            if self.refresh == "per-bank":
                self.todo.remove(bank)
                self.todo = self.todo or list(range(self.banks))
        else:
            self.queues[bank].remove(request)
            data = 3 + t.burst_beats // 2
            self.run.end = max(self.run.end, now + data + (t.rl + t.dqsck if name == "RD" else t.wl))


def slow_run(requests: list[Request], timing: DramTiming, banks: int, depth: int, refresh: str) -> Run:
    """Serve requests in one channel, clock by clock."""
    controller = Controller(timing, banks, depth, refresh)
    waiting = list(requests)
    now, full, total = 0, None, 0
    while waiting or any(controller.queues):
        full = None if served_in(controller, now, full) else full
        if waiting and full is None and waiting[0].arrival <= now:
            request = waiting.pop(0)
            total += 1
            request.number = total
            queue = controller.queues[request.bank]
            queue.append(request)
            full = request.bank if len(queue) >= depth else None
            full = None if served_in(controller, now, full) else full
        now += 1
    return controller.run


def served_in(controller: Controller, now: int, bank: int | None) -> bool:
    """Start what may start; tell whether it served a request of the bank."""
    served = controller.issue(now)
    return served is not None and served.bank == bank
