"""MP3 and Ogg files keep their sound, byte for byte, and nothing that they say of themselves."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lepton_fed.portal.attachments import mp3, ogg
from lepton_fed.portal.attachments.kinds import kind_of
from lepton_fed.portal.errors import Unacceptable
from tests.portal.pictures import comments, page
from tests.portal.pictures import ogg as pages
from tests.portal.test_attachments import add, on_disk
from tests.portal.world import World

SAID = b"artist=somebody at +31.2304"
FRAMES = b"\xff\xfb\x90\x64" + bytes(range(200)) * 3
SETUP, SOUND = b"\x05vorbis" + bytes(range(250)) * 3, bytes(range(256)) * 2

files = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def cleaned(path: Path, clean: Callable[[Path], None], content: bytes) -> bytes:
    path.write_bytes(content)
    clean(path)
    return path.read_bytes()


def id3v2(said: bytes, *, footer: bool = False) -> bytes:
    length = bytes(len(said) >> shift & 0x7F for shift in (21, 14, 7, 0))
    rest = bytes([4, 0, 16 * footer]) + length
    return b"ID3" + rest + said + (b"3DI" + rest if footer else b"")


def at_the_end_id3v2(said: bytes) -> bytes:
    return id3v2(said, footer=True)


def id3v1(said: bytes) -> bytes:
    return b"TAG" + said[:125].ljust(125, b"\0")


def id3v1_more(said: bytes) -> bytes:
    return b"TAG+" + said[:223].ljust(223, b"\0") + id3v1(said)


def ape(said: bytes, *, head: bool = True) -> bytes:
    of = struct.pack("<III", 2000, len(said) + 32, 1), bytes(8)
    flags = 0x80000000 * head
    before = b"APETAGEX" + of[0] + struct.pack("<I", flags | 0x20000000) + of[1]
    return before * head + said + b"APETAGEX" + of[0] + struct.pack("<I", flags) + of[1]


def ape_without_head(said: bytes) -> bytes:
    return ape(said, head=False)


def lyrics(said: bytes) -> bytes:
    words = b"LYRICSBEGIN" + said
    return words + b"%06d" % len(words) + b"LYRICS200"


text = st.binary(max_size=300).map(lambda some: SAID + some)
before = st.lists(st.builds(lambda kind, said: kind(said), st.sampled_from([id3v2, at_the_end_id3v2, ape]), text))
behind = st.lists(
    st.builds(
        lambda kind, said: kind(said),
        st.sampled_from([id3v1, id3v1_more, ape, ape_without_head, lyrics, at_the_end_id3v2]),
        text,
    )
)


@files
@given(before=before, behind=behind, zeros=st.integers(0, 70_000), sound=st.binary(max_size=300))
def test_an_mp3_file_keeps_its_frames_and_no_tag(
    tmp_path: Path, before: list[bytes], behind: list[bytes], zeros: int, sound: bytes
) -> None:
    frames = FRAMES + sound + b"\xff"
    whole = b"".join(before) + bytes(zeros if before else 0) + frames + b"".join(behind)
    assert cleaned(tmp_path / "a.mp3", mp3.without_tags, whole) == frames


def test_no_tag_is_taken_for_another_one_wherever_it_begins(tmp_path: Path) -> None:
    for kind, length in itertools.product((ape, lyrics, at_the_end_id3v2), range(128)):
        assert cleaned(tmp_path / "a.mp3", mp3.without_tags, FRAMES + kind(SAID.ljust(length))) == FRAMES


def test_an_mp3_file_that_is_uploaded_loses_its_tags_and_stays_one(there: World) -> None:
    one = add(there, there.write("题"), id3v2(SAID) + FRAMES + id3v1(SAID), "声音.mp3")
    kept = there.portal.files.path(one.digest).read_bytes()
    assert (kept, one.kind, one.size) == (FRAMES, "audio/mpeg", len(FRAMES))
    assert kind_of(kept) is not None


DAMAGED = {
    "no frame": id3v2(SAID),
    "another kind behind the tag": id3v2(SAID) + b"fLaC" + FRAMES,
    "a tag that is longer than the file": id3v2(SAID)[:9] + b"\x7f" + FRAMES[:50],
    "a length that is none": b"ID3\4\0\0\xff\xff\xff\xff" + FRAMES,
    "a length that is too small": b"ID3\4\0\0\0\0\0\4" + SAID + FRAMES,
    "a head cut short": b"ID3\4",
    "tags that overlap": id3v2(b"TAG" + SAID)[:10] + b"TAG".ljust(128, b"\0"),
    "an end that is longer than the file": FRAMES + ape(SAID * 30)[-32:],
    "an end that is shorter than itself": FRAMES + SAID + b"APETAGEX" + bytes(24),
    "lyrics without a length": FRAMES + SAID + b"-00005LYRICS200",
    "far too many tags": id3v2(b"") * 101 + FRAMES,
}


@pytest.mark.parametrize("what", DAMAGED)
def test_an_mp3_file_whose_tags_are_damaged_is_refused(there: World, what: str) -> None:
    with pytest.raises(Unacceptable, match="damaged"):
        add(there, there.write("题"), DAMAGED[what], "声音.mp3")
    assert on_disk(there) == []


said = st.lists(st.binary(max_size=5_000).map(lambda some: SAID + some), max_size=3)


@files
@given(said=said, laces=st.integers(1, 255), opus=st.booleans(), sound=st.lists(st.binary(max_size=600)))
def test_an_ogg_file_keeps_its_sound_where_it_was_and_no_comment(
    tmp_path: Path, said: list[bytes], laces: int, opus: bool, sound: list[bytes]
) -> None:
    first, others = (b"OpusHead" + bytes(11), sound) if opus else (b"\x01vorbis" + bytes(23), [SETUP, *sound])
    told = comments(*said, opus=opus)
    whole = pages(first, told, *others, laces=laces)
    kept = cleaned(tmp_path / "a.ogg", ogg.blanked, whole)
    assert kept == pages(first, silent(told), *others, laces=laces)


def silent(told: bytes) -> bytes:
    """A packet of comments that is as long and says nothing."""
    if told.startswith(b"OpusTags"):
        return comments(by=b" " * (len(told) - 16), opus=True)
    return comments(by=b" " * (len(told) - 16))


def test_a_checksum_is_the_one_that_others_write() -> None:
    written = bytes.fromhex(
        "4f67675300020000000000000000b449ff6e000000004ce85df7011e01766f72626973000000000280bb00000000000000f4010000000000b801"
    )
    assert page(written[27:28], written[28:], stream=0x6EFF49B4, flags=2) == written


def test_streams_that_follow_each_other_or_go_side_by_side_are_all_blanked(tmp_path: Path) -> None:
    def streams(*told: bytes) -> bytes:
        one, other = (
            [page(bytes([len(part)]), part, stream=k, number=n, flags=2 * (n == 0)) for n, part in enumerate(parts)]
            for k, parts in enumerate([(b"OpusHead", told[0], b"sound"), (b"\x01vorbis", told[1], b"sound")])
        )
        beside = b"".join(part for pair in zip(one, other, strict=True) for part in pair)
        return beside + pages(b"OpusHead", told[2], SOUND, stream=0)

    told = comments(SAID, opus=True), comments(SAID), comments(SAID * 50, opus=True)
    kept = cleaned(tmp_path / "a.ogg", ogg.blanked, streams(*told))
    assert kept == streams(*map(silent, told))


WHOLE = pages(b"OpusHead", comments(SAID, opus=True), SOUND, laces=2)
STRANGE = {
    "a stream of something else": pages(b"OpusHead", comments(opus=True)) + pages(b"\x80theora", SAID, stream=8),
    "a page of no stream": WHOLE + page(b"\x05", b"sound", stream=8),
    "no second packet": pages(b"OpusHead"),
    "comments that do not end": pages(b"OpusHead", comments(SAID * 99, opus=True), laces=1)[:-700],
    "a second packet of something else": pages(b"OpusHead", SAID * 2),
    "a second packet without room": pages(b"OpusHead", b"OpusTags" + bytes(7)),
    "comments that the next page does not go on with": (
        pages(b"OpusHead") + page(b"\xff", b"OpusTags".ljust(255)) + page(b"\5", b"sound")
    ),
    "something behind it": WHOLE + id3v1(SAID),
    "another version": WHOLE[:4] + b"\1" + WHOLE[5:],
}


@pytest.mark.parametrize("what", STRANGE)
def test_an_ogg_file_that_is_damaged_or_holds_something_else_is_refused(there: World, what: str) -> None:
    with pytest.raises(Unacceptable, match="damaged"):
        add(there, there.write("题"), STRANGE[what], "声音.ogg")
    assert on_disk(there) == []


def test_a_recording_that_was_broken_off_is_kept_as_far_as_it_goes(tmp_path: Path) -> None:
    kept = cleaned(tmp_path / "a.ogg", ogg.blanked, WHOLE[:-9])
    assert (len(kept), SAID in kept) == (len(WHOLE) - 9, False)


def test_a_file_of_far_too_many_pages_keeps_nobody_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ogg, "MOST_PAGES", 50)
    with pytest.raises(Unacceptable):
        cleaned(tmp_path / "a.ogg", ogg.blanked, WHOLE + page(b"", b"") * 50)
