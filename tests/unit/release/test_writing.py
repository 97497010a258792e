"""What is written: the same bytes for the same inputs, whole after any death, and read back."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas
import pytest
from PIL import Image

from parjanya_dagster.errors import BucketUnknown, ReleaseBroken, ReleaseInvalid
from parjanya_dagster.objects.store import NewObject
from parjanya_dagster.platform import Platform
from parjanya_dagster.release.create import Begun
from parjanya_dagster.release.options import FORMATS, PREVIEW, RESIZED, Options
from parjanya_dagster.release.verification import verify
from parjanya_dagster.release.writing import Progress
from parjanya_dagster.truth.releases import COMPLETE, WRITING
from tests.support.clock import Clock
from tests.support.releases import (
    PICTURES,
    WHERE_IT_WAS,
    accept,
    begun,
    files,
    make_home,
    platform_in,
    released,
    writer,
)

EVERYTHING = Options(
    split=(("train", 0.5), ("val", 0.5)), formats=FORMATS, shard_images=2, licence="CC BY 4.0"
)


def tables(made: dict[str, bytes]) -> pandas.DataFrame:
    return pandas.concat(
        pandas.read_parquet(io.BytesIO(data))
        for path, data in made.items()
        if path.endswith(".parquet") and (path.startswith("data/") or len(made) < 3)
    )


def test_every_image_is_in_every_format_once(decided: Platform) -> None:
    release = released(decided, EVERYTHING)
    made = files(decided, release)
    assert (release.state, release.images) == (COMPLETE, PICTURES + 1)
    known = tables(made)
    assert sorted(known["key"]) == sorted(
        f"incoming/{name}.jpg" for name in [*range(PICTURES), "copy"]
    )
    members: list[str] = []
    for path, data in made.items():
        if path.endswith(".tar"):
            with tarfile.open(fileobj=io.BytesIO(data)) as tar:
                members += tar.getnames()
    assert sorted(members) == sorted(
        f"{name}.{ending}" for name in known["name"] for ending in ("jpg", "json")
    )
    for row in known.to_dict("records"):
        picture = made[f"imagefolder/{row['split']}/{row['file_name']}"]
        assert hashlib.sha256(picture).hexdigest() == row["file_sha256"]
        assert row["image"] == {"bytes": picture, "path": row["file_name"]}
    beside = tables({path: data for path, data in made.items() if "metadata" in path})
    assert sorted(beside["file_name"]) == sorted(known["file_name"])
    sums = dict(line.split("  ")[::-1] for line in made.pop("SHA256SUMS").decode().splitlines())
    assert sums == {path: hashlib.sha256(data).hexdigest() for path, data in made.items()}


def test_the_table_tells_who_decided_and_why(decided: Platform) -> None:
    known = tables(files(decided, released(decided))).set_index("key")
    copy, original = known.loc["incoming/copy.jpg"], known.loc["incoming/0.jpg"]
    assert (copy["verdict"], copy["decided_by"], copy["reviewer"]) == ("accept", "person", "ann")
    assert copy["policy_verdict"] == "review"
    assert copy["duplicate_of"] == original["sha256"]
    assert original["sha256"] in " ".join(copy["reasons"])
    assert original["decided_by"] == "policy"
    assert copy["group"] == original["group"]
    assert json.loads(original["evidence"])["enriched"]["category"] == "photo"


def test_the_same_inputs_on_another_home_give_the_same_id_and_the_same_bytes(
    decided: Platform, empty_truth: Path, tmp_path: Path
) -> None:
    here = released(decided, EVERYTHING)
    other = make_home(empty_truth, tmp_path / "other", Clock(), order=-1)
    with platform_in(other, Clock()) as there:
        (row,) = there.store.find("incoming/1.jpg")
        assert decided.store.get(row.image_id) is None  # its ids are its own
        again = released(there, EVERYTHING)
        assert again.release_id == here.release_id
        assert files(there, again) == files(decided, here)


def test_metadata_is_left_out_of_originals_unless_it_is_wanted(decided: Platform) -> None:
    stripped = tables(files(decided, released(decided))).set_index("key")
    kept = tables(files(decided, released(decided, Options(keep_exif=True)))).set_index("key")
    bare, whole = (known.loc["incoming/1.jpg"]["image"]["bytes"] for known in (stripped, kept))
    assert WHERE_IT_WAS.encode() in whole
    assert WHERE_IT_WAS.encode() not in bare
    assert not dict(Image.open(io.BytesIO(bare)).getexif())
    pixels = [Image.open(io.BytesIO(data)).tobytes() for data in (bare, whole)]
    assert pixels[0] == pixels[1]
    assert "exif" not in json.loads(stripped.iloc[0]["evidence"])["validated"]
    assert "exif" in json.loads(kept.iloc[0]["evidence"])["validated"]


@pytest.mark.parametrize(("pictures", "side"), [(PREVIEW, 1024), (RESIZED, 100)])
def test_previews_and_resized_pictures(decided: Platform, pictures: str, side: int) -> None:
    known = tables(files(decided, released(decided, Options(pictures=pictures, side=side))))
    sizes = {max(Image.open(io.BytesIO(one["bytes"])).size) for one in known["image"]}
    assert sizes == ({640, 480} if pictures == PREVIEW else {side})


class Dies(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("writes", range(1, 14))
def test_whoever_goes_on_after_a_death_makes_the_same_release(
    decided: Platform, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    """Death before each write of an object, in the middle of any part."""
    release = begun(decided, EVERYTHING).release
    count = 0
    write = type(decided.objects).put_many

    def dying(self: Any, bucket: str, objects: Sequence[NewObject]) -> None:
        nonlocal count
        count += 1
        if count == writes:
            raise Dies
        write(self, bucket, objects)

    with monkeypatch.context() as patch:
        patch.setattr(type(decided.objects), "put_many", dying)
        with pytest.raises(Dies):
            writer(decided).write(release)
    assert [one.state for one in decided.store.open_releases()] == [WRITING]
    done = writer(decided).write(release)
    assert done.state == COMPLETE
    assert verify(decided.objects, "acme", done).wrong == []


def progress_of(decided: Platform, run: Callable[[Any], object]) -> list[Progress]:
    seen: list[Progress] = []
    one = writer(decided)
    run(type(one)(store=one.store, objects=one.objects, clock=one.clock, progress=seen.append))
    return seen


def test_parts_that_are_whole_are_kept_and_those_that_are_not_are_written_again(
    decided: Platform,
) -> None:
    release = begun(decided, EVERYTHING).release
    whole = progress_of(decided, lambda one: one.write(release))
    assert whole[-1].kept == 0
    made = files(decided, release)
    tars = sorted(path for path in made if path.endswith(".tar"))
    folder = decided.settings.home / "buckets" / "acme" / "releases" / release.ref
    (folder / tars[0]).write_bytes(b"half")
    (folder / "data" / f"{Path(tars[1]).stem}.parquet").unlink()
    again = progress_of(decided, lambda one: one.write(release))
    assert again[-1].kept == len(whole) - 2
    assert files(decided, release) == made


def test_a_picture_that_was_replaced_meanwhile_can_never_be_written(decided: Platform) -> None:
    release = begun(decided).release
    incoming = decided.settings.home / "buckets" / "acme" / "incoming"
    (incoming / "3.jpg").write_bytes(b"another")
    with pytest.raises(ReleaseBroken, match=r"incoming/3\.jpg is not there any more"):
        writer(decided).write(release)
    assert decided.store.open_releases() == [
        decided.store.find_release("acme", "birds", release.version)
    ]


def test_a_picture_or_preview_that_was_deleted_meanwhile_is_named(decided: Platform) -> None:
    release = begun(decided).release
    previews = begun(decided, Options(pictures=PREVIEW), "previews").release
    (row,) = decided.store.find("incoming/3.jpg")
    bucket = decided.settings.home / "buckets" / row.bucket
    (bucket / row.key).unlink()
    with pytest.raises(ReleaseBroken, match=r"incoming/3\.jpg is not there any more"):
        writer(decided).write(release)
    assert row.preview_key
    (bucket.parent / str(row.preview_bucket or row.bucket) / row.preview_key).unlink()
    with pytest.raises(ReleaseBroken, match=r"incoming/3\.jpg has no preview"):
        writer(decided).write(previews)


def test_a_picture_that_cannot_be_taken_apart_is_named(
    decided: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = begun(decided).release

    def strip(*_: object) -> bytes:
        raise ReleaseBroken("This jpeg cannot be taken apart: no")

    monkeypatch.setattr("parjanya_dagster.release.pictures.strip", strip)
    with pytest.raises(ReleaseBroken, match=r"^incoming/\w+\.jpg: .* --bytes preview"):
        writer(decided).write(release)


def test_nothing_is_written_to_another_bucket_nor_said_of_its_emptiness(
    decided: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = begun(decided).release
    bucket = decided.settings.home / "buckets" / "acme"
    bucket.rename(bucket.parent / "away")
    decided.objects.put("acme", "x", b"", "text/plain")  # another disk is mounted there
    with pytest.raises(BucketUnknown):
        begun(decided, name="others")
    assert [path.name for path in bucket.iterdir() if path.name[0] != "."] == ["x"]
    real, looks = type(decided.objects).identity, 0

    def identity(self: Any, name: str) -> str | None:
        """The right one until the writer has begun."""
        nonlocal looks
        looks += 1
        known = decided.store.known_buckets()["acme"].identity
        return known if looks == 1 else real(self, name)

    monkeypatch.setattr(type(decided.objects), "identity", identity)
    with pytest.raises(BucketUnknown):
        writer(decided).write(release)


def test_a_table_whose_pictures_are_damaged_is_written_again(decided: Platform) -> None:
    release = begun(decided, Options(shard_images=3)).release
    writer(decided).write(release)
    made = files(decided, release)
    table = decided.settings.home / "buckets" / "acme" / "releases" / release.ref
    table /= "data/train-00000-of-00003.parquet"
    data = table.read_bytes()
    at = data.index(b"\xff\xd8\xff") + 600  # in a picture
    table.write_bytes(data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :])
    writer(decided).write(release)
    assert files(decided, release) == made


def test_the_card_names_splits_that_have_images_alone(decided: Platform) -> None:
    options = Options(
        where=(("decided_by", "ann"), ("verdict", "accept")),
        split=(("train", 0.5), ("val", 0.5)),
        licence="CC 🐦",
    )
    release = released(decided, options)
    made = files(decided, release)
    (split,) = release.counts["split"]
    front = made["README.md"].decode().split("---\n")[1]
    assert front.count("- split: ") == 1
    assert f"path: data/{split}-*.parquet" in front
    assert 'license_name: "CC 🐦"' in front
    assert sum(path.startswith("data/") for path in made) == 1


def test_a_list_that_was_changed_is_not_the_release(decided: Platform) -> None:
    release = begun(decided).release
    lists = decided.settings.home / "buckets" / "acme" / "releases" / "lists" / release.release_id
    (part,) = lists.glob("train*")
    part.write_bytes(part.read_bytes()[:-9] + b"123456789")
    with pytest.raises(ReleaseBroken, match="list"):
        writer(decided).write(release)


@pytest.mark.parametrize("harm", ["other", "missing", "more"])
def test_what_is_not_as_it_was_written_is_found(decided: Platform, harm: str) -> None:
    release = released(decided)
    folder = decided.settings.home / "buckets" / "acme" / "releases" / release.ref
    assert verify(decided.objects, "acme", release).wrong == []
    if harm == "missing":
        (folder / "README.md").unlink()
    else:
        (folder / ("README.md" if harm == "other" else "more.md")).write_text("x")
    (wrong,) = verify(decided.objects, "acme", release).wrong
    assert ("more.md" if harm == "more" else "README.md") in wrong


def test_the_same_release_is_made_once_and_another_is_the_next_version(
    decided: Platform, clock: Clock
) -> None:
    first = begun(decided)
    assert (first.new, first.release.ref) == (True, "birds@1")
    assert (begun(decided).new, begun(decided).release) == (False, first.release)
    other = begun(decided, Options(where=(("decided_by", "ann"), ("verdict", "accept"))))
    assert (other.release.ref, other.release.images) == ("birds@2", 1)
    accept(decided, "1.jpg", clock)
    assert begun(decided).release.ref == "birds@3"


def test_files_of_a_release_that_truth_forgot_are_not_written_over(
    decided: Platform, tmp_path: Path, clock: Clock
) -> None:
    """Truth is restored from a backup that is older than a release."""
    restored = tmp_path / "restored"
    shutil.copytree(decided.settings.home, restored)
    old = released(decided)
    made = files(decided, old)
    shutil.rmtree(restored / "buckets")
    shutil.copytree(decided.settings.home / "buckets", restored / "buckets")
    with platform_in(restored, clock) as again:
        new = released(again, Options(where=(("decided_by", "ann"), ("verdict", "accept"))))
        assert (old.ref, new.ref) == ("birds@1", "birds@2")
        assert files(again, old) == made
        assert begun(again, Options(where=(("decided_by", "ann"), ("verdict", "accept")))) == (
            Begun(release=new, new=False, left_out={})
        )


def test_a_view_without_images_and_one_that_is_not_decided_are_refused(decided: Platform) -> None:
    with pytest.raises(ReleaseInvalid, match="No decided image"):
        begun(decided, Options(where=(("verdict", "reject"),)))
