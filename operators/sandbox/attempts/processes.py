"""No other process can be seen, read, signalled or traced, and nothing a program starts outlives it."""

from __future__ import annotations

from dataclasses import replace

from .attempt import SMALL, Escape

PROCESSES = (
    Escape(
        "environment",
        "find secrets in the environment",
        """
got += [name for name, value in os.environ.items() if bait["token"] in value]
got += [name for name in os.environ if name not in {"HOME", "PWD", "LC_CTYPE", "PATH"}]
""",
    ),
    Escape(
        "other-processes",
        "read the arguments and environment of other processes",
        """
import glob
for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
    text = None
    try:
        text = open(path, "rb").read()
    except OSError:
        continue
    if bait["token"].encode() in text:
        got.append(path)
""",
    ),
    Escape(
        "kill",
        "kill another process",
        """
import signal
if bait["victim"] not in (1, os.getpid(), os.getppid()):
    grab("a signal was sent", lambda: os.kill(bait["victim"], signal.SIGKILL))
""",
    ),
    Escape(
        "trace",
        "trace another process, read its memory, trace at all",
        """
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
SEIZE = 0x4206
if libc.ptrace(SEIZE, bait["victim"], 0, 0) == 0:
    got.append("the other process")
buffer = ctypes.create_string_buffer(8)
here, there = (ctypes.c_uint64 * 2)(ctypes.addressof(buffer), 8), (ctypes.c_uint64 * 2)(0x400000, 8)
libc.process_vm_readv(bait["victim"], here, 1, there, 1, 0)
if ctypes.get_errno() not in (errno.EPERM, errno.ESRCH, errno.ENOSYS):
    got.append("the other process's memory")
child = os.fork()
if child == 0:
    os._exit(0 if libc.ptrace(0, 0, 0, 0) == 0 else 1)
if os.waitpid(child, 0)[1] == 0:
    got.append("tracing")
""",
    ),
    Escape(
        "daemon",
        "outlive the run as a daemon: fork, setsid, fork, exec",
        """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in (0, 1, 2):
            os.close(number)
        code = "import time; time.sleep(20)"
        os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", code, bait["token"] + "-daemon"])
    os._exit(0)
os.wait()
time.sleep(0.1)
""",
    ),
    Escape(
        "background-child",
        "keep the run open with a child that ignores signals and holds its output",
        """
import signal
if os.fork() == 0:
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    time.sleep(5)
    os._exit(0)
""",
        limits=replace(SMALL, seconds=2),
    ),
    Escape(
        "terminal",
        "read on after the input has ended, and reach the terminal",
        """
if sys.stdin.read():
    got.append("input nobody gave it")
os.close(0)
grab("the terminal", lambda: os.close(os.open("/dev/tty", os.O_RDWR)))
got += [f"descriptor {number} is a terminal" for number in (1, 2) if os.isatty(number)]
""",
    ),
)
