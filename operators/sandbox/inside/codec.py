"""Only plain data crosses between processes, and it comes back equal and of the same type: decode(encode(x)) == x for
None, bool, int, float, complex, str, bytes, bytearray, list, tuple, set, frozenset, dict, nested at will. What could
carry behaviour (a class, a function, an `__eq__`) has no encoding; a subclass arrives as the plain type it extends."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_WIDE_INT = 1 << 53


class NotPlainError(TypeError):
    """A value, or something in it, is not plain data."""


def encode(value: Any) -> Any:
    """`value` as JSON: scalars and lists as themselves, all else as `{tag: content}`. Raises NotPlainError."""
    try:
        return _encode(value)
    except RecursionError:
        raise NotPlainError("data nested too deeply, or containing itself") from None


def decode(data: Any) -> Any:
    """The value that `encode` turned into `data`. Raises ValueError for anything `encode` could not have made."""
    try:
        return _decode(data)
    except (TypeError, RecursionError, OverflowError) as fault:
        raise ValueError(f"not an encoded value: {fault}") from None


def _encode(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if abs(value) < _WIDE_INT else {"int": hex(value)}
    if isinstance(value, float):
        return {"float": float(value).hex()}
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, (bytes, bytearray)):
        return {"bytes" if isinstance(value, bytes) else "bytearray": value.hex()}
    if isinstance(value, complex):
        return {"complex": [value.real.hex(), value.imag.hex()]}
    return _encode_collection(value)


def _encode_collection(value: Any) -> Any:
    if isinstance(value, list):
        return [_encode(item) for item in list.__iter__(value)]
    if isinstance(value, tuple):
        return {"tuple": [_encode(item) for item in tuple.__iter__(value)]}
    if isinstance(value, dict):
        return {"dict": [[_encode(key), _encode(item)] for key, item in dict.items(value)]}
    if isinstance(value, (set, frozenset)):
        return {"set" if isinstance(value, set) else "frozenset": [_encode(item) for item in value]}
    raise NotPlainError(f"{type(value).__name__} is not plain data")


def _decode(data: Any) -> Any:
    if data is None or isinstance(data, (bool, int, str)):
        return data
    if isinstance(data, list):
        return [_decode(item) for item in data]
    if isinstance(data, dict) and len(data) == 1:
        ((tag, content),) = data.items()
        if tag in _DECODERS:
            return _DECODERS[tag](content)
    raise ValueError(f"not an encoded value: {type(data).__name__}")


_DECODERS: dict[str, Any] = {
    "int": lambda text: int(text, 16),
    "float": lambda text: float.fromhex(text),
    "complex": lambda parts: complex(*map(float.fromhex, parts)),
    "bytes": lambda text: bytes.fromhex(text),
    "bytearray": lambda text: bytearray.fromhex(text),
    "tuple": lambda items: tuple(map(_decode, items)),
    "set": lambda items: set(map(_decode, items)),
    "frozenset": lambda items: frozenset(map(_decode, items)),
    "dict": lambda pairs: {_decode(key): _decode(item) for key, item in pairs},
}
