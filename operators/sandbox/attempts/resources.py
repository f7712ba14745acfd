"""Whatever a program wastes, it is its own share: time, memory, processes, disk and output end where the limits say."""

from __future__ import annotations

from dataclasses import replace

from .attempt import SMALL, Escape

_BRIEF = replace(SMALL, seconds=1.0)
_TIMED = frozenset({"timeout", "killed"})
_OUT_OF_MEMORY = frozenset({"memory", "limit", "killed"})
_LIMITED = frozenset({"limit", "memory", "killed"})

RESOURCES = (
    Escape(
        "fork-bomb",
        "start processes until there are far too many, and keep them",
        """
import signal
children = []
try:
    while len(children) < 60:
        child = os.fork()
        if child == 0:
            time.sleep(5)
            os._exit(0)
        children.append(child)
except OSError:
    pass
if len(children) > 20:
    time.sleep(0.5)
    got.append(f"{len(children)} processes")
for child in children:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
""",
        stopped=_LIMITED,
    ),
    Escape(
        "thread-bomb",
        "start threads until there are far too many, and keep them",
        """
import threading
done = threading.Event()
threads = []
threading.stack_size(65536)
try:
    while len(threads) < 60:
        thread = threading.Thread(target=done.wait)
        thread.start()
        threads.append(thread)
except RuntimeError:
    pass
if len(threads) > 20:
    time.sleep(0.5)
    got.append(f"{len(threads)} threads")
done.set()
""",
        stopped=_LIMITED,
    ),
    Escape(
        "memory",
        "fill memory",
        """
blocks = []
try:
    while len(blocks) < 40:
        blocks.append(bytearray(b"x" * (8 << 20)))
except MemoryError:
    blocks = blocks[:1]
if len(blocks) * 8 > 160:
    got.append(f"{len(blocks) * 8} MB")
""",
        stopped=_OUT_OF_MEMORY,
    ),
    Escape(
        "memory-of-many",
        "fill memory with several processes, each within its own limit",
        """
import signal
children = []
for _ in range(5):
    child = os.fork()
    if child == 0:
        block = b"x" * (60 << 20)
        time.sleep(3)
        os._exit(0)
    children.append(child)
time.sleep(1)
alive = [child for child in children if os.waitpid(child, os.WNOHANG) == (0, 0)]
if len(alive) > 3:
    got.append(f"{len(alive) * 60} MB")
for child in alive:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
""",
        stopped=_OUT_OF_MEMORY,
    ),
    Escape(
        "uncounted-memory",
        "get memory that no limit of the process counts",
        """
import ctypes
libc = ctypes.CDLL(None)
grab("memfd", lambda: os.close(os.memfd_create("x")))
shared = libc.shmget(0, 4096, 0o1600)
if shared >= 0:
    got.append("shared memory")
    libc.shmctl(shared, 0, 0)
path = "/dev/shm/" + bait["token"]
if grab("/dev/shm", lambda: os.close(os.open(path, os.O_CREAT | os.O_RDWR))) or os.path.exists(path):
    os.unlink(path)
""",
    ),
    Escape(
        "processor",
        "use the processor for longer than allowed",
        """
while time.process_time() < 3:
    pass
got.append("3 s")
""",
        stopped=_TIMED,
        limits=replace(SMALL, cpu_seconds=1),
    ),
    Escape(
        "wall-clock",
        "sleep for longer than allowed",
        """
time.sleep(2.5)
got.append("2.5 s")
""",
        stopped=_TIMED,
        limits=_BRIEF,
    ),
    Escape(
        "stubborn",
        "ignore every signal and catch every exception",
        """
import signal
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
end = time.time() + 2.5
while time.time() < end:
    try:
        time.sleep(0.01)
    except BaseException:
        pass
got.append("2.5 s")
""",
        stopped=_TIMED,
        limits=_BRIEF,
    ),
    Escape(
        "large-file",
        "write a file larger than allowed",
        """
path = "/tmp/" + bait["token"]
try:
    with open(path, "wb") as file:
        for _ in range(8):
            file.write(b"x" * (1 << 20))
    got.append("8 MB")
except OSError:
    pass
os.path.exists(path) and os.unlink(path)
""",
        stopped=_LIMITED,
    ),
    Escape(
        "many-files",
        "fill the disk with files that are each small enough",
        """
paths = [f"/tmp/{bait['token']}{number}" for number in range(12)]
try:
    for path in paths:
        with open(path, "wb") as file:
            file.write(b"x" * (1 << 20))
    got.append("12 MB")
except OSError:
    pass
for path in paths:
    os.path.exists(path) and os.unlink(path)
""",
        stopped=_LIMITED,
    ),
    Escape(
        "open-files",
        "open files without end",
        """
files = []
try:
    while len(files) < 900:
        files.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
if len(files) > 500:
    got.append(f"{len(files)} files")
for number in files:
    os.close(number)
""",
    ),
    Escape(
        "raise-limits",
        "raise its own limits",
        """
import resource
for name in ("CPU", "AS", "NPROC", "FSIZE", "NOFILE", "CORE"):
    limit = getattr(resource, f"RLIMIT_{name}")
    soft, hard = resource.getrlimit(limit)
    if hard == resource.RLIM_INFINITY:
        got.append(f"{name} has no limit")
    grab(name, lambda: resource.setrlimit(limit, (soft, hard + 1)))
""",
    ),
    Escape(
        "flood-stdout",
        "print without end",
        """
line = b"x" * 65536
for _ in range(1000):
    os.write(1, line)
""",
        stopped=_LIMITED,
    ),
    Escape(
        "flood-stderr",
        "print errors without end",
        """
line = b"x" * 65536
for _ in range(1000):
    os.write(2, line)
""",
        stopped=_LIMITED,
    ),
)
