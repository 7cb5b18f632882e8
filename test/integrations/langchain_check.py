"""LangChain for Python against a real daemon: `npm run langchain-check`. Needs langchain-core (PyPI), which the tests do without, and dist/.

    python3 -m venv venv && venv/bin/pip install langchain-core && PATH=$PWD/venv/bin:$PATH npm run langchain-check
"""
from __future__ import annotations

import asyncio
import functools
import hashlib
import sys
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "python/src"), str(ROOT / "python/tests")]

try:
    from langchain_core.caches import InMemoryCache
    from langchain_core.language_models import BaseChatModel
    from langchain_core.language_models.fake_chat_models import FakeListChatModel
    from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
    from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
    from langchain_core.tools import StructuredTool, tool
except ImportError as error:
    sys.exit(f"{error}: pip install langchain-core")

from daemon import Daemon
from receiptd import Client, DecisionBlocked, ReceiptRefused, ReceiptUnavailable
from receiptd.integrations.langchain import receipted_model, receipted_tool


def sha256(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


class Paying(BaseChatModel):
    """Calls a tool, in a stream too, which its _generate may use as some providers' do."""

    inner: bool = False

    @property
    def _llm_type(self) -> str:
        return "paying"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self.bind(tools=[{"type": "function", "function": {"name": "pay"}}], **kwargs)

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        if self.inner:
            list(self._stream(messages, stop, run_manager, **kwargs))
        call = {"name": "pay", "args": {"amount": 5}, "id": "c1"}
        message = AIMessage("", tool_calls=[call], response_metadata={"finish_reason": "tool_calls", "model_name": "pay-1"},
                            usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3})
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        for text, args in (("All ", ""), ("right", ""), ("", '{"amo'), ("", 'unt":5}')):
            chunks = [{"index": 0, "args": args, "name": "pay" if args[0] == "{" else None, "id": "c1" if args[0] == "{" else None}] if args else []
            yield ChatGenerationChunk(message=AIMessageChunk(content=text, tool_call_chunks=chunks))


class Searching(Paying):
    """Its provider runs a tool by itself, says what it found, and calls one of ours; or breaks off in the middle."""

    breaks_off: bool = False

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        chunks = list(self._stream(messages, stop, run_manager, **kwargs))
        whole = functools.reduce(lambda before, chunk: before + chunk, chunks).message
        return ChatResult(generations=[ChatGeneration(message=AIMessage(whole.content, tool_calls=whole.tool_calls))])

    def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        said: list[Any] = [
            {"type": "text", "text": "Looking. ", "index": 0},
            {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}, "index": 1},
            {"type": "input_json_delta", "partial_json": '{"query":', "index": 1}, {"type": "input_json_delta", "partial_json": '"x"}', "index": 1},
            {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [], "index": 2},
            {"type": "text", "text": "Found.", "index": 3},
        ]
        for block in said:
            yield ChatGenerationChunk(message=AIMessageChunk(content=[block]))
        if self.breaks_off:
            raise ConnectionError("the provider went away")
        yield ChatGenerationChunk(message=AIMessageChunk(content=[{"type": "tool_use", "id": "c1", "name": "pay", "input": {}, "index": 4}],
                                                         tool_call_chunks=[{"index": 4, "args": '{"amount":5}', "name": "pay", "id": "c1"}]))


class Check(unittest.TestCase):
    daemon: Daemon
    client: Client

    @classmethod
    def setUpClass(cls) -> None:
        cls.daemon = Daemon(origin="test.example/receipts").start()
        cls.client = Client(cls.daemon.socket)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.client.close()
        cls.daemon.kill()

    def setUp(self) -> None:
        self.options: dict[str, Any] = {"client": self.client, "system_id": "assistant"}
        self.gone: dict[str, Any] = {"client": Client(self.daemon.socket + ".gone", timeout=0.1), "system_id": "assistant"}
        self.size = self.client.head()["size"]

    def tearDown(self) -> None:
        self.gone["client"].close()

    def receipts(self) -> list[Any]:
        return [self.client.get(log_index=index).receipt for index in range(self.size, self.client.head()["size"])]

    def fake(self, *responses: str, **options: Any) -> Any:
        return receipted_model(FakeListChatModel(responses=list(responses or ("All right",))), **{**self.options, **options})

    def test_invoke(self) -> None:
        self.assertEqual(self.fake().invoke([HumanMessage("Ada asks")]).content, "All right")
        [receipt] = self.receipts()
        self.assertEqual(receipt["inputs"]["messages_hash"], sha256('[{"content":"Ada asks","type":"human"}]'))
        self.assertEqual((receipt["decision"]["text_hash"], receipt["decision"]["text_length"]), (sha256("All right"), 9))
        self.assertNotIn("Ada", str(receipt))

    def test_a_tool_call_has_one_receipt_also_if_the_model_streams_inside(self) -> None:
        for inner in (False, True):
            receipted_model(Paying(inner=inner), **self.options).bind_tools([]).invoke("Pay")
        for receipt in (receipts := self.receipts()):
            self.assertEqual(receipt["decision"]["tool_calls"], [{"id": "c1", "name": "pay", "arguments": {"amount": 5}}])
            self.assertEqual((receipt["model_version"], receipt["inputs"]["tools"], receipt["metadata"]["model_call"]["usage"]["total_tokens"]), ("pay-1", ["pay"], 3))
        self.assertEqual(len(receipts), 2)

    def test_every_way_to_an_answer(self) -> None:
        ways: dict[str, Any] = {
            "invoke": lambda model: model.invoke("x"), "batch": lambda model: model.batch(["x"]), "stream": lambda model: list(model.stream("x")),
            "ainvoke": lambda model: asyncio.run(model.ainvoke("x")), "bound": lambda model: model.bind(stop=["x"]).invoke("x"),
            "astream": lambda model: asyncio.run(_all(model.astream("x"))), "events": lambda model: asyncio.run(_all(model.astream_events("x", version="v2"))),
            "generate": lambda model: model.generate([[HumanMessage("x")]]), "a chain": lambda model: (model | (lambda it: it.content)).invoke("x"),
        }
        for name, way in ways.items():
            for make in (lambda options: self.fake(**options), lambda options: receipted_model(Paying(), **options)):
                with self.subTest(name):
                    before = self.client.head()["size"]
                    way(make(self.options))
                    self.assertEqual(self.client.head()["size"], before + 1)
                    with self.assertRaises(ReceiptUnavailable):
                        way(make(self.gone))

    def test_stream(self) -> None:
        for stream in ("before", "after"):
            chunks = list(receipted_model(Paying(), stream=stream, **self.options).stream("x"))
            self.assertEqual("".join(str(chunk.content) for chunk in chunks), "All right")
        for receipt in self.receipts():
            self.assertEqual((receipt["decision"]["text_hash"], receipt["decision"]["tool_calls"][0]["arguments"]), (sha256("All right"), {"amount": 5}))

    def test_stream_without_the_daemon(self) -> None:
        for stream, text in (("before", ""), ("after", "All right")):
            got: list[Any] = []
            with self.assertRaises(ReceiptUnavailable):
                for chunk in receipted_model(Paying(), stream=stream, **self.gone).stream("x"):
                    got.append(chunk)
            self.assertEqual(("".join(str(chunk.content) for chunk in got), [it for it in got if it.tool_call_chunks]), (text, []))

    def test_a_reader_that_goes_away(self) -> None:
        chunks = receipted_model(Paying(), stream="after", **self.options).stream("x")
        next(chunks)
        chunks.close()
        self.assertEqual([(it["decision"]["interrupted"], it["decision"]["text_hash"]) for it in self.receipts()], [(True, sha256("All "))])

    def test_a_provider_that_breaks_off_leaves_what_was_handed_out_and_nothing_that_was_held(self) -> None:
        for stream in ("before", "after"):
            for way in (lambda model: list(model.stream("x")), lambda model: asyncio.run(_all(model.astream("x")))):
                with self.subTest(stream), self.assertRaises(ConnectionError):
                    way(receipted_model(Searching(breaks_off=True), stream=stream, **self.options))
        decision = {"action": "respond", "finish_reason": None, "text_hash": sha256("Looking. "), "text_length": 9, "interrupted": True}
        self.assertEqual([it["decision"] for it in self.receipts()], [decision, decision])

    def test_a_tool_that_the_provider_runs_is_held_and_recorded_as_a_call(self) -> None:
        got: list[Any] = []
        with self.assertRaises(ReceiptUnavailable):
            for chunk in receipted_model(Searching(), stream="after", **self.gone).stream("x"):
                got.append(chunk.content)
        self.assertEqual(got, [[{"type": "text", "text": "Looking. ", "index": 0}]])
        model = receipted_model(Searching(), stream="after", **self.options)
        model.invoke("x")
        self.assertEqual(len([it for it in model.stream("x") if it.content]), 7)
        calls = [{"id": "c1", "name": "pay", "arguments": {"amount": 5}}, {"id": "s1", "name": "web_search", "arguments": {"query": "x"}}]
        for receipt in (receipts := self.receipts()):
            self.assertEqual((receipt["decision"]["action"], receipt["decision"]["tool_calls"]), ("call_tools", calls))
            self.assertEqual([it["type"] for it in receipt["decision"]["other"]], ["web_search_tool_result"])
        self.assertEqual(len(receipts), 2)

    def test_a_cache_is_not_asked(self) -> None:
        model = FakeListChatModel(responses=["one", "two"], cache=InMemoryCache())
        model.invoke("x")
        self.assertEqual(receipted_model(model, **self.options).invoke("x").content, "two")
        self.assertEqual(len(self.receipts()), 1)

    def test_gates_and_what_cannot_be_recorded(self) -> None:
        with self.assertRaises(DecisionBlocked):
            self.fake(block_on_failed_gate=True, gates=lambda it: [{"name": "polite", "status": "FAIL" if it.content == "All right" else "PASS"}]).invoke("x")
        self.assertIs(self.receipts()[0]["decision"]["executed"], False)
        with self.assertRaises(ReceiptRefused):
            self.fake().invoke("half a character: \ud800")

    def test_a_tool_that_calls_itself_has_a_receipt_each_time(self) -> None:
        @tool
        def once(amount: int) -> int:
            """Pays."""
            return amount

        again = receipted_tool(StructuredTool.from_function(func=lambda amount: again.run({"amount": 1}) if amount > 1 else amount, coroutine=None, name="again", description="x", args_schema={"type": "object", "properties": {"amount": {"type": "integer"}}}), **self.options)
        asyncio.run(receipted_tool(once, **self.options).ainvoke({"amount": 5}))
        asyncio.run(again.ainvoke({"amount": 3}))
        self.assertEqual([it["decision"]["tool_calls"][0]["arguments"] for it in self.receipts()], [{"amount": 5}, {"amount": 3}, {"amount": 1}])

    def test_tool(self) -> None:
        paid: list[int] = []

        @tool
        def pay(amount: int) -> str:
            """Pays."""
            paid.append(amount)
            return "paid"

        receipted = receipted_tool(pay, **self.options)
        self.assertEqual((receipted.invoke({"amount": 5}), asyncio.run(receipted.ainvoke({"amount": 6}))), ("paid", "paid"))
        self.assertEqual([it["decision"]["tool_calls"] for it in self.receipts()], [[{"name": "pay", "arguments": {"amount": n}}] for n in (5, 6)])
        for call in (lambda it: it.invoke({"amount": 7}), lambda it: asyncio.run(it.ainvoke({"amount": 7}))):
            with self.assertRaises(ReceiptUnavailable):
                call(receipted_tool(pay, **self.gone))
        with self.assertRaises(DecisionBlocked):
            receipted_tool(pay, block_on_failed_gate=True, gates=lambda call: [{"name": "limit", "status": "FAIL" if call["arguments"]["amount"] > 7 else "PASS"}], **self.options).invoke({"amount": 8})
        self.assertEqual(paid, [5, 6])


    def test_what_is_asked_and_handed_out_is_what_was_recorded_whoever_changes_it(self) -> None:
        asked: list[Any] = []
        given = {"amount": 5}

        class Slow(Paying):
            async def _agenerate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
                await asyncio.sleep(0)
                asked.append(messages[0].content)
                return self._generate(messages)

        async def ask() -> Any:
            message = HumanMessage("Pay 5")

            def inputs(request: Any) -> Any:
                asyncio.get_running_loop().call_soon(setattr, message, "content", "Pay 5000")
                return {"said": request["messages"][0]["content"]}
            return await receipted_model(Slow(), inputs=inputs, **self.options).ainvoke([message])

        def change(judged: Any) -> list[Any]:
            (judged["arguments"]["order"] if isinstance(judged, dict) else judged.tool_calls[0]["args"])["amount"] = 5000
            given["amount"] = 5000
            return []

        @tool
        def pay(order: dict[str, Any]) -> str:
            """Pays."""
            return str(order["amount"])

        asyncio.run(ask())
        answer = receipted_model(Paying(), gates=change, **self.options).invoke("Pay")
        given["amount"] = 5
        ran = receipted_tool(pay, gates=change, **self.options).invoke({"order": given})
        self.assertEqual((asked, answer.tool_calls[0]["args"], ran), (["Pay 5"], {"amount": 5}, "5"))
        sent, answered, called = self.receipts()
        self.assertEqual((sent["inputs"], answered["decision"]["tool_calls"][0]["arguments"]), ({"said": "Pay 5"}, {"amount": 5}))
        self.assertEqual(called["decision"]["tool_calls"][0]["arguments"], {"order": {"amount": 5}})

    def test_words_that_were_shown_before_what_no_receipt_can_hold(self) -> None:
        class Odd(Paying):
            def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
                yield ChatGenerationChunk(message=AIMessageChunk(content="Hi"))
                yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[{"index": 0, "args": '{"a": "\\u0000"}', "name": "pay", "id": "c1"}]))

        got: list[str] = []
        with self.assertRaises(ReceiptRefused):
            for chunk in receipted_model(Odd(), stream="after", **self.options).stream("x"):
                got.append(str(chunk.content))
        [receipt] = self.receipts()
        self.assertEqual((got, receipt["decision"]["text_hash"], receipt["decision"]["interrupted"]), (["Hi"], sha256("Hi"), True))


async def _all(items: Any) -> list[Any]:
    return [item async for item in items]


if __name__ == "__main__":
    unittest.main()
