"""Decisions under load while the daemon, and with a spool the deciding process too, are killed again and again; counted on both sides.

10 kills; with RECEIPTD_LONG=1 100.
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

KILLS = 100 if os.environ.get("RECEIPTD_LONG") == "1" else 10
HERE = Path(__file__).resolve().parent
#: Seconds: the longest time between two kills.
LIFE = 0.15


def in_ledger(socket: str) -> list[Mapping[str, Any]]:
    with Client(socket, timeout=60) as client:
        last = client.head("default")["org_seq"] or 0
        return [client.get(organization="default", org_seq=seq).receipt for seq in range(1, last + 1)]


class Killed(unittest.TestCase):
    def setUp(self) -> None:
        self.daemon = Daemon().start()

    def tearDown(self) -> None:
        self.daemon.remove()

    def test_the_daemon_under_load(self) -> None:
        executed: list[str] = []
        unknown: set[str] = set()
        not_stored: set[str] = set()
        stop = threading.Event()
        client = Client(self.daemon.socket, system_id="load", breaker=BreakerOptions(open_for=0.05))

        def work(name: str, timeout: float) -> None:
            @receiptd.receipt(client, timeout=timeout)
            def decide(n: str) -> str:
                return n
            for n in range(1_000_000):
                if stop.is_set():
                    return
                try:
                    executed.append(decide(f"{name}-{n}"))
                except ReceiptUnavailable as error:
                    self.assertIsNotNone(error.receipt_id)
                    (unknown if error.maybe_stored else not_stored).add(f"{name}-{n}")
                time.sleep(0.003)

        threads = [threading.Thread(target=work, args=(name, timeout)) for name, timeout in (("patient", 20), ("patient too", 20), ("hasty", 0.03), ("hasty too", 0.03))]
        for thread in threads:
            thread.start()
        for _ in range(KILLS):
            before = len(executed)
            while len(executed) < before + 5:
                time.sleep(0.005)
            time.sleep(random.uniform(0, LIFE))
            self.daemon.kill()
            time.sleep(random.uniform(0, 0.05))
            self.daemon.start()
        stop.set()
        for thread in threads:
            thread.join()
        client.close()
        found = collections.Counter(receipt["decision"] for receipt in in_ledger(self.daemon.socket))
        self.assertEqual([n for n in executed if found[n] != 1], [], "executed, and not recorded once")
        self.assertEqual([n for n, times in found.items() if times > 1], [])
        self.assertEqual([n for n in not_stored if n in found], [], "said not to be stored")
        self.assertEqual(set(found) - set(executed) - unknown, set())
        self.assertGreater(len(not_stored) + len(unknown), 0, "the kills were not felt")

    def test_the_daemon_and_the_deciding_process_with_a_spool(self) -> None:
        spool, path = os.path.join(self.daemon.folder, "spool"), os.path.join(self.daemon.folder, "executed")
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}

        def start(run: int, count: int) -> subprocess.Popen[str]:
            return subprocess.Popen([sys.executable, str(HERE / "load.py"), self.daemon.socket, spool, path, str(run), str(count)], stdout=subprocess.PIPE, text=True, env=env)

        def executed() -> list[str]:
            return Path(path).read_text().split("\n")[:-1] if os.path.exists(path) else []

        process = start(0, 1_000_000)
        for kill in range(KILLS):
            before = len(executed())
            while len(executed()) < before + 20:
                time.sleep(0.01)
                self.assertIsNone(process.poll(), "it has to go on deciding, whatever is killed")
            time.sleep(random.uniform(0, LIFE))
            if kill % 2 == 0:
                self.daemon.kill()
                time.sleep(random.uniform(0, 0.2))
            if kill % 3 != 1:
                process.kill()
                process.communicate()
                process = start(kill + 1, 1_000_000)
            if self.daemon.process is None:
                while kill % 4 == 0 and len(executed()) < before + 40:  # some decisions are made with nobody there
                    time.sleep(0.01)
                self.daemon.start()
        process.kill()
        process.communicate()
        said, _ = start(KILLS + 1, 0).communicate()
        self.assertEqual(said, "delivered\n")
        receipts = in_ledger(self.daemon.socket)
        done, found = executed(), collections.Counter(receipt["decision"] for receipt in receipts)
        self.assertEqual(len(done), len(set(done)))
        self.assertEqual([n for n in done if found[n] != 1], [], "executed, and not recorded once")
        self.assertEqual([n for n, times in found.items() if times > 1], [])
        self.assertEqual([len(os.listdir(os.path.join(spool, kind))) for kind in ("refused", "damaged")], [0, 0])
        late = [receipt for receipt in receipts if "receiptd_spooled" in receipt.get("metadata", {})]
        self.assertGreater(len(late), 20, "the spool was not used")


if __name__ == "__main__":
    unittest.main()
