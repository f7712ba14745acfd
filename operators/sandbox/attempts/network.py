"""There is no network, not even the host's loopback, and no socket of the host under any other name."""

from __future__ import annotations

from .attempt import Escape

_CONNECT = """
import socket
def reach(family, kind, address):
    with socket.socket(family, kind) as channel:
        channel.settimeout(1)
        channel.connect(address)
        channel.send(b"x")
"""

NETWORK = (
    Escape(
        "tcp",
        "connect to a server on the host's loopback",
        _CONNECT
        + """
for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::ffff:127.0.0.1"), (socket.AF_INET, "0.0.0.0")):
    grab(host, lambda: reach(family, socket.SOCK_STREAM, (host, bait["tcp"])))
""",
    ),
    Escape(
        "udp",
        "send a datagram to the host's loopback",
        _CONNECT
        + """
try:
    reach(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", bait["udp"]))
except OSError:
    pass
""",
    ),
    Escape(
        "route",
        "find a way off the machine, for a name server or anybody else",
        """
import socket
for host in ("192.0.2.1", "198.51.100.1"):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        grab(f"a route to {host}", lambda: channel.connect((host, 53)))
grab("interfaces", lambda: [name for _, name in socket.if_nameindex() if name != "lo"][0])
""",
    ),
    Escape(
        "abstract-socket",
        "connect to an abstract unix socket of the host",
        _CONNECT
        + """
grab("the socket", lambda: reach(socket.AF_UNIX, socket.SOCK_STREAM, chr(0) + bait["token"]))
""",
    ),
    Escape(
        "named-socket",
        "connect to a unix socket in the host's file system",
        _CONNECT
        + """
for path in (bait["socket"], "/var/run/docker.sock", "/run/dbus/system_bus_socket", "/run/systemd/private"):
    grab(path, lambda: reach(socket.AF_UNIX, socket.SOCK_STREAM, path))
""",
    ),
    Escape(
        "other-families",
        "open sockets that network namespaces do not divide, a virtual machine's host among them",
        """
import socket
for number, name in ((16, "netlink"), (17, "packet"), (21, "rds"), (29, "can"), (30, "tipc"), (31, "bluetooth"),
                     (38, "alg"), (40, "vsock"), (44, "xdp")):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
        grab(name, lambda: socket.socket(number, kind).close())
grab("raw ip", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close())
""",
    ),
)
