"""Tasks and event loops that share one client, cancelled or not, against a stand-in for the daemon."""
from __future__ import annotations

import asyncio
import threading
import unittest
from typing import Any

from fake import SILENCE, Fake, acknowledgement
from receiptd import AsyncClient

DECISION = {"system_id": "s", "decision": 1, "inputs": {}}


def stored(n: int, call: dict[str, Any]) -> Any:
    return acknowledgement(call["params"]["receipt"]["receipt_id"], n + 1)


class Tasks(unittest.TestCase):
    def setUp(self) -> None:
        self.fake = Fake()

    def tearDown(self) -> None:
        self.fake.close()

    def test_more_tasks_than_may_be_in_flight(self) -> None:
        async def main() -> list[Any]:
            async with AsyncClient(self.fake.path) as client:
                return await asyncio.gather(*(client.append(DECISION, timeout=20) for _ in range(1500)))
        self.assertEqual(len({one.receipt_id for one in asyncio.run(main())}), 1500)
        self.assertEqual(self.fake.connections, 1)

    def test_a_cancelled_call_leaves_the_others_alone(self) -> None:
        released = threading.Event()
        self.fake.behave = lambda n, call: (released.wait(10) and None) or stored(n, call)
        async def main() -> Any:
            async with AsyncClient(self.fake.path) as client:
                tasks = [asyncio.create_task(client.append(DECISION)) for _ in range(3)]
                while not self.fake.lines:
                    await asyncio.sleep(0.01)
                tasks[0].cancel()
                released.set()
                return await asyncio.gather(*tasks, return_exceptions=True)
        got = asyncio.run(main())
        self.assertIsInstance(got[0], asyncio.CancelledError)
        self.assertEqual([one.receipt_id for one in got[1:]], [call["params"]["receipt"]["receipt_id"] for call in self.fake.calls][1:])

    def test_calls_that_are_cancelled_have_their_places_until_they_are_answered_or_late(self) -> None:
        self.fake.behave = lambda n, call: SILENCE
        async def main() -> Any:
            async with AsyncClient(self.fake.path, timeout=4) as client:  # longer than a busy machine takes for what follows
                for _ in range(3):
                    tasks = [asyncio.create_task(client.append(DECISION)) for _ in range(500)]
                    await asyncio.sleep(0.1)
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)
                sent = len(self.fake.lines)
                self.fake.behave = stored
                return sent, await client.append(DECISION, timeout=20)
        sent, got = asyncio.run(main())
        self.assertLessEqual(sent, 1024)
        self.assertEqual((got.queued, self.fake.connections), (False, 2))

    def test_event_loops_at_the_same_time(self) -> None:
        client = AsyncClient(self.fake.path)
        turn = threading.Barrier(2)
        async def main() -> None:
            for _ in range(10):
                await client.append(DECISION)
                turn.wait(10)
        threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((len(self.fake.lines), self.fake.connections), (20, 2))

    def test_one_client_in_several_event_loops(self) -> None:
        client = AsyncClient(self.fake.path)
        for _ in range(2):
            asyncio.run(client.append(DECISION))
        self.assertEqual(self.fake.connections, 2)
        asyncio.run(client.close())


if __name__ == "__main__":
    unittest.main()
