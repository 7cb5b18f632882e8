"""A process that decides all the time, for tests that kill it: each decision is executed by writing its number into a file.

    load.py SOCKET SPOOL FILE RUN COUNT        COUNT 0: only deliver what is in the spool
"""
from __future__ import annotations

import os
import sys
import time

import receiptd


def main() -> None:
    socket, spool, path, run, count = sys.argv[1:]
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with receiptd.Client(socket, system_id="load", spool=spool, spool_wait=0.02, breaker=receiptd.BreakerOptions(open_for=0.05)) as client:
        @receiptd.receipt(client)
        def decide(n: str) -> str:
            return n
        for n in range(int(count)):
            os.write(file, f"{decide(f'{run}-{n}')}\n".encode())
            time.sleep(0.002)
        assert client.spool is not None
        print("delivered" if client.spool.flush(60) else f"{client.spool.pending} are left", flush=True)


if __name__ == "__main__":
    main()
