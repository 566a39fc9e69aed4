"""The opcodes of a pickled array, walked and not executed.

Source: the comments of CPython's Lib/pickletools.py, and ``ndarray.__reduce_ex__`` of NumPy.
"""

from __future__ import annotations

import codecs
import os
import struct
import tempfile
from typing import Any, NamedTuple

import numpy as np

from vidformats.errors import FormatError
from vidformats.storage.base import ByteSource
from vidformats.storage.local import LocalFile


class Span(NamedTuple):
    """Bytes inside the file; `encoded` if they are a text of which each character stands for a byte."""

    offset: int
    nbytes: int
    encoded: bool = False


class Term(NamedTuple):
    """What an opcode would have done.

    One of ``("global", (module, name))``, ``("reduce", (function, arguments))``, ``("build", (object, state))``.
    """

    verb: str
    parts: tuple[Any, ...]


MARK = object()
CONSTANTS = {b"N": None, b"\x88": True, b"\x89": False, b")": ()}
NUMBERS = {b"K": "<B", b"M": "<H", b"J": "<i"}
TEXTS = {b"\x8c": "<B", b"X": "<I"}
SPANS = {b"C": "<B", b"B": "<I", b"\x8e": "<Q", b"\x96": "<Q", b"U": "<B", b"T": "<i"}
PUTS = {b"q": "<B", b"r": "<I"}
TUPLES = {b"\x85": 1, b"\x86": 2, b"\x87": 3}
MAX_OPCODES, MAX_TEXT = 200, 256
REBUILD = {"numpy.core.numeric", "numpy._core.numeric"}, {"numpy.core.multiarray", "numpy._core.multiarray"}


def walk(file: ByteSource) -> Any:
    """Return the object that a pickle describes, as constants, `Span` and `Term`; nothing is called.

    Raises
    ------
    FormatError
        At the first opcode that no pickled array of numbers needs.
    """
    at = 0
    stack: list[Any] = []
    memo: dict[int, Any] = {}

    def take(code: str) -> Any:
        nonlocal at
        (value,) = struct.unpack(code, file.read(struct.calcsize(code), at))
        at += struct.calcsize(code)
        return value

    try:
        for _ in range(MAX_OPCODES):
            op = take("1s")
            if op == b"\x80":
                if (protocol := take("<B")) not in (2, 3, 4, 5):
                    raise FormatError(file.url, f"is a pickle of protocol {protocol}; 2 to 5 are read")
            elif op == b"\x95":
                take("<Q")  # a frame of pickle's own, which only tells how to buffer
            elif op in CONSTANTS:
                stack.append(CONSTANTS[op])
            elif op in NUMBERS:
                stack.append(take(NUMBERS[op]))
            elif op == b"\x8a":
                length = take("<B")
                stack.append(int.from_bytes(file.read(length, at), "little", signed=True))
                at += length
            elif op in TEXTS:
                length = take(TEXTS[op])
                stack.append(file.read(length, at).decode() if length <= MAX_TEXT else Span(at, length, True))
                at += length
            elif op in SPANS:
                span = Span(at + struct.calcsize(SPANS[op]), take(SPANS[op]))
                stack.append(span)
                at += span.nbytes
            elif op == b"\x94":
                memo[len(memo)] = stack[-1]
            elif op in PUTS:
                memo[take(PUTS[op])] = stack[-1]
            elif op == b"c":
                names = file.read(2 * MAX_TEXT, at).split(b"\n")[:2]
                stack.append(Term("global", tuple(name.decode() for name in names)))
                at += sum(len(name) + 1 for name in names)
            elif op in (b"h", b"j"):
                stack.append(memo[take("<B" if op == b"h" else "<I")])
            elif op == b"(":
                stack.append(MARK)
            elif op == b"t":
                start = len(stack) - 1 - stack[::-1].index(MARK)
                stack[start:] = [tuple(stack[start + 1 :])]
            elif op in TUPLES:
                stack[-TUPLES[op] :] = [tuple(stack[-TUPLES[op] :])]
            elif op == b"\x93":
                stack[-2:] = [Term("global", tuple(stack[-2:]))]
            elif op in (b"R", b"b"):
                stack[-2:] = [Term("reduce" if op == b"R" else "build", tuple(stack[-2:]))]
            elif op == b".":
                return stack.pop()
            else:
                raise FormatError(
                    file.url, f"is a pickle of something else than one array (opcode {op!r} at byte {at - 1})"
                )
    except (struct.error, LookupError, ValueError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(file.url, f"is no whole pickle: it breaks off at byte {at}") from None
    raise FormatError(file.url, "is a pickle of something else than one array")


def _dtype(term: Any, file: ByteSource) -> np.dtype[Any]:
    (function, (code, *_)), state = term.parts[0].parts, term.parts[1]
    # Python 2 had no text of its own: its short strings are bytes.
    code, order = (file.read(s.nbytes, s.offset).decode() if isinstance(s, Span) else s for s in (code, state[1]))
    if function != Term("global", ("numpy", "dtype")) or code[0] not in "biufc" or not code[1:].isdigit():
        raise ValueError
    dtype: np.dtype[Any] = np.dtype(("" if order == "|" else order) + code)
    return dtype


def _bytes(term: Any, file: ByteSource) -> tuple[ByteSource, Span]:
    """Return where the bytes of the array are: in the file, or decoded to one without a name that goes with its reader.

    Protocol 2 knows no bytes: from Python 3 they are the text of their code points, ``_codecs.encode(text, "latin1")``.
    """
    if isinstance(term, Span) and not term.encoded:
        return file, term
    function, arguments = term.parts
    if (function, arguments) == (Term("global", ("__builtin__", "bytes")), ()):
        return file, Span(0, 0)
    text, *encoding = arguments
    if function != Term("global", ("_codecs", "encode")) or encoding != ["latin1"]:
        raise ValueError
    with tempfile.TemporaryFile() as temporary:
        if isinstance(text, str):
            temporary.write(text.encode("latin1"))
        elif isinstance(text, Span) and text.encoded:
            decoder = codecs.getincrementaldecoder("utf-8")()
            for at in range(text.offset, text.offset + text.nbytes, 1 << 20):
                part = file.read(min(1 << 20, text.offset + text.nbytes - at), at)
                temporary.write(decoder.decode(part, at + (1 << 20) >= text.offset + text.nbytes).encode("latin1"))
        else:
            raise ValueError
        temporary.flush()
        source = LocalFile(file.url, os.dup(temporary.fileno()))
    return source, Span(0, source.size)


Array = tuple[ByteSource, Span, np.dtype[Any], tuple[int, ...], bool, tuple[int, ...]]


def pickled_array(file: ByteSource) -> Array:
    """Return where a pickled array has its bytes, its dtype, its shape as it is stored, and in what order that is.

    The order is whether it is Fortran's, and how the axes were transposed, where they were.

    Raises
    ------
    FormatError
        For anything but the shapes in which NumPy pickles an array of numbers.
    """
    term = walk(file)
    try:
        return _matched(term, file)
    except (AttributeError, TypeError, ValueError, IndexError):
        raise FormatError(file.url, "is a pickle of something else than one array of numbers") from None


def _matched(term: Any, file: ByteSource) -> Array:
    function, arguments = term.parts
    axes: tuple[int, ...] = ()
    if term.verb == "reduce":  # protocol 5: _frombuffer(bytes, dtype, shape, order), with "K" and how it was transposed
        data, dtype, shape, order, *rest = arguments
        if order == "K":
            axes = rest[0]
        (module, name), known = function.parts, (REBUILD[0], "_frombuffer")
        fortran = order == "F"
    else:  # protocol 4: _reconstruct(ndarray, (0,), b"b").__setstate__((1, shape, dtype, fortran, bytes))
        _, shape, dtype, fortran, data = arguments  # of protocols 2 to 4
        (module, name), known = function.parts[0].parts, (REBUILD[1], "_reconstruct")
    # Only text is looked up: a tuple of tuples of ... would take for ever to hash.
    if not isinstance(module, str) or module not in known[0] or name != known[1]:
        raise ValueError
    if not all(isinstance(n, int) for n in (*shape, *axes)) or (axes and sorted(axes) != list(range(len(shape)))):
        raise ValueError
    return *_bytes(data, file), _dtype(dtype, file), shape, bool(fortran), axes
