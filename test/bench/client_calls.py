"""client-calls.ts in Python. Its task has one member more, `receipts`: a file with a receipt a line."""
import json
import socket
import sys
import time

from receiptd import Client

task = json.loads(sys.argv[1])
with open(task["receipts"], encoding="utf-8") as file:
    receipts = [json.loads(line) for line in file]


def timed(call):
    times = []
    for i in range(task["warmUp"] + task["count"]):
        began = time.perf_counter()
        call(i)
        if i >= task["warmUp"]:
            times.append((time.perf_counter() - began) * 1000)
    times.sort()
    print(json.dumps({"p50": times[len(times) // 2], "p99": times[int(len(times) * 0.99)], "max": times[-1]}))


if task["kind"] == "client":
    with Client(task["socket"], ack="wal") as client:
        timed(lambda i: client.append(receipts[i % len(receipts)]))
else:
    lines = [json.dumps({"jsonrpc": "2.0", "id": 1, "method": "append", "params": {"receipt": receipt, "ack": "wal"}}, separators=(",", ":")).encode() + b"\n" for receipt in receipts]
    with socket.socket(socket.AF_UNIX) as echo:
        echo.connect(task["socket"])

        def bare(i):
            echo.sendall(lines[i % len(lines)])
            while not echo.recv(65536).endswith(b"\n"):
                pass

        timed(bare)
