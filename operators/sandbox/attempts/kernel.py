"""Nothing raises a program's privileges, and the kernel's wider surface is out of reach."""

from __future__ import annotations

from .attempt import Escape

_LIBC = """
import ctypes, platform
libc = ctypes.CDLL(None, use_errno=True)
arm = platform.machine() == "aarch64"
"""

KERNEL = (
    Escape(
        "namespaces",
        "make new namespaces, in which it would be root",
        _LIBC
        + """
for name, flag in (("user", 1 << 28), ("mount", 1 << 17), ("process", 1 << 29), ("network", 1 << 30)):
    child = os.fork()
    if child == 0:
        os._exit(0 if libc.unshare(flag) == 0 else 1)
    if os.waitpid(child, 0)[1] == 0:
        got.append(name)
child = libc.syscall(220 if arm else 56, (1 << 28) | 17, 0, 0, 0, 0)
if child == 0:
    os._exit(0)
if child > 0:
    got.append("a child in a user namespace")
    os.waitpid(child, 0)
""",
    ),
    Escape(
        "mount",
        "mount and unmount file systems",
        _LIBC
        + """
target = bait["folder"] if os.path.isdir(bait["folder"]) else "/tmp"
if libc.mount(b"none", target.encode(), b"tmpfs", 0, None) == 0:
    got.append("a mount")
    libc.umount2(target.encode(), 2)
if not os.path.isdir(bait["folder"]) and libc.umount2(b"/tmp", 2) == 0:
    got.append("an unmounted /tmp")
""",
    ),
    Escape(
        "chroot",
        "change its root, the first half of a classic escape",
        """
child = os.fork()
if child == 0:
    try:
        os.chroot("/tmp")
    except OSError:
        os._exit(1)
    os._exit(0)
if os.waitpid(child, 0)[1] == 0:
    got.append("a new root")
""",
    ),
    Escape(
        "become-root",
        "become root, or find that it has capabilities",
        _LIBC
        + """
if os.getuid() == 0 or os.geteuid() == 0:
    got.append("it is root")
grab("user 0", lambda: os.setresuid(0, 0, 0))
grab("group 0", lambda: os.setresgid(0, 0, 0))
grab("other groups", lambda: os.setgroups([0]))
header = (ctypes.c_uint32 * 2)(0x20080522, 0)
sets = (ctypes.c_uint32 * 6)()
if libc.capget(header, sets) == 0 and any(sets):
    got.append(f"capabilities {[hex(word) for word in sets]}")
if libc.prctl(39, 0, 0, 0, 0) != 1:
    got.append("it may gain privileges")
""",
    ),
    Escape(
        "keyring",
        "use the kernel's keyrings, which it would share with the host",
        _LIBC
        + """
number = libc.syscall(217 if arm else 248, b"user", b"flowwright", b"x", 1, -1)
if number > 0:
    got.append("a key")
if libc.syscall(219 if arm else 250, 0, -3, 0) > 0:
    got.append("the session's keyring")
""",
    ),
    Escape(
        "kernel-interfaces",
        "reach bpf, perf, userfaultfd, io_uring and module loading",
        _LIBC
        + """
import errno
calls = {"bpf": (321, 280), "perf": (298, 241), "userfaultfd": (323, 282), "io_uring": (425, 425), "module": (175, 105),
         "open by handle": (304, 265)}
for name, numbers in calls.items():
    ctypes.set_errno(0)
    libc.syscall(numbers[arm], -1, 0, 0, 0, 0)
    if ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS, errno.EACCES):
        got.append(f"{name}: {os.strerror(ctypes.get_errno())}")
""",
    ),
)
