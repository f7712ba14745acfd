"""A confined process never outlives the block that started it, never holds more of our memory than its limits say, and
never blocks us: what it prints is read as it comes, kept up to the limit, and past the flood mark it is killed. No file
is read on the event loop."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from typing import BinaryIO

from .bundle import Stage, boot, bundle
from .execution import End
from .interpreter import Interpreter
from .kept import Kept
from .launch import Launch
from .limits import Limits
from .protocol import SandboxUnavailable
from .usage import children_of, tree_usage

_NONCE = 16
_READY = b"ready"
_ENVIRONMENT = {"HOME": "/tmp"}
_POLL = 0.05
_OWN_THREADS = 4
"""At most so many threads of a sandbox are its own."""


class Confined:
    """One process in a sandbox, as the host sees it."""

    def __init__(self, process: asyncio.subprocess.Process, limits: Limits, nonce: bytes) -> None:
        """`nonce` opens each frame that the process's harness sends."""
        self._process = process
        self._limits = limits
        self._nonce = nonce
        self._broken: tuple[End, str] | None = None
        self._first_process: int | None = None
        self._holding: asyncio.Task[None] | None = None
        self.stdout, self.stderr = Kept(limits.output_bytes), Kept(limits.output_bytes)

    async def attach(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        """Takes over the pipe frames come from and the pipe they go to, and begins to read and to watch."""
        loop = asyncio.get_running_loop()
        self._frames = asyncio.StreamReader()
        reading = asyncio.StreamReaderProtocol(self._frames)
        self._incoming, _ = await loop.connect_read_pipe(lambda: reading, incoming)
        self._outgoing, _ = await loop.connect_write_pipe(asyncio.Protocol, outgoing)
        streams = ((self._process.stdout, self.stdout), (self._process.stderr, self.stderr))
        self._drains = [asyncio.create_task(self._drain(stream, kept)) for stream, kept in streams if stream]
        self._watching = asyncio.create_task(self._watch())

    async def give(self, source: str) -> None:
        """Sends `source` once the process is confined. Raises SandboxUnavailable if it could not be."""
        if await self.receive() == _READY:
            self._holding = asyncio.create_task(asyncio.to_thread(self._hold_first_process))
            await asyncio.shield(self._holding)
            self.send(source.encode("utf-8", "surrogatepass"))
        elif self._broken is None:
            await self.end()
            reason = self.stderr.text.strip().splitlines() or [f"exit status {self._process.returncode}"]
            raise SandboxUnavailable(f"the sandbox could not be set up: {reason[-1]}")

    def type(self, text: str) -> None:
        """Makes `text` the whole of the process's standard input."""
        if self._process.stdin is not None:
            self._process.stdin.write(text.encode("utf-8", "surrogatepass"))
            self._process.stdin.close()

    def send(self, payload: bytes) -> None:
        """Sends a frame; one that the process does not live to read is dropped."""
        self._outgoing.write(len(payload).to_bytes(4, "big") + payload)

    async def receive(self) -> bytes | None:
        """The next frame; None: the process has ended, or was ended because what it sent is no frame."""
        try:
            head = await self._frames.readexactly(_NONCE + 4)
            length = int.from_bytes(head[_NONCE:], "big")
            if not head.startswith(self._nonce):
                self._break("error", "it wrote into the sandbox's own pipe")
            elif length > self._limits.file_bytes:
                self._break("limit", f"a message of {length} bytes is larger than file_mb allows")
            else:
                return await self._frames.readexactly(length)
        except asyncio.IncompleteReadError:
            pass
        return None

    async def finished(self, *, complete: bool) -> tuple[End, str] | None:
        """Waits until the process has ended. How, in status and words, if that was not in order (None: it was). A
        process that is not `complete` has more to say, and is not in order whatever its exit status."""
        code = await self._process.wait()
        if self._broken is not None:
            return self._broken
        number = code - 128 if code > 128 else -code  # a launcher tells a signal as 128 + its number
        if number in {member.value for member in signal.Signals}:
            name = signal.Signals(number).name
            return ("timeout", "processor time ran out") if name == "SIGXCPU" else ("killed", f"killed by {name}")
        return None if complete else ("error", f"it ended before its end, with exit status {code}")

    async def end(self) -> None:
        """Kills the process and all it started, and reads what they had printed. Once more does no harm."""
        self._watching.cancel()
        if self._holding is not None:
            await asyncio.wait([self._holding])  # a thread cannot be cancelled, and what it opens has to be closed
        if self._first_process is None:
            await asyncio.shield(asyncio.to_thread(self._kill))
        else:
            self._kill()
        await self._process.wait()
        if not self._outgoing.is_closing():
            self._outgoing.abort()
        self._incoming.close()
        await asyncio.gather(*self._drains)
        if self._first_process is not None:
            os.close(self._first_process)
            self._first_process = None

    async def _drain(self, stream: asyncio.StreamReader, kept: Kept) -> None:
        while part := await stream.read(1 << 16):
            kept.add(part)
            if kept.length > self._limits.file_bytes:
                self._break("limit", "it printed more than file_mb allows")

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_POLL)
            threads, memory = await asyncio.to_thread(tree_usage, self._process.pid)
            if memory > self._limits.memory_bytes:
                self._break("memory", "its processes together used more than memory_mb")
            elif threads > self._limits.processes + _OWN_THREADS:
                self._break("limit", f"it ran more than {self._limits.processes} processes and threads")

    def _break(self, status: End, why: str) -> None:
        self._broken = self._broken or (status, why)
        self._kill()

    def _hold_first_process(self) -> None:
        """Takes a handle on the first process of the process namespace: with it all others there end, and the launcher
        outside, which waits for it. Killing the launcher instead would leave it to the host's init."""
        for child in children_of(self._process.pid):
            with suppress(ProcessLookupError):
                self._first_process = os.pidfd_open(child)

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            if self._first_process is not None:
                signal.pidfd_send_signal(self._first_process, signal.SIGKILL)
            elif self._process.returncode is None:
                self._kill_launcher()

    def _kill_launcher(self) -> None:
        """A launcher that dies alone while it sets up leaves a child that waits for it for ever: it is held still, its
        children are killed, then it is."""
        os.killpg(self._process.pid, signal.SIGSTOP)
        for child in children_of(self._process.pid):
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        os.killpg(self._process.pid, signal.SIGKILL)


@asynccontextmanager
async def confined(launch: Launch, stage: Stage, limits: Limits, stdin: str = "") -> AsyncIterator[Confined]:
    """A process that confines itself and then runs `stage`; dead, with all it started, when the block ends."""
    nonce = secrets.token_bytes(_NONCE)
    orders = await asyncio.to_thread(bundle, [*launch.stages, stage], nonce)
    # A start that is cancelled half-way kills the launcher before it has made itself its child's keeper.
    starting = asyncio.create_task(_started(launch, limits, nonce))
    try:
        running = await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.wait([starting])
        if not starting.cancelled() and starting.exception() is None:
            await starting.result().end()
        raise
    try:
        running.send(orders)
        running.type(stdin)
        yield running
    finally:
        await running.end()


async def _started(launch: Launch, limits: Limits, nonce: bytes) -> Confined:
    command = await asyncio.to_thread(_command, launch)
    with ExitStack() as pipes:
        orders, to_process = _pipe(pipes)
        from_process, reports = _pipe(pipes)
        ends = orders.fileno(), reports.fileno()
        process = await asyncio.create_subprocess_exec(
            *(*command, *map(str, ends)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=ends,
            env=_ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
        running = Confined(process, limits, nonce)
        await running.attach(from_process, to_process)
        pipes.pop_all()  # ours belong to the event loop now
        orders.close()
        reports.close()
        return running


def _command(launch: Launch) -> tuple[str, ...]:
    return *launch.prefix, *Interpreter.running().command, "-c", boot()


def _pipe(stack: ExitStack) -> tuple[BinaryIO, BinaryIO]:
    reading, writing = os.pipe()
    return stack.enter_context(os.fdopen(reading, "rb", 0)), stack.enter_context(os.fdopen(writing, "wb", 0))
