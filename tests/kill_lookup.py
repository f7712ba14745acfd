"""Tools whose calls another process sees: each asks the scripted server, under a key made of its name and its
argument, before it gives or fails. `arguments` is what a model says when it is asked to call one."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from urllib.request import Request, urlopen

from langchain_core.tools import BaseTool, ToolException, tool


def key_of(name: str, what: str) -> str:
    """How the server's log names the call of a tool."""
    return f"{name.lower()}({what})"


def lookup_tools(url: str) -> list[BaseTool]:
    """A tool that gives what the server at `url` says, and one that fails after it asked."""

    @tool
    async def lookup(what: str) -> str:
        """Look a word up."""
        return await asyncio.to_thread(asked, url, key_of("lookup", what))

    @tool
    def broken(what: str) -> str:
        """Look a word up in a book that is lost."""
        asked(url, key_of("broken", what))
        raise ToolException("the book is lost")

    return [lookup, broken]


def asked(url: str, key: str) -> str:
    body = {"model": "lookup", "messages": [{"role": "user", "content": key}]}
    request = Request(f"{url}/lookup", json.dumps(body).encode(), {"idempotency-key": key})
    with urlopen(request, timeout=30) as response:
        said: str = json.load(response)["choices"][0]["message"]["content"]
    return said


def arguments(texts: list[str]) -> str:
    """Arguments for one of the tools, which fit only when they are asked for again; empty: no tool is to be called. Two
    calls have the same only if they were asked for in the same words."""
    if "<tool>" not in texts[1]:
        return ""
    (word,) = re.findall(r"look up (\w+)", texts[1].partition("<instruction>")[2])
    what = f"{word}-{hashlib.sha256(texts[1].encode()).hexdigest()[:6]}"
    return json.dumps({"what": what} if len(texts) > 2 else {"word": what})
