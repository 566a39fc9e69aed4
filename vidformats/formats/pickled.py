"""A pickled array. It is never unpickled: its opcodes are walked and none is executed.

Source: the comments of CPython's Lib/pickletools.py, and ``ndarray.__reduce_ex__`` of NumPy.
"""

from __future__ import annotations

import pickle
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vidformats.format import Format, FormatError, Reader, Source
from vidformats.readers.extent import ExtentReader, StrewnReader
from vidformats.readers.files import File


class Span(NamedTuple):
    """Bytes inside the file."""

    offset: int
    nbytes: int


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
SPANS = {b"C": "<B", b"B": "<I", b"\x8e": "<Q", b"\x96": "<Q"}
TUPLES = {b"\x85": 1, b"\x86": 2, b"\x87": 3}
MAX_OPCODES, MAX_TEXT = 200, 256
REBUILD = {"numpy.core.numeric", "numpy._core.numeric"}, {"numpy.core.multiarray", "numpy._core.multiarray"}


def walk(file: File) -> Any:
    """Return the object that a pickle describes, as constants, `Span` and `Term`; nothing is called.

    Raises
    ------
    FormatError
        At the first opcode that no pickled array of numbers needs.
    """
    at = 0
    stack: list[Any] = []
    memo: list[Any] = []

    def take(code: str) -> Any:
        nonlocal at
        (value,) = struct.unpack(code, file.read(struct.calcsize(code), at))
        at += struct.calcsize(code)
        return value

    try:
        for _ in range(MAX_OPCODES):
            op = take("1s")
            if op == b"\x80":
                if (protocol := take("<B")) not in (4, 5):
                    raise FormatError(file.path, f"is a pickle of protocol {protocol}; 4 and 5 are read")
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
                if length > MAX_TEXT:
                    raise FormatError(file.path, "is a pickle of something else than one array")
                stack.append(file.read(length, at).decode())
                at += length
            elif op in SPANS:
                span = Span(at + struct.calcsize(SPANS[op]), take(SPANS[op]))
                stack.append(span)
                at += span.nbytes
            elif op == b"\x94":
                memo.append(stack[-1])
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
                    file.path, f"is a pickle of something else than one array (opcode {op!r} at byte {at - 1})"
                )
    except (struct.error, IndexError, ValueError, UnicodeDecodeError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(file.path, f"is no whole pickle: it breaks off at byte {at}") from None
    raise FormatError(file.path, "is a pickle of something else than one array")


def _dtype(term: Any) -> np.dtype:
    (function, (code, *_)), state = term.parts[0].parts, term.parts[1]
    if function != Term("global", ("numpy", "dtype")) or code[0] not in "biufc" or not code[1:].isdigit():
        raise ValueError
    return np.dtype(("" if state[1] == "|" else state[1]) + code)


def _array(term: Any) -> tuple[Span, np.dtype, tuple[int, ...], bool]:
    """Match the two shapes in which NumPy pickles an array of numbers."""
    function, arguments = term.parts
    if term.verb == "reduce":  # protocol 5: _frombuffer(bytes, dtype, shape, order)
        data, dtype, shape, order = arguments
        (module, name), known = function.parts, (REBUILD[0], "_frombuffer")
        fortran = order == "F"
    else:  # protocol 4: _reconstruct(ndarray, (0,), b"b").__setstate__((1, shape, dtype, fortran, bytes))
        _, shape, dtype, fortran, data = arguments
        (module, name), known = function.parts[0].parts, (REBUILD[1], "_reconstruct")
    if module not in known[0] or name != known[1] or not isinstance(data, Span):
        raise ValueError
    if not all(isinstance(n, int) for n in shape):
        raise ValueError
    return data, _dtype(dtype), shape, bool(fortran)


@dataclass(frozen=True)
class Pickle(Format):
    """One array, pickled with protocol 5."""

    def write(self, video: Source, path: Path) -> None:
        """Pickle an array as it is; frames that are still to come get the same opcodes around them."""
        with open(path, "wb") as file:
            if video.array is not None:
                pickle.dump(video.array, file, protocol=5)
                return
            head, _ = _around(0, video)
            file.write(head + bytes(8))
            n_frames = nbytes = 0
            for block in video.blocks():
                nbytes += file.write(block.data)
                n_frames += len(block)
            file.write(_around(n_frames, video)[1])
            file.seek(len(head))
            file.write(struct.pack("<Q", nbytes))

    def open(self, path: Path) -> Reader:
        """Open a pickled array in either order of axes and of bytes; anything else is a `FormatError`."""
        file = File(path)
        term = walk(file)
        try:
            data, dtype, shape, fortran = _array(term)
        except (AttributeError, TypeError, ValueError, IndexError):
            raise FormatError(path, "is a pickle of something else than one array of numbers") from None
        if int(np.prod(shape, dtype=object)) * dtype.itemsize != data.nbytes:
            raise FormatError(path, f"claims {shape} of {dtype} in {data.nbytes} bytes")
        return (StrewnReader if fortran and len(shape) > 1 else ExtentReader)(file, data.offset, shape, dtype)


class _Around:
    """Pickles as the array would whose bytes are one zero."""

    def __init__(self, n_frames: int, video: Source):
        reduced: Any = np.empty(0, video.dtype).__reduce_ex__(5)
        rebuild, (_, dtype, _, order) = reduced
        self.parts = rebuild, (pickle.PickleBuffer(bytearray(1)), dtype, (n_frames, *video.frame_shape), order)

    def __reduce__(self) -> tuple:
        return self.parts


def _around(n_frames: int, video: Source) -> tuple[bytes, bytes]:
    """Return the opcodes before the length of the payload, and those behind the payload."""
    whole = pickle.dumps(_Around(n_frames, video), protocol=5)
    at = whole.index(b"\x96" + struct.pack("<Q", 1)) + 1
    return whole[:2] + whole[11:at], whole[
        at + 9 :
    ]  # less the 9 bytes of the frame opcode, whose length would be wrong
