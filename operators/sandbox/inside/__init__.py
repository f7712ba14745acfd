"""What runs inside a sandbox: beside each other, the standard library is all these modules may import, and little of
that before the program runs (`typing` alone takes as long as the interpreter does to start). They reach the sandbox
compiled, over a pipe, and live there in a package named `inside`; no file of the host leads to them."""
