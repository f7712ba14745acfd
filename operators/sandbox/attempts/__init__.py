"""The contract of a sandbox as code: what a program may try, and what must come of it. An attempt that succeeds, in a
sandbox that is none, does no harm: it opens but does not write, takes nothing that was not laid out for it, and removes
the empty file or the process it made."""
