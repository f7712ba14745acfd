"""What runs inside a sandbox: the standard library is all these modules may import, beside each other. They reach the
sandbox compiled, over a pipe, and live there in a package named `inside`; the host never shows it their files."""
