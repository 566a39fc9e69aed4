"""One adapter per reader, each written as the reader's own documentation recommends.

An adapter runs alone, in a Python that has NumPy and its reader and perhaps nothing else. Its first lines name the
documentation it follows and the version that was read. It defines ``open(path, **options)``, which returns a video with

- ``length()``: how many frames the reader says there are;
- ``frame(i)``: one frame, ``(H, W, 3)``, RGB;
- ``scan()``: all frames, one after the other, of a video that was just opened;
- ``frames(indices)``: several frames in the order asked for, if the reader has a call or a recipe for that;
- ``at(seconds)``: the frame that is shown at a time, if the reader has such a call. ``CLOCK`` says which zero it counts
  from: ``"player"``, the start of the file as players and the ffmpeg program show it, or ``"stream"``, the time stamps
  in the file.

What a reader lacks, its adapter lacks.
"""
