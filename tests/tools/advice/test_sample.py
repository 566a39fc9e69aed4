"""Which videos stand for all, and how many frames of them."""

import pytest

from vidformats.tools.advice import sample


def fact(name, n_frames, shape=(3, 120, 160), codec="h264", nbytes=1000):
    return {
        "path": name, "n_frames": n_frames, "shape": list(shape), "dtype": "uint8", "fps": 25.0, "format": "mp4",
        "codec": codec, "nbytes": nbytes, "size": nbytes,
    }  # fmt: skip


def test_all_kinds_are_sampled_by_length_size_and_codec():
    facts = [fact(f"a{k}", 300) for k in range(5)] + [fact("long", 30_000), fact("large", 300, (3, 480, 640))]
    facts += [fact("other", 300, codec="mpeg4")]
    found = sample.choose(facts, [1000] * 8, None, 120.0, 64)
    assert {cut.path[0] for cut in found.cuts} == {"a", "l", "o"}
    assert len(found.cuts) == 4
    assert len(found.strata) == 4
    assert sum(cut.stands_for for cut in found.cuts) == pytest.approx(5 * 300 + 30_000 + 300 + 300)


def test_one_kind_is_sampled_several_times_over_its_lengths():
    found = sample.choose([fact(f"v{n}", n) for n in range(300, 340)], [1000] * 40, None, 120.0, 64)
    assert len(found.cuts) == 4
    assert [cut.n_frames for cut in found.cuts] == sorted(cut.n_frames for cut in found.cuts)


def test_the_collection_is_as_large_as_there_will_be_videos():
    facts = [fact("a", 100), fact("b", 300)]
    found = sample.choose(facts, [1000, 1000, 1000, 1000], 400, 120.0, 64)
    assert (found.n_videos, found.n_frames, found.nbytes) == (400, 400 * 200, 400 * 1000)


def test_cuts_lie_in_the_middle_and_are_long_enough_for_a_window():
    (cut,) = sample.choose([fact("a", 100_000, (3, 1080, 1920))], [1000], None, 10.0, 253).cuts
    assert (cut.start, cut.stop - cut.start) == ((100_000 - 253) // 2, 253)
    (short,) = sample.choose([fact("a", 20)], [1000], None, 10.0, 253).cuts
    assert (short.start, short.stop) == (0, 20)


def test_of_large_frames_fewer_videos_are_cut():
    facts = [fact(f"v{k}", 1000, (3, 1080, 1920)) for k in range(4)]
    assert len(sample.choose(facts, [1000] * 4, None, 120.0, 253).cuts) == 1
    assert len(sample.choose(facts, [1000] * 4, None, 120.0, 2).cuts) == 4


def test_videos_are_found_in_folders_and_folders_of_images_are_videos(tmp_path):
    for name in ("a.mp4", "b/c.avi", "b/labels.csv", "images/0.jpg", "images/1.jpg", ".hidden/d.mp4", "b/.e.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [path.removeprefix(f"{tmp_path}/") for path in sample.find([tmp_path, tmp_path / "a.mp4"])]
    assert sorted(found) == ["a.mp4", "b/c.avi", "images"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="expected videos, found none"):
        sample.find([tmp_path / "empty"])
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        sample.find([tmp_path / "nothing"])
