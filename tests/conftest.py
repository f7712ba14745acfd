"""Tests press Ctrl-C in child processes. Whoever runs them in the background of a shell has SIGINT ignored, and what is
ignored stays so in every child: here it is taken up again."""

from __future__ import annotations

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
