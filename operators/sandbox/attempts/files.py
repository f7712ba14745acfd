"""The host's files can be neither read nor changed, and nothing written stays."""

from __future__ import annotations

from .attempt import Escape

FILES = (
    Escape(
        "account-files",
        "read the host's accounts and names",
        """
for path in ("/etc/passwd", "/etc/shadow", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf"):
    grab(path, lambda: open(path).read(1))
""",
    ),
    Escape(
        "home-files",
        "read files in the home directory",
        """
for path in bait["home"]:
    grab(path, lambda: open(path, "rb").read(1))
""",
    ),
    Escape(
        "project-files",
        "read the project's own source",
        """
for path in bait["project"]:
    grab(path, lambda: open(path, "rb").read(1))
""",
    ),
    Escape(
        "temporary-files",
        "read a file in the host's temporary directory",
        """
grab("the secret", lambda: open(bait["secret"]).read())
""",
    ),
    Escape(
        "way-back-up",
        "reach the host's root through .., /proc and leftovers of the set-up",
        """
for root in ("/../../..", "/proc/1/root", "/proc/self/root", "/proc/self/cwd/../..", "/.host", "/oldroot", "/newroot"):
    grab(root, lambda: open(root + bait["secret"]).read())
    grab(root, lambda: open(root + "/etc/passwd").read())
""",
    ),
    Escape(
        "inherited-descriptors",
        "read a file through a descriptor left open",
        """
import stat
for number in range(3, 1024):
    try:
        mode = os.fstat(number).st_mode
    except OSError:
        continue
    if not stat.S_ISFIFO(mode):
        got.append(f"descriptor {number}, mode {mode:o}")
""",
    ),
    Escape(
        "write-outside",
        "create a file in a directory that everybody may write to",
        """
grab("a file", lambda: open(os.path.join(bait["folder"], bait["token"]), "w").close())
""",
    ),
    Escape(
        "write-elsewhere",
        "create a file anywhere but in /tmp",
        """
folders = "/ /dev /dev/shm /etc /usr /usr/lib /home /root /run /var/tmp /proc /sys"
for folder in folders.split():
    path = os.path.join(folder, bait["token"])
    if grab(path, lambda: os.close(os.open(path, os.O_CREAT | os.O_EXCL))) or os.path.exists(path):
        os.unlink(path)
""",
    ),
    Escape(
        "interpreter-files",
        "open the interpreter's own files for writing",
        """
for path in (os.__file__, json.__file__, sys.executable, "/usr/lib/os-release"):
    grab(path, lambda: open(path, "r+b").close())
    grab(path, lambda: os.utime(path, ns=(os.stat(path).st_atime_ns, os.stat(path).st_mtime_ns)))
""",
    ),
    Escape(
        "message-in-a-bottle",
        "leave a file in /tmp for the next run",
        """
path = os.path.join("/tmp", bait["token"])
if os.path.exists(path):
    got.append("the file of an earlier run")
open(path, "w").close()
""",
        runs=2,
    ),
    Escape(
        "devices",
        "open disks, terminals and memory, or make a device node",
        """
import stat
for name in ("mem", "kmsg", "vda", "sda", "nvme0n1", "tty", "ptmx", "console", "fuse", "kvm", "vsock", "loop-control"):
    grab(f"/dev/{name}", lambda: os.close(os.open(f"/dev/{name}", os.O_RDONLY | os.O_NOCTTY)))
node = os.path.join("/tmp", bait["token"])
grab("a node", lambda: os.mknod(node, stat.S_IFCHR | 0o600, os.makedev(1, 1)))
if os.path.exists(node):
    os.unlink(node)
""",
    ),
    Escape(
        "kernel-files",
        "open switches of the kernel for writing",
        """
paths = "/proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/self/oom_score_adj /proc/1/mem /proc/kcore"
cgroups = "/sys/kernel/uevent_helper /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/unified/cgroup.procs"
for path in paths.split() + cgroups.split():
    grab(path, lambda: os.close(os.open(path, os.O_RDWR)))
""",
    ),
)
