"""A made-up result of the table, for tests that need no measuring."""

from vidformats.bench.published import ROWS


def run(time, pixels="right", memory=110_000_000, whole=None):
    seconds = {"time": time, "whole": whole or time, "pixels": pixels, "result": 108_000_000}
    return seconds | {"memory": memory, "whole_memory": memory and 2 * memory, "anonymous": memory, "mapped": 0}


def result(content="noise", rounds=3, **changes):
    """Return what `vidformats.bench.report.table.measure` returns; every figure follows from the row's place."""
    rows = {
        row.label: {
            "published": [run(0.1 * k + 0.001 * r, "wrong: BGR", whole=0.2 * k) for r in range(rounds)],
            "ours": [run(0.02 * k + 0.001 * r) for r in range(rounds)],
            "disk": 10_000_000 * k,
            "allocated": 10_004_096 * k,
        }
        for k, row in enumerate(ROWS, start=1)
    }
    machine = {"cpus": 2, "memory_gib": 24, "system": "Linux", "kernel": "6.1", "file_system": "ext4",
               "python": "3.11.7", "libraries": {"numpy": "2.4.0", "h5py": "3.16.0"}}  # fmt: skip
    return {"content": content, "n_frames": 10_000, "size": 120, "rounds": rounds, "threads": 2,
            "payload": 108_000_000, "machine": machine, "rows": rows} | changes  # fmt: skip
