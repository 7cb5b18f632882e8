"""A real daemon for tests: dist/cli/main.js with a ledger in a folder of its own, to be killed and started again."""
from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from receiptd import Acknowledgement

ROOT = Path(__file__).resolve().parents[2]
MAIN = ROOT / "dist/cli/main.js"
TAKING = '"msg":"taking receipts"'


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("RECEIPTD_")}


def node() -> str:
    """The Node that the package brings, since the host's may be too old; or the one that started the tests."""
    given = os.environ.get("RECEIPTD_TEST_NODE")
    own = ROOT / "node_modules/.bin/node"
    return given or (str(own) if own.exists() else "node")


class Daemon:
    def __init__(self, **config: Any) -> None:
        self.folder = tempfile.mkdtemp(prefix="receiptd-py-")
        self.socket = os.path.join(self.folder, "receiptd-data", "receiptd.sock")
        self.config = os.path.join(self.folder, "receiptd.yaml")
        with open(self.config, "w", encoding="utf-8") as file:
            json.dump(config, file)  # which YAML has in it
        self.process: subprocess.Popen[str] | None = None
        self.command("init")

    def command(self, *args: str) -> str:
        return subprocess.run([node(), str(MAIN), *args, "--config", self.config], check=True, capture_output=True, text=True, env=environment()).stdout

    def start(self) -> Daemon:
        process = subprocess.Popen([node(), str(MAIN), "serve", "--config", self.config], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True, env=environment())
        self.process = process
        assert process.stderr is not None
        said = ""
        for line in process.stderr:
            said += line
            if TAKING in line:
                return self
        raise AssertionError(f"the daemon ended:\n{said}")

    def stop_answering(self) -> None:
        """Returns when each of its threads stands still: the signal alone comes a moment before."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        while any((task / "stat").read_text().rpartition(")")[2].split()[0] not in "Tt" for task in Path(f"/proc/{self.process.pid}/task").iterdir()):
            time.sleep(0.001)

    def kill(self, signal_: int = signal.SIGKILL) -> None:
        if self.process is not None:
            self.process.send_signal(signal_)
            self.process.wait()
            assert self.process.stderr is not None
            self.process.stderr.close()
            self.process = None

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def running() -> tuple[str, Daemon | None]:
    """The socket of the daemon that is running already (RECEIPTD_TEST_SOCKET), or of one of its own, which is to be removed."""
    given = os.environ.get("RECEIPTD_TEST_SOCKET")
    if given is not None:
        return given, None
    daemon = Daemon(anchor={"schedule": "0 0 1 1 *", "heartbeat": "1h"}).start()
    return daemon.socket, daemon


def stored(value: Any) -> Acknowledgement:
    assert isinstance(value, Acknowledgement)
    return value
