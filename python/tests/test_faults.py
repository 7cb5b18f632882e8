"""Decisions under load while the daemon, and beside it a deciding process with a spool, are killed again and again; counted on both sides.

6 kills; with RECEIPTD_LONG=1 100.
"""
from __future__ import annotations

import collections
import os
import random
import subprocess
import sys
import threading
import time
import unittest
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import receiptd
from daemon import Daemon
from receiptd import BreakerOptions, Client, ReceiptUnavailable

KILLS = 100 if os.environ.get("RECEIPTD_LONG") == "1" else 6
HERE = Path(__file__).resolve().parent
#: Seconds: the longest time between two kills.
LIFE = 0.15


def in_ledger(socket: str) -> list[Mapping[str, Any]]:
    with Client(socket, timeout=60) as client:
        last = client.head("default")["org_seq"] or 0
        return [client.get(organization="default", org_seq=seq).receipt for seq in range(1, last + 1)]


class Load:
    """Decides in this process, without a spool: two threads wait until the daemon is back, two do not."""

    def __init__(self, socket: str) -> None:
        self.executed: list[str] = []
        self.unknown: set[str] = set()
        self.not_stored: set[str] = set()
        self._stop = threading.Event()
        self._client = Client(socket, system_id="live", breaker=BreakerOptions(open_for=0.05))
        self._threads = [threading.Thread(target=self._work, args=(name, timeout))
                         for name, timeout in (("patient", 20), ("patient too", 20), ("hasty", 0.03), ("hasty too", 0.03))]
        for thread in self._threads:
            thread.start()

    def more(self, count: int) -> None:
        before = len(self.executed)
        while len(self.executed) < before + count:
            time.sleep(0.005)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._client.close()

    def _work(self, name: str, timeout: float) -> None:
        @receiptd.receipt(self._client, timeout=timeout)
        def decide(n: str) -> str:
            return n
        for n in range(1_000_000):
            if self._stop.is_set():
                return
            try:
                self.executed.append(decide(f"{name}-{n}"))
            except ReceiptUnavailable as error:
                assert error.receipt_id is not None
                (self.unknown if error.maybe_stored else self.not_stored).add(f"{name}-{n}")
                time.sleep(0.02)
            time.sleep(0.003)


class Program:
    """Decides in a process of its own, with a spool."""

    def __init__(self, daemon: Daemon) -> None:
        self.spool = os.path.join(daemon.folder, "spool")
        self._socket, self._path = daemon.socket, os.path.join(daemon.folder, "executed")
        self._runs = 0
        self.start()

    def start(self, count: int = 1_000_000) -> None:
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        self._process = subprocess.Popen([sys.executable, str(HERE / "load.py"), self._socket, self.spool, self._path, str(self._runs), str(count)],
                                         stdout=subprocess.PIPE, text=True, env=env)
        self._runs += 1

    def executed(self) -> list[str]:
        return Path(self._path).read_text().split("\n")[:-1] if os.path.exists(self._path) else []

    def more(self, count: int) -> None:
        before = len(self.executed())
        while len(self.executed()) < before + count:
            time.sleep(0.01)
            assert self._process.poll() is None, "it has to go on deciding, whatever is killed"

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()

    def deliver(self) -> str:
        self.start(0)
        return self._process.communicate()[0]


class Killed(unittest.TestCase):
    def test_the_daemon_and_a_deciding_process_with_a_spool_under_load(self) -> None:
        daemon = Daemon().start()
        self.addCleanup(daemon.remove)
        load, program = Load(daemon.socket), Program(daemon)
        self.addCleanup(load.stop)
        self.addCleanup(program.kill)
        for kill in range(KILLS):
            program.more(20)
            load.more(5)
            time.sleep(random.uniform(0, LIFE))
            daemon.kill()
            time.sleep(random.uniform(0, 0.2 if kill % 2 == 0 else 0.05))
            if kill % 2 == 1:
                daemon.start()
            if kill % 3 != 1:  # with nobody there, or with the daemon just back
                program.kill()
                program.start()
            if kill % 2 == 0:
                if kill % 4 == 0:
                    program.more(20)  # decisions that are made with nobody there
                daemon.start()
        load.stop()
        program.kill()
        self.assertEqual(program.deliver(), "delivered\n")

        receipts = in_ledger(daemon.socket)
        found = {system: collections.Counter(receipt["decision"] for receipt in receipts if receipt["system_id"] == system) for system in ("live", "load")}
        self.assertEqual(sum(map(len, found.values())), len(receipts), "one is there twice")
        live, done = found["live"], program.executed()
        self.assertEqual([n for n in load.executed if live[n] != 1], [], "executed, and not recorded once")
        self.assertEqual([n for n in load.not_stored if n in live], [], "said not to be stored")
        self.assertEqual(set(live) - set(load.executed) - load.unknown, set())
        self.assertGreater(len(load.not_stored) + len(load.unknown), 0, "the kills were not felt")
        self.assertEqual(len(done), len(set(done)))
        self.assertEqual([n for n in done if found["load"][n] != 1], [], "executed, and not recorded once")
        self.assertEqual([len(os.listdir(os.path.join(program.spool, kind))) for kind in ("refused", "damaged")], [0, 0])
        late = [receipt for receipt in receipts if "receiptd_spooled" in receipt.get("metadata", {})]
        self.assertGreater(len(late), 20, "the spool was not used")


if __name__ == "__main__":
    unittest.main()
