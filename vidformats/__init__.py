"""Videos stored so that training reads them fast, in little memory and little disk.

>>> import vidformats as vf
>>> vf.formats()[-3:]
['png', 'vp9', 'webp']
"""

from vidformats._version import __version__
from vidformats.errors import FormatError
from vidformats.format import Format, Reader
from vidformats.registry import format_of, formats, get_format
from vidformats.source import Source
from vidformats.tools.advise import advise
from vidformats.tools.convert import convert
from vidformats.tools.doctor import doctor
from vidformats.tools.info import info
from vidformats.tools.verify import verify
from vidformats.training.folder import manifest
from vidformats.training.restore import Restored
from vidformats.training.windows import windows
from vidformats.video import Video, load, open
from vidformats.writing import write

__all__ = [
    "Format",
    "FormatError",
    "Reader",
    "Restored",
    "Source",
    "Video",
    "__version__",
    "advise",
    "convert",
    "doctor",
    "format_of",
    "formats",
    "get_format",
    "info",
    "load",
    "manifest",
    "open",
    "verify",
    "windows",
    "write",
]
