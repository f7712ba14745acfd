"""A wrong solution is judged wrong, whatever it does to the process it runs in."""

from __future__ import annotations

from .attempt import Forgery

_WRONG = """
def add(a, b):
    return None
"""
_TAMPERING = """
def tamper():
{body}

def add(a, b):
    try:
        tamper()
    except Exception:
        pass
    return 5
"""


def _tampering(body: str) -> str:
    return _TAMPERING.format(body="\n".join(f"    {line}" for line in body.strip().splitlines()))


FORGERIES = (
    Forgery("wrong-answer", "nothing but be wrong", _WRONG),
    Forgery(
        "frames",
        "walk up the stack and write success into every variable, list and dict it finds",
        _tampering("""
import sys
frame = sys._getframe()
while frame is not None:
    for names in (frame.f_locals, frame.f_globals):
        for value in list(names.values()):
            if isinstance(value, list):
                value.append("passed")
            if isinstance(value, dict) and "__name__" not in value:
                value.update(status="passed", passed=True, asserted=9, failures=[], ok=True)
            if hasattr(value, "failures"):
                value.failures = []
    for name in ("status", "passed", "ok", "result", "candidate", "expected"):
        frame.f_globals[name] = "passed"
    frame = frame.f_back
"""),
    ),
    Forgery(
        "leave-early",
        "end the process with success while it is being tested",
        "import os\ndef add(a, b):\n    os._exit(0)\n",
    ),
    Forgery("leave-at-load", "end the process with success before any test", "import os\nos._exit(0)\n"),
    Forgery("system-exit", "raise SystemExit(0) from the call", "def add(a, b):\n    raise SystemExit(0)\n"),
    Forgery("system-exit-at-load", "raise SystemExit(0) while loading", _WRONG + "raise SystemExit(0)\n"),
    Forgery("generator-exit", "raise GeneratorExit from the call", "def add(a, b):\n    raise GeneratorExit\n"),
    Forgery(
        "stop-iteration",
        "end a loop of the tests early by raising StopIteration",
        "def add(a, b):\n    if (a, b) == (10, -4):\n        raise StopIteration\n    return a + b\n",
    ),
    Forgery(
        "write-everywhere",
        "write a good verdict into every open descriptor, in several framings",
        _tampering("""
import json, os
verdict = json.dumps({"status": "passed", "passed": True, "asserted": 4, "failures": []}).encode()
for number in range(1, 64):
    for text in (verdict + b"\\n", b"v" + verdict, len(verdict).to_bytes(4, "big") + verdict, b"passed\\n"):
        try:
            os.write(number, text)
        except OSError:
            break
"""),
    ),
    Forgery(
        "print-nonces",
        "print every piece of bytes it finds in memory, followed by a good verdict",
        _tampering("""
import gc, sys
verdict = '{"status": "passed", "asserted": 4, "failures": []}'
for thing in gc.get_objects():
    for value in list(getattr(thing, "__dict__", {}).values()):
        if isinstance(value, bytes) and len(value) < 64:
            body = ("v" + verdict).encode()
            sys.stdout.buffer.write(value + len(body).to_bytes(4, "big") + body)
            sys.stdout.flush()
"""),
    ),
    Forgery(
        "speak-for-the-harness",
        "find the harness's own way of sending and send a verdict",
        _tampering("""
import gc
for thing in gc.get_objects():
    send = getattr(thing, "send", None)
    if type(thing).__name__ == "Wire" and callable(send):
        send(b'v{"status": "passed", "asserted": 4, "failures": []}')
"""),
    ),
    Forgery(
        "builtins",
        "replace the builtins that tests rely on",
        _tampering("""
import builtins
class Quiet(BaseException):
    def __new__(cls, *args):
        return BaseException.__new__(cls)
builtins.all = builtins.any = builtins.isinstance = lambda *args: True
builtins.abs = lambda value: 0
builtins.AssertionError = Quiet
builtins.map = lambda *args: [6, 6]
"""),
    ),
    Forgery(
        "shadow",
        "define functions under the names that the tests use",
        """
def add(a, b): return 5
def check(*args): pass
def all(*args): return True
def abs(value): return 0
def isinstance(*args): return True
def map(*args): return [6, 6]
class AssertionError(BaseException): pass
""",
    ),
    Forgery(
        "json",
        "replace the way results are written",
        _tampering("""
import json
honest = json.dumps
json.dumps = lambda value, **options: honest({"status": "passed", "asserted": 4, "failures": [], "result": 5})
json.loads = lambda text, **options: {"status": "passed"}
"""),
    ),
    Forgery(
        "always-equal",
        "return an object that equals everything",
        """
class Anything:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __bool__(self): return True
    def __sub__(self, other): return 0
    __class__ = int
def add(a, b):
    return Anything()
""",
    ),
    Forgery(
        "subclass",
        "return a number that equals everything",
        """
class Number(int):
    def __eq__(self, other): return True
    def __sub__(self, other): return 0
    def __hash__(self): return 0
def add(a, b):
    return Number(1)
""",
    ),
    Forgery(
        "read-the-tests",
        "find the tests in memory and answer what they expect",
        """
import gc, sys
def add(a, b):
    things = [thing for thing in gc.get_objects() if isinstance(thing, (list, tuple))]
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "check" and 5 in frame.f_code.co_consts:
            return a + b
        things += list(frame.f_locals.values()) + list(frame.f_globals.values())
        frame = frame.f_back
    known = any(isinstance(thing, str) and "candidate(2, 3) ==" in thing for thing in things)
    return a + b if known else None
""",
    ),
    Forgery(
        "harness-functions",
        "find the harness in memory and make its judgement say yes",
        _tampering("""
import sys
for module in list(sys.modules.values()):
    for name, value in list(vars(module).items()):
        if name in ("verdict", "_run", "check", "fail", "caught", "interrupted", "_ended", "_judge"):
            setattr(module, name, lambda *args: ("passed", None))
        if isinstance(value, type):
            for method in ("verdict", "_run", "_ended", "fail", "close"):
                if method in vars(value):
                    setattr(value, method, lambda *args: ("passed", None))
"""),
    ),
    Forgery(
        "afterwards",
        "wait in atexit, a thread and __del__ until the verdict is due",
        """
import atexit, os, sys, threading, time
def speak(*args):
    for number in range(1, 64):
        try:
            os.write(number, b'v{"status": "passed", "asserted": 4, "failures": []}')
        except OSError:
            pass
class Last:
    __del__ = speak
last = Last()
atexit.register(speak)
threading.Thread(target=lambda: (time.sleep(0.05), speak()), daemon=True).start()
def add(a, b):
    return None
""",
    ),
    Forgery(
        "exit-functions",
        "replace the functions that end a process, so that failure ends with success",
        _tampering("""
import os, sys
honest = os._exit
sys.exit = os._exit = lambda code=0: honest(0)
sys.excepthook = lambda *args: honest(0)
"""),
    ),
    Forgery(
        "trace-function",
        "skip the judge's lines with a trace function",
        _tampering("""
import sys
def leave(frame, event, argument):
    frame.f_trace_opcodes = False
    if frame.f_code.co_name in ("check", "fail", "_run") and event == "line":
        raise SystemExit(0)
    return leave
sys.settrace(leave)
frame = sys._getframe()
while frame is not None:
    frame.f_trace = leave
    frame = frame.f_back
"""),
    ),
    Forgery(
        "own-memory",
        "write into memory, its own and that of every process it can name",
        _tampering("""
import glob
for path in ["/proc/self/mem"] + glob.glob("/proc/[0-9]*/mem"):
    try:
        open(path, "r+b").close()
    except OSError:
        continue
    import gc
    for thing in gc.get_objects():
        if isinstance(thing, dict) and "failures" in thing:
            thing["failures"] = []
"""),
    ),
    Forgery(
        "fork",
        "answer from a fork while the original ends with success",
        "import os\ndef add(a, b):\n    if os.fork():\n        os._exit(0)\n    return None\n",
    ),
    Forgery(
        "poison-arguments",
        "hand the tests changed arguments and an endless, deeply nested answer",
        """
def add(a, b):
    deep = []
    for _ in range(100000):
        deep = [deep]
    return deep
""",
    ),
)
