"""The table of codes: what can be wrong with a data set, why it hurts training, and what cures it."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from typing import Any, NamedTuple

from vidformats.errors import FormatError

SEVERITIES = ("error", "warning", "note")
"""An error loses data or stops training; a warning may spoil it in silence; a note costs time or disk."""


class Code(NamedTuple):
    """One kind of finding.

    Attributes
    ----------
    severity : {"error", "warning", "note"}
    title : str
        Two or three words.
    why : str
        One sentence: why it hurts training.
    cure : str
        A command, in which ``{path}`` and ``{folder}`` stand for the file and the folder it is in.
    """

    severity: str
    title: str
    why: str
    cure: str


_COPY = "rsync --checksum SOURCE {path}"
_CONVERT = "vidformats convert {path} CONVERTED --to "
_SAVE = "python -c \"import sys, vidformats as vf; vf.write(vf.load(sys.argv[1]).astype(sys.argv[2]), 'converted.npy')\" {path} {dtype}"

# fmt: off
CODES: dict[str, Code] = {
    # Files.
    "VF001": Code("error", "does not open", "A loader that reaches it stops the run, or skips it in silence.", _COPY),
    "VF002": Code("error", "truncated", "Its last frames are gone, so labels outlast it and windows at its end fail.", _COPY),
    "VF003": Code("error", "empty file", "It stands for data that were lost when they were copied or written.", _COPY),
    "VF004": Code("error", "unreadable", "The worker that reaches it raises an error in the middle of an epoch.", "chmod u+r {path}"),
    "VF005": Code("error", "crashes or hangs", "It ends or blocks a worker of the loader, and often the whole run.", "mv {path} {path}.bad"),
    "VF006": Code("note", "not checked", "A file that this installation cannot read may have any fault.", "{command}"),
    "VF007": Code("warning", "broken or looping link", "A walk over the folder misses data, finds them twice, or never ends.", "rm {path}"),
    "VF008": Code("warning", "names alike", "On disks that ignore case or Unicode forms, one file replaces the other.", "mv -n {path} {path}.renamed"),
    "VF009": Code("warning", "doubled by content", "It counts twice in training, and leaks into the test set if the folds part the two.", "rm {path}"),
    "VF010": Code("error", "sidecar does not match", "Shape, dtype or time would be those of other data.", _COPY + ".json"),
    "VF011": Code("error", "damaged frame", "Every window with that frame fails, or shows a broken picture.", _COPY),
    # Videos.
    "VF021": Code("warning", "variable rate", "Frame numbers divided by the average rate miss the labels' times.", _CONVERT + "h264 --fps {fps}"),
    "VF022": Code("note", "rotated", "Readers that ignore the mark give faces that lie on their side.", _CONVERT + "h264"),
    "VF023": Code("warning", "interlaced", "Each frame holds two moments, so what moves is combed into lines.", "ffmpeg -i {path} -vf bwdif -crf 18 {path}.progressive.mp4"),
    "VF024": Code("warning", "one key frame only", "A frame from the middle costs the decoding of everything before it.", _CONVERT + "h264_fast"),
    "VF025": Code("note", "edit list", "Readers that ignore the list show frames that were cut away, so that all numbers shift.", _CONVERT + "h264"),
    # Arrays.
    "VF031": Code("note", "float64", "It takes twice the disk, memory and time of float32, which is what networks compute with.", _SAVE),
    "VF032": Code("warning", "chunks cut frames", "Each frame is pieced together from chunks that hold many other frames, all of which are decompressed.", _CONVERT + "h5_frames"),
    "VF033": Code("warning", "column-major", "The pixels of a frame are scattered over the file, all of which is read for a few frames.", _CONVERT + "npy"),
    "VF034": Code("warning", "slow for this access", "Most of what is read or decoded is thrown away.", "vidformats advise {path} --access {access}"),
    # What does not fit its siblings.
    "VF041": Code("warning", "mixed shape", "Frames of different sizes cannot be stacked in a batch, or are stretched.", _CONVERT + "h264 --size {side}"),
    "VF042": Code("warning", "mixed rate", "The same number of frames is another length of time, so motion has another speed.", _CONVERT + "h264 --fps {fps}"),
    "VF043": Code("warning", "mixed depth", "Values of another range look darker or brighter to the network by a factor.", "ffmpeg -i {path} -pix_fmt yuv420p {path}.8bit.mp4"),
    "VF044": Code("warning", "mixed colour", "Another matrix or range of colours shifts skin tones if a reader ignores it.", _CONVERT + "h264"),
    "VF045": Code("warning", "mixed channels", "Grey and colour frames cannot be stacked in a batch.", _CONVERT + "h264 --grey"),
    "VF046": Code("warning", "mixed dtype", "The same brightness is another number, and a batch takes the widest type.", _SAVE),
    "VF047": Code("warning", "gaps between frames", "Frames are missing, so that time jumps and labels by number shift.", "rsync -a SOURCE/ {path}/"),
    "VF048": Code("note", "gaps in numbering", "A trial may have been lost on the way.", "ls {folder}"),
    # Labels and manifests.
    "VF051": Code("error", "length of labels", "Labels and frames drift apart, or windows at the end have none.", "{command} {path}"),
    "VF052": Code("warning", "labels missing", "One NaN makes the loss NaN, and from then on every weight.", "grep -n -i -E 'nan|,,|,$' {path}"),
    "VF053": Code("error", "table cannot be used", "Rows that do not parse are rows that training does not see.", "head {path}"),
    "VF054": Code("error", "row without file", "The run stops when it reaches that row, or drops it in silence.", "grep -n {entry} {path}"),
    "VF055": Code("note", "file without row", "It was recorded and stored, but nothing trains on it.", "grep -c '' {manifest}"),
    "VF056": Code("error", "trial named twice", "It counts twice, and labels may be joined with the wrong row.", "sort {path} | uniq -d"),
    # People.
    "VF061": Code("warning", "subjects alike", "One person under two names is in training and test at once, and the score is too good.", "grep -n {entry} {path}"),
    "VF062": Code("error", "subject in two folds", "The network is tested on a person that it was trained on, and the score is too good.", "grep -n {entry} {path}"),
    "VF063": Code("error", "row without subject", "Nobody can tell to which fold it belongs.", "head {path}"),
}
# fmt: on


@dataclass(frozen=True)
class Finding:
    """Something that hurts training.

    Attributes
    ----------
    code : str
        A key of `CODES`; it never changes its meaning.
    path : str
        The file or folder.
    message : str
        What was found.
    cure : str
        The command that cures it. SOURCE is where the data came from.

    Examples
    --------
    >>> finding = Finding.of("VF003", "clip.mp4", "has 0 bytes")
    >>> finding.severity, finding.title
    ('error', 'empty file')
    >>> print(finding)
    error VF003 clip.mp4: has 0 bytes
    """

    code: str
    path: str
    message: str
    cure: str

    @classmethod
    def of(cls, code: str, path: str | os.PathLike[str], message: str, **facts: Any) -> Finding:
        """Return a finding whose cure is filled in; `facts` are what the cure names beside the path."""
        path = os.fspath(path)
        facts |= {"path": path, "folder": os.path.dirname(path) or "."}
        quoted = {k: str(v) if k == "command" else shlex.quote(str(v)) for k, v in facts.items()}
        return cls(code, path, message, CODES[code].cure.format_map(quoted))

    @property
    def severity(self) -> str:
        """``"error"``, ``"warning"`` or ``"note"``."""
        return CODES[self.code].severity

    @property
    def title(self) -> str:
        """What is wrong, in two or three words."""
        return CODES[self.code].title

    @property
    def why(self) -> str:
        """Why it hurts training."""
        return CODES[self.code].why

    def __str__(self) -> str:
        return (
            f"{self.severity} {self.code} {FormatError(self.path, self.message)}"  # which escapes what is unprintable
        )

    def record(self) -> dict[str, str]:
        """Return everything as a dict, for JSON."""
        names = ("code", "severity", "title", "path", "message", "why", "cure")
        return {name: getattr(self, name) for name in names}
