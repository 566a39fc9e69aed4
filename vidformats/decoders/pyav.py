"""Decoding by PyAV: FFmpeg's libraries, packet by packet."""

from __future__ import annotations

import errno
import functools
import re
from collections import deque
from collections.abc import Callable, Iterator, Set
from fractions import Fraction
from operator import attrgetter
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from vidformats.decoders.base import NONE, Colour, Decoder, Memo, Packets, Parcel, Track, split
from vidformats.decoders.picked import TAGS
from vidformats.errors import FormatError
from vidformats.storage.base import ByteSource

DEMUXERS = (
    "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,ivf,yuv4mpegpipe,gif,apng,h264,hevc,m4v,av1,obu,nut,mxf,"
    "dv,mjpeg,webp_anim,rm,dirac,vc1,h263,h261,swf,wtv,cine"
)
"""Containers that are opened. None of them reads other files: no playlists, no lists of files."""

BICUBIC = 4
"""What the ffmpeg program scales by, and so how it converts colours where planes differ in size."""

PADDING = bytes(64)
"""What has to follow a packet in memory: ``AV_INPUT_BUFFER_PADDING_SIZE``."""

DIRECT = frozenset(("yuv420p", "yuvj420p", "yuv422p", "yuvj422p"))
"""Pixel formats with fewer samples of colour that swscale converts straight to ``rgb24``, wherever these lie."""

NONREF = frozenset(("h264", "mpeg2video", "mpeg1video"))
"""Codecs that mark frames on which no other depends, so that they can be skipped; HEVC's mark means less."""

ALONE = frozenset(("mpeg4", "mjpeg", "ffv1", "prores"))
"""Codecs whose packets need nothing beside their bytes."""

AHEAD = 256 << 10
"""Bytes of packets read at a time while they are taken one after another."""

NEAR = 12
"""Packets up to which reading on without decoding beats a seek; with 96, frames of short GOPs cost 5 to 10 % more."""

ROW = attrgetter("pts", "dts", "duration", "is_keyframe", "is_discard", "pos", "size", "is_corrupt")
UNKNOWN = (NONE, NONE, NONE, 0, 0, -1, 0, 0)
"""What is kept of a packet, and what stands for None."""

_TOLERANT: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}
"""Texts that are not UTF-8 are no reason to refuse a video; from 19 on PyAV takes them by itself."""


class PyAVDecoder(Decoder):
    """A decoder of FFmpeg.

    Parameters
    ----------
    source : ByteSource
    threads : int
        Threads that decode several frames at once; with 1 each frame comes as soon as it can.
    stream : int, optional
        Which video track, counted from 0; by default the one that the ffmpeg program takes.

    Raises
    ------
    FormatError
        If the file holds no video that can be decoded.
    """

    depths, aside = (8, 16), True

    def __init__(self, source: ByteSource, threads: int = 1, stream: int | None = None, memo: Memo | None = None):
        self._source, self._path, self.threads, self._which = source, source.url, threads, stream
        self.memo, self.damaged = memo or Memo(), set()
        self._reformatter = VideoReformatter()
        self._graphs: dict[tuple[Any, ...], tuple[Any, Any, Any]] = {}
        self._open()
        self.track = self._described()
        context = self._context
        self.size = (context.height, context.width)
        self.rotation = self._rotation() if not min(self.size) or self._may_be_turned() else 0
        self.colour = _colour(context.pix_fmt)

    def _open(self) -> None:
        options = {"protocol_whitelist": "file,fd", "format_whitelist": DEMUXERS}
        try:
            place = self._source.as_path() if self._source.fileno() is not None else self._source.as_file()
            self._file = av.open(place, "r", container_options=options, **_TOLERANT)
        except av.error.FFmpegError as error:
            _is_the_machines(error, self._source)
            raise FormatError(
                self._path, f"holds no video that can be opened: FFmpeg says {error.strerror!r}; is it cut short?"
            ) from None
        videos = list(self._file.streams.video)
        if not videos:
            raise FormatError(self._path, f"holds no video: expected a video track, got {_kinds(self._file)}")
        if self._which is not None and not 0 <= self._which < len(videos):
            raise ValueError(
                f"{self._path}: stream must be below {len(videos)}, the number of tracks, got {self._which}"
            )
        self._stream = videos[self._which] if self._which is not None else max(videos, key=_preference)
        self._chosen, self._videos = videos.index(self._stream), videos
        if self._stream.codec_context is None:
            raise FormatError(self._path, "holds a video track of a codec that this FFmpeg cannot decode")
        for other in self._file.streams:
            if other is not self._stream:
                other.discard = av.stream.Discard.all
        self._context = self._stream.codec_context
        self._context.thread_type = "AUTO" if self.threads > 1 else "NONE"
        self._context.thread_count = self.threads
        self._skips = self._context.name in NONREF
        self.memo.depth = max(self.memo.depth, self._context.reorder_depth)
        self._begin()

    def _begin(self) -> None:
        """Stand at the start of an opened file."""
        self._packet_at = self._file.demux(self._stream)
        self._ready: deque[Any] = deque()
        self._held: Any = None
        self._frame: Any = None
        self._skipping = False
        self.fed, self.ended, self.key, self._synced, self._came = 0, False, False, True, 0
        self._block, self._taken = (0, b""), -1

    def _described(self) -> Track:
        stream, context, file = self._stream, self._context, self._file
        tick = stream.time_base or Fraction(1, 1000)
        start = file.start_time or 0
        facts: dict[str, Any] = {
            "profile": context.profile,
            "pix_fmt": context.pix_fmt,
            "streams": [f"{s.type}: {s.codec_context.name if s.codec_context else 'unknown'}" for s in file.streams],
            "stream": self._chosen,
            "decoder": f"PyAV {av.__version__}",
        }
        return Track(
            container=file.format.name.partition(",")[0],
            codec=context.name if context.codec is None else context.codec.canonical_name,
            tick=tick,
            start=round(Fraction(start, av.time_base) / tick),
            rate=stream.average_rate or stream.guessed_rate,
            reorder=context.reorder_depth,
            interlaced=context.field_order not in (0, 1),
            facts=facts,
        )

    def _may_be_turned(self) -> bool:
        """Tell whether the file's headers speak of a rotation, which only a decoded frame tells."""
        kind = self._file.format.name
        if kind.startswith("matroska"):
            head = self._source.read(1 << 16, 0).partition(b"\x1f\x43\xb6\x75")[0]  # up to the first cluster
            return any(pose in head for pose in (b"\x76\x73", b"\x76\x74", b"\x76\x75"))
        return kind.startswith("mov") and any(turned(matrix) for matrix in _matrices(self._source))

    def _rotation(self) -> int:
        """Decode the first frame to learn its rotation, and its size if the headers do not tell."""
        if self.next() is None:
            raise FormatError(self._path, f"no frame can be decoded; its codec is {self._context.name!r}")
        self.size = (self._frame.height, self._frame.width)
        rotation: int = round(-self._frame.rotation / 90) * 90 % 360
        self.seek(0)
        return rotation

    def packets(self) -> Packets:
        """Read all packets."""
        if self.memo.packets is None:
            if self.fed or self._held:
                self._open()
            rows: list[tuple[int | None, ...]] = []
            first: list[bytes] = []
            invisible: list[bool] = []
            try:
                rows.extend(map(ROW, self._looked_into(first, invisible)))
            except av.error.FFmpegError as error:
                _is_the_machines(error, self._source)
            table = _table(rows)
            self.fed = table.shape[1]
            self.memo.packets = self._packets(table, invisible)
            self.memo.direct = self._is_direct(self.memo.packets, first)
            self.memo.parcel = self._parcel() if self.memo.direct else None
        return self.memo.packets

    def _looked_into(self, first: list[bytes], invisible: list[bool]) -> Iterator[Any]:
        """Return the packets from the file's start; each is looked into if its bytes tell something.

        Parameters
        ----------
        first : list
            Gets the bytes of the first three packets, of codecs in `ALONE`.
        invisible : list
            Gets for each packet of VP8 and VP9 whether its frame is not shown.
        """
        look = {"vp8": _vp8_hidden, "vp9": _vp9_hidden}.get(self._context.name)

        def seen(packet: Any) -> Any:
            if look:
                invisible.append(packet.size > 0 and look(memoryview(packet)))
            elif len(first) < 3:
                first.append(bytes(packet))
            return packet

        return map(seen, self._packet_at) if look or self._context.name in ALONE else self._packet_at

    def _is_direct(self, packets: Packets, first: list[bytes]) -> bool:
        """Tell whether packets can be read from where the container says that they are."""
        if self._context.name not in ALONE or not self._file.format.name.startswith(("mov", "avi")):
            return False
        places = zip(packets.offsets.tolist(), packets.sizes.tolist(), first, strict=False)
        ends = packets.offsets + packets.sizes
        return (
            bool((packets.offsets >= 0).all() and (ends <= self._source.size).all())
            and not packets.missing
            and all(self._source.read(size, offset) == data for offset, size, data in places)
        )

    def _parcel(self) -> Parcel | None:
        """Return what picked packets need, if OpenCV decodes and converts them as this decoder does."""
        context, (height, width) = self._context, self.size
        plain = context.pix_fmt in DIRECT and height % 2 == width % 2 == 0
        try:
            tag = context.codec_tag
        except UnicodeDecodeError:  # a damaged one
            return None
        if not plain or self.track.interlaced or context.reorder_depth or tag not in TAGS:
            return None
        return Parcel(tag, context.extradata or b"", self.size)

    def _packets(self, table: np.ndarray, invisible: list[bool]) -> Packets:
        missing = self._absent(table.shape[1])
        if self._file.format.name.startswith(("mov", "matroska", "avi", "flv")):
            whole = table.shape[1] - np.cumprod(table[7, ::-1], dtype=np.int64).sum()  # the file ends within the rest
            missing += table.shape[1] - int(whole)
            table = table[:, :whole]
        pts, dts, durations, keys, discarded, offsets, sizes, _ = table
        hidden = (discarded != 0) | (sizes == 0)
        if invisible:
            hidden |= np.array(invisible[: len(hidden)], bool)
        return Packets(pts, dts, durations, keys != 0, hidden, offsets, sizes, missing)

    def _absent(self, n: int) -> int:
        """Return how many packets an MP4's table has beyond the end of the file."""
        entries = self._stream.index_entries
        if not self._file.format.name.startswith("mov") or not len(entries):
            return 0
        size, last = self._file.size, entries[len(entries) - 1]
        if last.pos < size:
            return 0
        return sum(entry.pos >= size for entry in entries)

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()  # it and its tracks refer to each other

    def _restart(self) -> None:
        """Go back to the first packet."""
        if not (self.memo.packets is not None and self.memo.seekable and self._jump(0) and self._find(0)):
            self._open()

    def seek(self, packet: int) -> None:
        """Go on with this packet."""
        if self._context.is_open:
            self._context.flush_buffers()
        if self.memo.depth > self._context.reorder_depth:
            self._context.reorder_depth = self.memo.depth  # FFmpeg's guess begins anew, and too low it loses frames
        self._ready.clear()
        self.ended = False
        if self.memo.direct:
            self.fed = packet
            return
        if self._synced and self.fed <= packet <= self.fed + NEAR:
            if self._find(packet):
                return
        elif packet and self.memo.packets is not None and self.memo.seekable:
            keys = self.memo.packets.keys
            target, tries = packet, 0
            while target > 0 and tries < 3:
                if self._jump(target) and self._find(packet):
                    return
                tries += 1
                before = np.flatnonzero(keys[: max(target - 4**tries, 0)])
                target = int(before[-1]) if len(before) else 0
            if tries == 3:
                self.memo.seekable = False
        self._restart()
        self._find(packet)

    def _jump(self, packet: int) -> bool:
        """Let the demuxer seek to a packet's time."""
        packets = self.memo.packets
        if packets is None or not len(packets.dts):
            return False
        stamp = int(packets.dts[packet] if packets.dts[packet] != NONE else packets.pts[packet])
        if stamp == NONE:
            return False
        try:
            self._file.seek(stamp, stream=self._stream)
        except av.error.FFmpegError:
            return False
        self._packet_at, self._held, self._synced = self._file.demux(self._stream), None, False
        return True

    def _find(self, packet: int) -> bool:
        """Read on until this packet comes next."""
        while True:
            found = self._read()
            if found is None:
                return False
            if self.fed == packet:
                self._held = found
                return True
            if self.fed > packet:
                self._held = found
                return False
            self.fed += 1

    def _read(self) -> Any:
        """Return the next packet that is known, its place in `fed`; None at the end."""
        if self.memo.direct and self.memo.packets is not None:
            return self._from_file(self.memo.packets, self.fed)
        if self._held is not None:
            packet, self._held = self._held, None
            return packet
        try:
            for packet in self._packet_at:
                if _is_end(packet):
                    return None
                if self._synced:
                    return packet
                place = self._places().get((packet.pts, packet.pos, packet.size), -1)
                if place >= 0:
                    self.fed, self._synced = place, True
                    return packet
        except av.error.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
        return None

    def _from_file(self, packets: Packets, place: int) -> Any:
        """Return a packet by its bytes: of those one after another, many are read at a time."""
        if place >= len(packets.sizes):
            return None
        offset, size = int(packets.offsets[place]), int(packets.sizes[place])
        begin, block = self._block
        if not begin <= offset <= offset + size <= begin + len(block):
            ahead = AHEAD if self._taken < place <= self._taken + 8 else 0
            begin, block = offset, self._source.read(max(size, ahead), offset)
            self._block = begin, block
        self._taken = place
        # FFmpeg's decoders read a little past the end of a packet, and expect zeros there.
        padded: Any = memoryview(block[offset - begin : offset - begin + size] + PADDING)
        return av.Packet(padded[:size])

    def _places(self) -> dict[tuple[int | None, ...], int]:
        """Return the place of each packet that can be told from all others."""
        if self.memo.places is None:
            packets = self.packets()
            rows = zip(packets.pts.tolist(), packets.offsets.tolist(), packets.sizes.tolist(), strict=True)
            known: dict[tuple[int | None, ...], int] = {}
            for place, (pts, offset, size) in enumerate(rows):
                key = (None if pts == NONE else pts, None if offset < 0 else offset, size)
                known[key] = -1 if key in known else place
            self.memo.places = known
        return self.memo.places

    def next(self, stop: int | None = None, wanted: Set[int] | None = None) -> int | None:
        """Decode up to the next frame."""
        while not self._ready:
            if self.ended:
                return None
            if stop is not None and self.fed > stop:
                self._decode(None)
                continue
            packet = self._read()
            if packet is None or (self.memo.packets is not None and self.fed >= len(self.memo.packets.pts)):
                self._decode(None)
                continue
            place = self.fed
            self.fed += 1
            if packet.size == 0:
                continue
            packet.pts = place
            if self._skips:
                skip = wanted is not None and stop is not None and place < stop and place not in wanted
                if skip != self._skipping:
                    self._context.skip_frame, self._skipping = "NONREF" if skip else "DEFAULT", skip
            self._decode(packet)
        frame = self._frame = self._ready.popleft()
        if self.memo.counts:
            self._came += 1
            return self._came - 1
        self.key = frame.key_frame or frame.pict_type not in (2, 3)
        return frame.pts if frame.pts is not None else -1

    def _decode(self, packet: Any) -> None:
        try:
            self._ready.extend(self._context.decode(packet))
        except av.error.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            if packet is not None:
                self.damaged.add(packet.pts)
        self.memo.depth = max(self.memo.depth, self._context.reorder_depth)
        if packet is None:
            self.ended = True

    def into(self, out: np.ndarray, shown: tuple[int, int] | None = None) -> None:
        """Convert the last frame."""
        self._put(self._frame, out, shown)

    def held(self) -> Callable[..., None]:
        """Return what converts the last frame; one thread at a time may call what a decoder has returned."""
        return functools.partial(self._put, self._frame)

    def _put(self, frame: Any, out: np.ndarray, shown: tuple[int, int] | None = None) -> None:
        if (frame.height, frame.width) != self.size:
            raise FormatError(
                self._path,
                f"expected frames of {self.size[0]} x {self.size[1]} pixels, got one of {frame.height} x {frame.width}",
            )
        wide = out.dtype.itemsize == 2
        height, width = shown or out.shape[1:]
        size = out.shape[1:] if shown else None
        grey = self.colour.grey and len(out) == 1
        name = frame.format.name
        if grey and wide and name.startswith("gray") and self.colour.depth > 8:
            image, pixels = frame, 1  # as it is stored
        elif grey:
            image, pixels = self._as(frame, "gray16le" if wide else "gray"), 1
        else:
            image, pixels = self._as(frame, "rgb48le" if wide else "rgb24"), 3
        plane = image.planes[0]
        view = np.frombuffer(plane, out.dtype).reshape(image.height, plane.line_size // out.dtype.itemsize)
        rows = view[:, : pixels * image.width].reshape(image.height, image.width, pixels)[:height, :width]
        split(rows[..., 0] if grey else rows, out, size)

    def _as(self, frame: Any, name: str) -> Any:
        """Return the frame in another pixel format, converted as the ffmpeg program does."""
        given = frame.format.name
        if given == name:
            return frame
        even = frame.width % 2 == frame.height % 2 == 0
        if not frame.interlaced_frame and ((name == "rgb24" and even and given in DIRECT) or _whole(given)):
            return self._reformatter.reformat(frame, format=name, interpolation=BICUBIC, threads=1)
        key = (given, name, frame.width, frame.height, frame.colorspace, frame.color_range)
        if key not in self._graphs:
            self._graphs[key] = _graph(*key)
        _, source, sink = self._graphs[key]
        frame.time_base = Fraction(1)
        source.push(frame)
        return sink.pull()


@functools.cache
def _whole(name: str) -> bool:
    """Tell whether a pixel format has as many samples of colour as of brightness."""
    return bool(av.VideoFormat(name).chroma_width(2) == 2 == av.VideoFormat(name).chroma_height(2))


def _graph(given: str, name: str, width: int, height: int, matrix: int, full: int) -> tuple[Any, Any, Any]:
    """Return a filter graph that converts frames; unlike the converter it knows where samples of colour lie."""
    graph = av.filter.Graph()
    facts = f"video_size={width}x{height}:pix_fmt={given}:time_base=1/1:colorspace={matrix}:range={full}"
    source, target, sink = graph.add("buffer", facts), graph.add("format", name), graph.add("buffersink")
    source.link_to(target)
    target.link_to(sink)
    graph.configure()
    return graph, source, sink


def _table(rows: list[tuple[int | None, ...]]) -> np.ndarray:
    """Return a row of integers per column, without the mark of the end; NumPy turns rows faster than Python does."""
    while rows and rows[-1][:2] == (None, None) and not rows[-1][6]:
        rows.pop()
    try:
        table = np.array(rows, np.int64)
    except TypeError:  # some have no time or place
        table = np.array([[UNKNOWN[k] if value is None else value for k, value in enumerate(row)] for row in rows])
    return np.ascontiguousarray(table.reshape(-1, len(UNKNOWN)).T)


def _is_end(packet: Any) -> bool:
    return packet.size == 0 and packet.dts is None and packet.pts is None


def _preference(stream: Any) -> tuple[int, int]:
    """Rank a track as the ffmpeg program does: the largest picture, and one marked as default; a cover comes last."""
    context, marks = stream.codec_context, stream.disposition
    if marks & av.stream.Disposition.attached_pic or context is None:
        return 0, 0
    default = 5_000_000 if marks & av.stream.Disposition.default else 0
    return 1, context.width * context.height + default


def _kinds(file: Any) -> str:
    return ", ".join(sorted({stream.type or "data" for stream in file.streams})) or "no tracks"


def _colour(name: str | None) -> Colour:
    if not name:
        return Colour("unknown")
    form = av.VideoFormat(name)
    depth = max(component.bits for component in form.components)
    grey = name.startswith("gray")
    return Colour(name, depth, grey, any(component.is_alpha for component in form.components))


def _vp8_hidden(data: memoryview) -> bool:
    """Tell whether a VP8 frame is not to be shown (RFC 6386, 9.1)."""
    return not data[0] >> 4 & 1


def _vp9_hidden(data: memoryview) -> bool:
    """Tell whether a lone VP9 frame is not to be shown (VP9 bitstream, 6.2); of a superframe one always is."""
    if data[-1] >> 5 == 0b110:
        return False
    head, skip = data[0], 5 if data[0] >> 4 & 3 == 3 else 4
    if head >> (7 - skip) & 1:  # shows an earlier frame
        return False
    return not head >> (7 - skip - 2) & 1


def _matrices(source: ByteSource) -> Iterator[tuple[int, ...]]:
    """Yield the matrix of each track of an MP4 (ISO/IEC 14496-12, 8.3.2): four of its nine numbers."""
    at = 0
    while at + 8 <= source.size:
        head = source.read(16, at)
        size, used = int.from_bytes(head[:4], "big"), 8
        if size == 1:
            size, used = int.from_bytes(head[8:16], "big"), 16
        size = size or source.size - at
        if size < used:
            return
        if head[4:8] == b"moov":
            moov = source.read(size, at)
            for found in re.finditer(b"tkhd", moov):
                begin = found.end() + (52 if moov[found.end()] else 40)
                numbers = np.frombuffer(moov[begin : begin + 20].ljust(20, b"\0"), ">i4")
                yield tuple(numbers[[0, 1, 3, 4]].tolist())
            return
        at += size


def turned(matrix: tuple[int, ...]) -> bool:
    """Tell whether a matrix does more than to keep or to scale."""
    a, b, c, d = matrix
    return b != 0 or c != 0 or a < 0 or d < 0


def _is_the_machines(error: av.error.FFmpegError, source: ByteSource) -> None:
    """Raise the error if it is the machine's: FFmpeg says EIO and ENOMEM of damaged content too.

    A disk that fails, fails again when the file is read without FFmpeg.
    """
    if isinstance(error, (OSError, MemoryError)):
        if error.errno not in (errno.EIO, errno.ENOMEM):
            raise error
        for at in range(0, source.size, 1 << 22):
            source.read(1 << 22, at)
