"""The referee: which reader gives the frame that was asked for, judged by FFmpeg's own sequential decode."""
