"""The first code in a sandbox: it builds the package `inside` from what comes over the pipe, confines itself, and only
then says it is ready to be given a program. Run as text: `python -I -S -c BOOT FD_IN FD_OUT`."""

import builtins
import marshal
import os
import sys


def _boot(incoming: int, outgoing: int) -> None:
    length, data = int.from_bytes(os.read(incoming, 4), "big"), b""
    while len(data) < length:
        data += os.read(incoming, length - len(data)) or sys.exit("the host went away")
    nonce, modules, stages = marshal.loads(data)
    module_type = type(sys)
    package = module_type("inside")
    package.__path__ = []
    sys.modules["inside"] = package
    for name, code in modules:
        module = module_type(f"inside.{name}")
        module.__package__ = "inside"
        setattr(package, name, module)
        sys.modules[module.__name__] = module
        exec(code, module.__dict__)  # noqa: S102 -- our own modules, inside the sandbox
    builtins.exit = builtins.quit = sys.exit  # type: ignore[assignment] # -S leaves them out, programs call them
    wire = sys.modules["inside.wire"].Wire(incoming, outgoing, nonce)
    for name, job in stages:
        sys.modules[f"inside.{name}"].main(wire, job)


if __name__ == "__main__":
    _boot(int(sys.argv[1]), int(sys.argv[2]))
