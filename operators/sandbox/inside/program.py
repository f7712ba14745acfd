"""However a program ends, its report says how: a value, an exception, an exit or a limit it ran into. Only a program
that ends its own process before its last line leaves no report, and the host then reports that."""

from __future__ import annotations

import errno
import sys
from types import CodeType, FunctionType, ModuleType

from .codec import encode
from .wire import Wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from typing import Any

_FILE = "<program>"
_EXHAUSTED = frozenset({errno.EFBIG, errno.ENOSPC, errno.EAGAIN, errno.EMFILE})
_MESSAGE = 2000


def main(wire: Wire, job: None) -> None:
    """Receives the program, runs it and reports `status NUL exception NUL value`, the value as encoded JSON."""
    source = wire.receive()
    if source is not None:
        wire.send(b"\0".join(_run(source.decode("utf-8", "surrogatepass"))))


def load(source: str | ast.Module, module: ModuleType, file: str) -> None:
    """Runs `source` as the text of `module`, with its lines known to tracebacks."""
    sys.modules[module.__name__] = module
    code: CodeType = compile(source, file, "exec", dont_inherit=True)
    exec(code, module.__dict__)  # noqa: S102 -- inside the sandbox; this is what the sandbox is for


def describe(fault: BaseException) -> str:
    """`Type: message`, as the last line of a traceback has it."""
    try:
        message = str(fault)
    except Exception as second:  # noqa: BLE001 -- a program's own __str__ may raise anything
        message = f"<its message raised {type(second).__name__}>"
    return (f"{type(fault).__name__}: {message}" if message else type(fault).__name__)[:_MESSAGE].replace("\0", "\\0")


def status_of(fault: BaseException) -> str:
    """`memory` or `limit` when the fault is how Python tells of a limit reached, else `error`."""
    if isinstance(fault, MemoryError):
        return "memory"
    out_of_threads = isinstance(fault, RuntimeError) and str(fault) == "can't start new thread"
    if out_of_threads or (isinstance(fault, OSError) and fault.errno in _EXHAUSTED):
        return "limit"
    return "error"


def _run(source: str) -> tuple[bytes, bytes, bytes]:
    module = ModuleType("__main__")
    try:
        load(source, module, _FILE)
        solve: Any = module.__dict__.get("solve")
        value = _encoded(solve()) if _takes_nothing(solve) else b""
    except SystemExit as leave:
        return (b"error", _utf8(describe(leave)), b"") if leave.code else (b"ok", b"", b"")
    except MemoryError as fault:
        fault.__traceback__ = None  # with it go the frames, and with those what filled the memory
        module.__dict__.clear()
        return b"memory", _utf8(describe(fault)), b""
    except BaseException as fault:  # noqa: BLE001 -- whatever it raised is the result
        _print_traceback(fault, source)
        return status_of(fault).encode(), _utf8(describe(fault)), b""
    return b"ok", b"", value


def _takes_nothing(solve: Any) -> bool:
    if not isinstance(solve, FunctionType):
        return False
    return not solve.__code__.co_argcount and not solve.__code__.co_kwonlyargcount


def _encoded(value: Any) -> bytes:
    if value is None:
        return b""
    import json  # as long to import as the interpreter takes to start; most programs have no value

    return json.dumps(encode(value)).encode()


def _print_traceback(fault: BaseException, source: str) -> None:
    import linecache
    import traceback

    linecache.cache[_FILE] = (len(source), None, source.splitlines(keepends=True), _FILE)
    frames = fault.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename != _FILE:
        frames = frames.tb_next
    try:
        traceback.print_exception(type(fault), fault, frames)
    except Exception:  # noqa: BLE001 -- stderr closed, memory full, a hostile __repr__: the report says what happened
        return


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")
