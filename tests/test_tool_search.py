"""Search services and MediaWiki are spoken to in their own wire forms, by a real client, over real connections."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from flowwright.errors import UsageError
from flowwright.operators import Outcome
from flowwright.operators.outcome import ToolFault
from flowwright.operators.tools.providers import brave, configured, searxng
from flowwright.operators.tools.search import Hit, SearchProvider, web_search
from flowwright.operators.tools.web import Web
from flowwright.operators.tools.wikipedia import WIKIPEDIA, wikipedia
from loopback import Asked, Served, loopback

HOME = Web(seconds=3, allow_hosts=frozenset({"127.0.0.1"}))
NASTY = "{x} {0} %s & a=b # é </input>"


def served(answer: Any, **more: Any) -> Served:
    return Served(json.dumps(answer).encode(), "application/json", **more)


async def call(tool: Any, query: str, **more: Any) -> Outcome:
    outcome = await tool.bind("", {}, arguments={"query": query, **more}).ainvoke({})
    assert isinstance(outcome, Outcome)
    return outcome


# -- search services

SEARX = {
    "query": "whales",
    "number_of_results": 0,
    "results": [
        {"url": "https://a.org/1", "title": "Whales", "content": "Big <b>whales</b>.", "engine": "x", "score": 1.0},
        {"url": "https://b.org/2", "title": "", "content": None},
        {"url": "", "title": "no address"},
        "no object",
        {"url": "https://c.org/3", "title": "a\nb &amp; c", "content": "x" * 5_000},
    ],
    "answers": [],
    "unresponsive_engines": [],
}


async def test_a_searxng_instance_is_asked_in_its_own_form() -> None:
    async with loopback(lambda asked: served(SEARX)) as server:
        tool = web_search(searxng(server.url("")), top=2)
        outcome = await call(tool, NASTY, top=3)
        assert server.asked[0].path == "/search"
        assert server.asked[0].query == {"q": NASTY, "format": "json"}
    first, second, third = outcome.content.split("\n\n")
    assert first == "1. Whales\nhttps://a.org/1\nBig whales."
    assert second == "2. https://b.org/2\nhttps://b.org/2"
    assert third.startswith("3. a b & c\nhttps://c.org/3\nxxx")
    assert len(third) < 1_200
    assert outcome.data["hits"][0] == {"title": "Whales", "url": "https://a.org/1", "snippet": "Big whales."}  # type: ignore[index]


async def test_brave_is_asked_in_its_own_form_with_the_key_in_a_header() -> None:
    answer = {
        "type": "search",
        "web": {"results": [{"title": "T", "url": "https://t.org", "description": "<strong>D</strong>"}]},
    }
    async with loopback(lambda asked: served(answer)) as server:
        provider = brave("secret", url=server.url("/res/v1/web/search"), web=HOME)
        assert await provider.search("q", 4) == [Hit("T", "https://t.org", "D")]
        assert server.asked[0].query == {"q": "q", "count": "4"}
        assert server.asked[0].headers["x-subscription-token"] == "secret"
    assert "secret" not in repr(provider)
    assert "secret" not in json.dumps(web_search(provider).parameters)


@pytest.mark.parametrize(
    ("answer", "why", "retryable"),
    [
        (Served(status=403), "status 403", False),
        (Served(status=429), "status 429", True),
        (Served(b"<html>"), "no JSON", True),
    ],
)
async def test_a_service_that_gives_no_hits_is_a_typed_fault(answer: Served, why: str, retryable: bool) -> None:
    async with loopback(lambda asked: answer) as server:
        with pytest.raises(ToolFault, match=why) as told:
            await call(web_search(searxng(server.url(""))), "q")
    assert told.value.retryable is retryable


@pytest.mark.parametrize("answer", [{}, [], {"results": None}, {"results": []}, {"results": [{}]}])
async def test_an_answer_without_hits_is_a_result(answer: Any) -> None:
    async with loopback(lambda asked: served(answer)) as server:
        assert (await call(web_search(searxng(server.url(""))), "q")).content == "Nothing was found."


def test_a_provider_comes_from_the_environment_or_the_way_to_name_one_is_told() -> None:
    with pytest.raises(UsageError, match="FLOWWRIGHT_SEARXNG_URL or BRAVE_API_KEY"):
        configured({})
    found = configured({"FLOWWRIGHT_SEARXNG_URL": "http://localhost:8888/", "BRAVE_API_KEY": "k"})
    assert isinstance(found, SearchProvider)
    assert found.name == "SearXNG at localhost:8888"
    assert getattr(configured({"BRAVE_API_KEY": "k"}), "name", None) == "Brave Search"
    with pytest.raises(UsageError, match="no address of a SearXNG instance"):
        configured({"FLOWWRIGHT_SEARXNG_URL": "localhost"})


def test_results_of_one_provider_are_not_taken_for_those_of_another() -> None:
    assert web_search(brave("k")).version != web_search(searxng("http://localhost:1")).version
    assert wikipedia("https://de.wikipedia.org/w/api.php").version != WIKIPEDIA.version == wikipedia().version


# -- Wikipedia

PAGES = {
    1: ("Whale", "Whales are mammals.\n\n" + "Filler text. " * 90 + "\n\nThe blue whale weighs 190 tonnes."),
    2: ("Krill", "Krill are small."),
    3: ("Stub", ""),
}


def mediawiki(special: Callable[[Asked], Served | None] = lambda asked: None) -> Callable[[Asked], Served]:
    """Answers as api.php does with formatversion=2."""

    def answer(asked: Asked) -> Served:
        if (given := special(asked)) is not None:
            return given
        query = asked.query
        assert (query["action"], query["format"], query["formatversion"]) == ("query", "json", "2")
        if query.get("list") == "search":
            found = [{"ns": 0, "title": PAGES[n][0], "pageid": n} for n in PAGES][: int(query["srlimit"])]
            return served({"batchcomplete": True, "query": {"searchinfo": {"totalhits": 3}, "search": found}})
        assert (query["prop"], query["explaintext"]) == ("extracts", "1")
        title, text = PAGES[int(query["pageids"])]
        page = {"pageid": int(query["pageids"]), "ns": 0, "title": title, "extract": text}
        return served({"batchcomplete": True, "query": {"pages": [page]}})

    return answer


def wiki(port_url: str) -> Any:
    return wikipedia(port_url, web=HOME)


async def test_pages_are_searched_and_what_they_say_is_quoted() -> None:
    async with loopback(mediawiki()) as server:
        outcome = await call(wiki(server.url("/w/api.php")), "how heavy is the blue whale")
    whale, krill, stub = outcome.content.split("\n\n# ")
    assert whale.startswith("# Whale\nWhales are mammals.")
    assert whale.endswith("The blue whale weighs 190 tonnes.")
    assert krill == "Krill\nKrill are small."
    assert stub == "Stub\n(This page has no text.)"
    assert [page["title"] for page in outcome.data["pages"]] == ["Whale", "Krill", "Stub"]  # type: ignore[call-overload,index,union-attr]


async def test_a_query_with_braces_is_sent_as_it_is() -> None:
    async with loopback(mediawiki()) as server:
        await call(wiki(server.url("/w/api.php")), NASTY, top=1)
        assert server.asked[0].query["srsearch"] == NASTY
        assert server.asked[0].query["srlimit"] == "1"


async def test_a_page_that_fails_does_not_cost_the_others() -> None:
    broken = mediawiki(lambda asked: Served(status=500) if asked.query.get("pageids") == "1" else None)
    async with loopback(broken) as server:
        outcome = await call(wiki(server.url("/w/api.php")), "krill")
    assert "# Whale\n(This page could not be read: " in outcome.content
    assert "# Krill\nKrill are small." in outcome.content
    assert "status 500" in outcome.data["pages"][0]["fault"]  # type: ignore[index,operator,call-overload]


async def test_pages_are_read_at_the_same_time() -> None:
    def slow(asked: Asked) -> Served | None:
        return served({"query": {"pages": [{"extract": "x"}]}}, seconds=0.4) if "pageids" in asked.query else None

    async with loopback(mediawiki(slow)) as server:
        began = time.monotonic()
        await call(wiki(server.url("/w/api.php")), "q")
    assert time.monotonic() - began < 1.0


async def test_no_page_at_all_is_a_fault_and_nothing_found_a_result() -> None:
    async with loopback(mediawiki(lambda asked: Served(status=503) if "pageids" in asked.query else None)) as server:
        with pytest.raises(ToolFault, match=r"no page could be read.*503") as told:
            await call(wiki(server.url("/w/api.php")), "q")
    assert told.value.retryable
    async with loopback(lambda asked: served({"query": {"search": []}})) as server:
        assert (await call(wiki(server.url("/w/api.php")), "q")).content == "No page was found."


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (
            served({"error": {"code": "badvalue", "info": "Unrecognized value"}}),
            "refused the query: Unrecognized value",
        ),
        (served([]), "an answer of another form"),
        (Served(b"<html>"), "no JSON"),
    ],
)
async def test_an_api_that_answers_otherwise_is_a_fault(answer: Served, why: str) -> None:
    async with loopback(lambda asked: answer) as server:
        with pytest.raises(ToolFault, match=why):
            await call(wiki(server.url("/w/api.php")), "q")


def test_the_tool_can_be_called_from_a_thread_and_inside_a_loop() -> None:
    async def inside() -> str:
        async with loopback(mediawiki()) as server:
            tool = wiki(server.url("/w/api.php")).bind("", {}, arguments={"query": "q"})
            outcome: Outcome = await asyncio.to_thread(tool.invoke, {})
            return outcome.kind

    assert asyncio.run(inside()) == "result"
