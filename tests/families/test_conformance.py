"""Every row of the registry passes the one conformance class."""

import vidformats as vf
from vidformats.testing.conformance import conformance_of

# Frames this small are whole in h5py's automatic chunks.
ALSO = {"h5_chunked": "h5_frames", "h264_fast": "h264"}

for _name in vf.formats():
    globals()[f"Test_{_name}"] = type(
        f"Test_{_name}", (conformance_of(_name),), {"name": _name, "also": ALSO.get(_name, "")}
    )
