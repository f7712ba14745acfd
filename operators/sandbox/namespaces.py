"""The provider that needs no program installed: the interpreter confines itself with namespaces, Landlock and a file
system of its own before it is given anything to run."""

from __future__ import annotations

from typing import ClassVar

from .bundle import Stage
from .identity import own_uid
from .inside.jobs import World
from .interpreter import DEVICES, Interpreter
from .launch import Launch
from .limits import Limits
from .provider import Provider, confine_stage


class Namespaces(Provider):
    """Programs in namespaces under Landlock, Linux 5.13 or later."""

    name: ClassVar[str] = "namespaces"

    def launch(self, limits: Limits) -> Launch:
        """See Provider.launch."""
        interpreter, uid = Interpreter.running(), own_uid()
        world: World = {
            "own_user": uid is not None,
            "readable": list(interpreter.readable),
            "links": list(interpreter.links),
            "hidden": list(interpreter.hidden),
            "devices": list(DEVICES),
            "scratch_bytes": limits.file_bytes,
        }
        return Launch((), (Stage("namespaces", world), confine_stage(limits, uid)))
