"""A page comes from the public internet, by the address that was checked, within its limits, as plain text."""

from __future__ import annotations

import asyncio
import datetime
import gzip
import socket
import ssl
import time
import tracemalloc
import zlib
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import pytest
from flowwright.operators import Outcome
from flowwright.operators.arguments import BadArguments
from flowwright.operators.outcome import ToolFault
from flowwright.operators.tools.address import NOT_PUBLIC, check_host, disguised, public
from flowwright.operators.tools.fetch import FETCH_PAGE, SHOWN, fetch_page
from flowwright.operators.tools.page import read_page
from flowwright.operators.tools.web import Reply, Web
from hypothesis import given
from hypothesis import strategies as st
from loopback import Asked, Served, loopback

HOME = Web(seconds=5, allow_hosts=frozenset({"127.0.0.1"}))
V4 = st.integers(0, 2**32 - 1).map(IPv4Address)
V6 = st.integers(0, 2**128 - 1).map(IPv6Address)
SPECIAL = st.sampled_from(
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.1",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "233.252.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "168.63.129.16",
    ]
).map(IPv4Address)


async def fetch(url: str, web: Web = HOME) -> Outcome:
    outcome = await fetch_page(web).bind("", {}, arguments={"url": url}).ainvoke({})
    assert isinstance(outcome, Outcome)
    return outcome


def page(html: str | bytes, kind: str = "text/html", charset: str | None = None) -> Any:
    body = html.encode() if isinstance(html, str) else html
    return read_page(Reply("http://x.org/", kind, charset, body, truncated=False))


# -- addresses


@given(V4 | V6)
def test_no_address_that_is_not_global_is_public(address: IPv4Address | IPv6Address) -> None:
    if not address.is_global or address.is_multicast or address.is_private or address.is_loopback:
        assert not public(address)
        with pytest.raises(ToolFault, match="not on the public internet"):
            check_host(str(address), frozenset())


@given(SPECIAL | V4)
def test_an_address_embedded_in_another_is_no_more_public_than_itself(inner: IPv4Address) -> None:
    bits = int(inner)
    mapped, translated = IPv6Address(0xFFFF << 32 | bits), IPv6Address(0x64FF9B << 96 | bits)
    assert public(mapped) == public(translated) == public(inner)
    tunnels = [IPv6Address(bits), IPv6Address(0x2002 << 112 | bits << 80), IPv6Address(0x20010000 << 96 | bits)]
    local = IPv6Address(0x64FF9B0001 << 80 | bits)
    assert not any(public(one) for one in [*tunnels, local])


@given(SPECIAL)
def test_special_addresses_are_not_public(address: IPv4Address) -> None:
    assert not public(address)


@pytest.mark.parametrize("address", ["::", "::1", "4000::1", "8000::1", "e000::1", "fd00:ec2::254", "ff0e::1"])
def test_reserved_and_local_addresses_are_not_public(address: str) -> None:
    assert not public(ip_address(address))


@pytest.mark.parametrize("network", NOT_PUBLIC, ids=str)
def test_both_ends_of_every_special_network_are_refused(network: Any) -> None:
    assert not public(network[0])
    assert not public(network[-1])


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "2001:4860:4860::8888", "64:ff9b::808:808"]
)
def test_public_addresses_are_public(address: str) -> None:
    assert public(ip_address(address))
    check_host(address, frozenset())


@given(V4)
def test_an_address_in_another_spelling_is_refused(address: IPv4Address) -> None:
    a, b, c, d = address.packed
    spellings = [
        str(int(address)),
        hex(int(address)),
        f"0{a:o}.{b}.{c}.{d}",
        f"{a}.{hex(b)}.{c}.{d}",
        f"{a}.{b}.{c * 256 + d}",
    ]
    for spelling in [*spellings, f"{address}.", f"x.{a}", "0x", f"{a}"]:
        with pytest.raises(ToolFault, match=r"not on the public|in disguise"):
            check_host(spelling, frozenset({"127.0.0.1"}))


@pytest.mark.parametrize("host", ["example.org", "1and1.com", "0x.org", "x1.y2.de", "example.org."])
def test_a_name_is_no_number_in_disguise(host: str) -> None:
    assert not disguised(host)


# -- refusals


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("file:///etc/passwd", "no web address"),
        ("gopher://x.org/", "no web address"),
        ("x.org", "no web address"),
        ("http://", "no web address"),
        ("http://x:99999/", "no web address"),
        ("http://[::1", "no web address"),
        ("http://user:word@x.org/", "has credentials"),
        ("http://user@x.org/", "has credentials"),
        ("http://x.org:22/", "port 22 of x.org is refused. Use port 80 or 443"),
        ("http://127.0.0.1/", "not on the public internet"),
        ("http://169.254.169.254/latest/meta-data", "not on the public internet"),
        ("http://[::1]/", "not on the public internet"),
        ("http://[::ffff:10.0.0.1]/", "not on the public internet"),
        ("http://[fe80::1%25eth0]/", "not on the public internet"),
        ("http://１２７.0.0.1/", "not on the public internet"),
        ("http://2130706433/", "in disguise"),
        ("http://0x7f.1/", "in disguise"),
        ("http://0177.0.0.1/", "in disguise"),
        ("http://localhost/", "not on the public internet"),
    ],
)
async def test_a_url_that_may_not_be_asked_for_is_refused(url: str, why: str) -> None:
    with pytest.raises(ToolFault, match=why) as told:
        await fetch(url, Web(seconds=5))
    assert not told.value.retryable


@pytest.mark.parametrize(
    "target", ["http://127.0.0.2:{port}/", "http://localhost:{port}/", "file:///etc/passwd", "//0/"]
)
async def test_a_redirect_to_a_private_address_is_refused(target: str) -> None:
    async with loopback(
        lambda asked: Served(status=302, headers={"Location": target.format(port=server.port)})
    ) as server:
        with pytest.raises(ToolFault, match=r"not on the public|no web address|in disguise"):
            await fetch(server.url(), replace(HOME, ports=frozenset({server.port})))
        assert [asked.path for asked in server.asked] == ["/"]


async def test_a_name_with_one_private_address_among_public_ones_is_refused() -> None:
    async with loopback(lambda asked: Served()) as server:
        found = [socket.getaddrinfo(host, server.port)[0] for host in ("93.184.216.34", "127.0.0.1")]
        web = Web(seconds=5, ports=frozenset({server.port}), lookup=lambda host, port: found)
        with pytest.raises(ToolFault, match=r"'rebound\.test' is not on the public internet"):
            await fetch(server.url(host="rebound.test"), web)
        assert not server.asked


async def test_a_name_is_looked_up_once_and_the_connection_goes_to_what_was_found() -> None:
    looked_up: list[str] = []

    def lookup(host: str, port: int) -> list[Any]:
        looked_up.append(host)
        return list(socket.getaddrinfo("127.0.0.1", port, type=socket.SOCK_STREAM))

    async with loopback(lambda asked: Served(b"<p>here")) as server:
        web = Web(seconds=5, allow_hosts=frozenset({"pinned.test"}), lookup=lookup)
        outcome = await fetch(server.url(host="pinned.test"), web)
        assert outcome.content.endswith("here")
        assert server.asked[0].headers["host"] == f"pinned.test:{server.port}"
    assert looked_up == ["pinned.test"]


async def test_a_name_that_is_not_found_is_a_fault() -> None:
    def lookup(host: str, port: int) -> list[Any]:
        raise socket.gaierror(socket.EAI_AGAIN, "later")

    with pytest.raises(ToolFault, match=r"'nowhere\.test' was not found") as told:
        await fetch("http://nowhere.test/", Web(seconds=5, lookup=lookup))
    assert told.value.retryable


async def test_the_environment_sets_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with loopback(lambda asked: Served(b"direct")) as server, loopback(lambda asked: Served(b"proxy")) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url())
        assert (await fetch(server.url())).content.endswith("direct")
        assert not proxy.asked


async def test_cookies_are_not_kept_and_headers_stay_with_their_origin() -> None:
    def answer(asked: Asked) -> Served:
        if asked.path == "/":
            return Served(status=302, headers={"Location": other.url("/there"), "Set-Cookie": "a=1; Path=/"})
        return Served(b"there")

    async with loopback(lambda asked: Served(b"there")) as other, loopback(answer) as server:
        reply = await HOME.get(server.url(), headers={"X-Key": "secret"})
        assert reply.url == other.url("/there")
        assert server.asked[0].headers["x-key"] == "secret"
        assert not {"x-key", "cookie"} & set(other.asked[0].headers)


# -- limits


async def test_redirects_are_followed_up_to_the_limit() -> None:
    def answer(asked: Asked) -> Served:
        left = int(asked.path[1:])
        return Served(status=301, headers={"Location": f"/{left - 1}"}) if left else Served(b"the end")

    async with loopback(answer) as server:
        assert (await fetch(server.url("/5"))).data["url"] == server.url("/0")
        with pytest.raises(ToolFault, match="redirects more than 5 times"):
            await fetch(server.url("/6"))


async def test_a_slow_server_is_a_fault_that_may_pass() -> None:
    async with loopback(lambda asked: Served(seconds=20)) as server:
        began = time.monotonic()
        with pytest.raises(ToolFault, match=r"no answer within 0\.3 s") as told:
            await fetch(server.url(), Web(seconds=0.3, allow_hosts=HOME.allow_hosts))
    assert told.value.retryable
    assert time.monotonic() - began < 2


async def test_a_long_body_is_cut_at_the_limit() -> None:
    async with loopback(lambda asked: Served(b"x" * 5_000_000, "text/plain")) as server:
        reply = await HOME.get(server.url())
    assert (len(reply.body), reply.truncated) == (2_000_000, True)


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_a_body_that_expands_without_end_is_cut_at_the_limit(encoding: str, pack: Any) -> None:
    bomb = pack(b"0" * 50_000_000)
    async with loopback(lambda asked: Served(bomb, "text/plain", headers={"Content-Encoding": encoding})) as server:
        tracemalloc.start()
        try:
            reply = await HOME.get(server.url())
            assert tracemalloc.get_traced_memory()[1] < 15_000_000
        finally:
            tracemalloc.stop()
    assert (len(reply.body), reply.truncated) == (2_000_000, True)


async def test_a_compressed_page_is_read() -> None:
    served = Served(gzip.compress(b"<p>plain"), headers={"Content-Encoding": "gzip"})
    async with loopback(lambda asked: served) as server:
        outcome = await fetch(server.url())
    assert outcome.content.endswith("\nplain")
    assert outcome.data["truncated"] is False


@pytest.mark.parametrize(
    ("served", "why", "retryable"),
    [
        (Served(status=404), "answered with status 404", False),
        (Served(status=503), "answered with status 503", True),
        (Served(status=429), "answered with status 429", True),
        (Served(b"\x89PNG", "image/png"), "is image/png, no text", False),
        (Served(b"a\0b", "text/plain"), "is text/plain, no text", False),
        (Served(b"?", None), "is of no stated type, no text", False),
        (Served(b"?", headers={"Content-Encoding": "br"}), "compressed with 'br'", False),
        (Served(b"not gzip", headers={"Content-Encoding": "gzip"}), "not compressed as it says", False),
        (Served(status=302), "answered with status 302", False),
    ],
)
async def test_an_answer_that_is_no_page_is_a_typed_fault(served: Served, why: str, retryable: bool) -> None:
    async with loopback(lambda asked: served) as server:
        with pytest.raises(ToolFault, match=why) as told:
            await fetch(server.url())
    assert told.value.retryable is retryable


async def test_a_server_that_is_not_there_is_a_fault_that_may_pass() -> None:
    async with loopback(lambda asked: Served()) as server:
        gone = server.url()
    with pytest.raises(ToolFault, match="cannot be read") as told:
        await fetch(gone)
    assert told.value.retryable


async def test_a_certificate_nobody_vouches_for_is_refused_and_the_name_was_asked_for(tmp_path: Path) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(_certificate(tmp_path))
    named: list[str | None] = []
    tls.sni_callback = lambda _, name, __: named.append(name)
    async with loopback(lambda asked: Served(b"no"), tls) as server:
        local = socket.getaddrinfo("127.0.0.1", server.port, type=socket.SOCK_STREAM)
        web = Web(seconds=5, allow_hosts=frozenset({"pinned.test"}), lookup=lambda host, port: list(local))
        with pytest.raises(ToolFault, match="no valid certificate") as told:
            await fetch(server.url(host="pinned.test", scheme="https"), web)
        assert not server.asked
    assert named == ["pinned.test"]
    assert not told.value.retryable


def _certificate(folder: Path) -> Path:
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "pinned.test")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(1)).sign(key, hashes.SHA256())
    form = serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    file = folder / "both.pem"
    file.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return file


# -- pages


def test_a_page_reads_as_it_is_shown() -> None:
    html = """<html><head><title> A &amp;
    title </title><style>p{}</style></head><body><nav>menu</nav><h1>Head</h1><div>one <b>bold</b>
    word</div>two<p>three<br>four</p><ul><li>a<li>b</ul><table><tr><td>1</td><td>2</td></tr></table>
    <script>alert(1)</script><noscript>x</noscript><p>5 &lt; 6</p></body></html>"""
    read = page(html)
    assert read.title == "A & title"
    assert read.text == "Head\none bold word\ntwo\nthree\nfour\na\nb\n1 2\n5 < 6"


@pytest.mark.parametrize(
    ("body", "kind", "charset", "text"),
    [
        ("é".encode("latin-1"), "text/html", "iso-8859-1", "é"),
        (b'<meta charset="windows-1252"><p>' + "€".encode("cp1252"), "text/html", None, "€"),
        ("日本".encode("shift_jis"), "text/plain", "Shift_JIS", "日本"),
        ("é".encode(), "text/plain", None, "é"),
        (b"\xef\xbb\xbfx", "text/plain", None, "x"),
        (b"a\xff", "text/plain", "no-such", "a\ufffd"),
        (b"xn--a", "text/plain", "idna", "xn--a"),
        (b"\\x41", "text/plain", "unicode_escape", "\\x41"),
        (b"616263", "text/plain", "hex", "616263"),
        (b'{"a": 1}', "application/ld+json", None, '{"a": 1}'),
    ],
)
def test_text_is_read_by_its_charset(body: bytes, kind: str, charset: str | None, text: str) -> None:
    assert page(body, kind, charset).text == text


@given(st.text(max_size=200))
def test_any_text_makes_a_page(html: str) -> None:
    read = page(html.encode("utf-8", "replace"))
    assert "\n\n" not in read.text
    assert "\x1e" not in read.text


async def test_a_result_is_bounded_and_says_what_is_left_out() -> None:
    async with loopback(lambda asked: Served(b"<title>T</title>" + b"<p>word</p>" * 10_000)) as server:
        outcome = await fetch(server.url())
        assert outcome.content.startswith(f"URL: {server.url()}\nTitle: T\n\nword\n")
    assert "characters left out" in outcome.content
    assert len(outcome.content) < SHOWN + 300
    assert outcome.data["truncated"] is True


async def test_an_empty_page_is_a_result_too() -> None:
    async with loopback(lambda asked: Served(b"")) as server:
        assert "There is no text on the page" in (await fetch(server.url())).content


def test_arguments_without_a_url_are_refused() -> None:
    with pytest.raises(BadArguments, match="'url' is a required property"):
        FETCH_PAGE.bind("", {}, arguments={})


async def test_nothing_blocks_the_event_loop() -> None:
    slow = Web(seconds=5, allow_hosts=HOME.allow_hosts, lookup=lambda host, port: time.sleep(0.5) or [])  # type: ignore[func-returns-value]
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.02)
            ticks += 1

    ticking = asyncio.create_task(tick())
    with pytest.raises(ToolFault):
        await fetch("http://slow.test/", slow)
    ticking.cancel()
    assert ticks > 10
