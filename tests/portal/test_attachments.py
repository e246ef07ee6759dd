"""Attachments: what may be one, what is taken out of it, who sees it, when its file is gone."""

from __future__ import annotations

import io
import stat
import struct
import threading
import zlib
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import select

from lepton_fed.errors import StorageError
from lepton_fed.portal.attachments import attached, files, pictures, recordings, sounds
from lepton_fed.portal.attachments.attached import Attachment
from lepton_fed.portal.attachments.kinds import KINDS, kind_of, plain_name
from lepton_fed.portal.entries import access, quality, writing
from lepton_fed.portal.entries.content import Content
from lepton_fed.portal.errors import Conflict, Forbidden, NotThere, PortalError, TooMany, Unacceptable
from tests.portal.pictures import PROGRAM, box, comments, film, flac, ogg, picture, sound, track
from tests.portal.world import World, world


def add(there: World, entry: int, content: bytes, name: str = "图.png", *, by: str = "author") -> Attachment:
    with there.portal.files.part() as path:
        path.write_bytes(content)
        return attached.add(there.portal, there.person(by), entry, name, path)


def save(there: World, entry: int, *held: int, body: str = "正文", by: str = "author", **of: object) -> int:
    with there.acting(by) as acting:
        base = access.seen(acting, entry).entry.newest
        content = Content.given(title="题", body=body, **of)  # type: ignore[arg-type]
        return writing.revise(acting, entry, content, base=base, attachments=held)


POLICY = """
forbid (principal, action in [Action::"write", Action::"review", Action::"read"], resource)
when { resource.audience == "named" && resource.named.contains(Department::"供应链部门") }
unless { principal.reviewer.contains(resource.department) };
"""
"""What the department says to another is its reviewers' alone."""


def sees(there: World, name: str, one: Attachment) -> bool:
    with there.acting(name) as acting:
        try:
            return attached.seen(acting, one.entry, one.id) == one
        except NotThere:
            return False


def on_disk(there: World) -> list[Path]:
    folder = there.portal.files.path("0" * 64).parents[1]
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")


KNOWN = {
    "image/png": picture("PNG"),
    "image/jpeg": picture("JPEG"),
    "image/gif": picture("GIF"),
    "image/webp": picture("WEBP"),
    "video/mp4": film(),
    "audio/mp4": film("soun"),
    "video/webm": b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webm",
    "audio/wav": sound(),
    "audio/ogg": ogg(b"OpusHead", comments(opus=True)),
    "audio/flac": flac(),
    "audio/mpeg": b"\xff\xfb\x90\x64" + bytes(40),
    "application/pdf": b"%PDF-1.7\n",
}


def test_each_kind_of_the_list_is_taken_for_what_it_is(there: World) -> None:
    entry = there.write("题")
    assert KNOWN.keys() == KINDS.keys()
    assert {kind: add(there, entry, content, "any.exe").kind for kind, content in KNOWN.items()} == {
        k: k for k in KNOWN
    }


REFUSED = {
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "xml": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
    "html": b"<!doctype html><script>alert(1)</script>",
    "nothing": b"",
    "zip": b"PK\x03\x04" + bytes(40),
    "program": b"\x7fELF" + bytes(40),
    "tiff": b"II*\0" + bytes(40),
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0",
    "quicktime": film(brand="qt  "),
    "heic": film(brand="heic"),
    "matroska": b"\x1a\x45\xdf\xa3\x9fB\x82\x88matroska",
    "a picture cut short": picture("PNG")[:60],
    "a picture that is none": b"\xff\xd8\xff\xe0 <script>alert(1)</script>",
    "an MP4 without a track": film()[:16],
    "an MP4 cut short": film()[:-3],
    "an MP4 with a way that was gone": film("vide", "meta"),
    "an MP4 of a car's camera": film()[:16] + box("moov", track("vide"), box("gps ", b"where")),
}


@pytest.mark.parametrize("what", REFUSED)
def test_whatever_is_not_on_the_list_or_not_whole_leaves_nothing(there: World, what: str) -> None:
    entry = there.write("题")
    with pytest.raises(Unacceptable):
        add(there, entry, REFUSED[what], "图.png")
    assert on_disk(there) == []


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF"])
def test_a_picture_keeps_its_points_and_nothing_of_where_it_was_taken(there: World, form: str) -> None:
    sent = picture(form)
    assert PROGRAM.encode() in sent
    one = add(there, there.write("题"), sent + b"trailing <script>")
    kept = there.portal.files.path(one.digest).read_bytes()
    for secret in (PROGRAM.encode(), b"Exif", b"eXIf", b"EXIF", b"<script>"):
        assert secret not in kept
    with Image.open(io.BytesIO(kept)) as shown:
        assert not shown.getexif()
        assert "comment" not in shown.info
        assert shown.size == ((40, 20) if form == "GIF" else (20, 40)), "turned as the camera said"
        if form != "GIF":
            red, green, blue = shown.convert("RGB").getpixel((3, 3))  # type: ignore[misc]
            assert (red < 9, green < 9, blue > 110) == (True, True, True)


def test_a_picture_that_grows_too_large_is_refused_before_it_is_decoded(
    there: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = there.write("题")
    small = picture("PNG", (1, 1))
    header = small[12:16] + struct.pack(">II", 60_000, 60_000) + small[24:29]
    huge = small[:12] + header + struct.pack(">I", zlib.crc32(header)) + small[33:]
    with pytest.raises(Unacceptable, match="million pixels"):
        add(there, entry, huge)
    monkeypatch.setattr(pictures, "MOST_PIXELS", 700)
    with pytest.raises(Unacceptable, match="pixels"):
        add(there, entry, picture("PNG"))


def test_a_picture_that_moves_is_refused(there: World) -> None:
    second = Image.new("RGB", (40, 20), "red")
    with pytest.raises(Unacceptable, match="video"):
        add(there, there.write("题"), picture("WEBP", save_all=True, append_images=[second]))


def test_a_picture_that_goes_over_its_points_again_and_again_is_refused(there: World) -> None:
    whole = picture("JPEG", progressive=True)
    scan = whole[whole.rindex(b"\xff\xda") : -2]
    entry = there.write("题")
    add(there, entry, whole[:-2] + scan * 9 + whole[-2:])
    with pytest.raises(Unacceptable, match="damaged"):
        add(there, entry, whole[:-2] + scan * pictures.MOST_SCANS + whole[-2:])


def test_a_picture_waits_for_the_one_before_it_for_seconds_only(there: World, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = there.write("题")
    monkeypatch.setattr(pictures, "WAITS", 0.01)
    with pictures._alone(), pytest.raises(TooMany):
        add(there, entry, picture())
    add(there, entry, picture())


def test_a_film_does_not_say_where_it_was_made_and_no_byte_of_it_moves(tmp_path: Path) -> None:
    sent, path = film(), tmp_path / "film.mp4"
    path.write_bytes(sent)
    assert recordings.cleaned(path).media_type == "video/mp4"
    kept = path.read_bytes()
    assert len(kept) == len(sent)
    assert b"31.2304" not in kept
    assert kept.index(b"picture and sound") == sent.index(b"picture and sound")
    assert kept.count(b"minfsamples") == 2
    path.write_bytes(kept)
    recordings.cleaned(path)
    assert path.read_bytes() == kept, "cleaning once is enough"


@pytest.mark.parametrize("name", ["free", "skip", "wide"])
def test_room_that_nobody_needs_is_empty(tmp_path: Path, name: str) -> None:
    sent, path = film() + box(name, b"freeGPS +31.2304"), tmp_path / "film.mp4"
    path.write_bytes(sent)
    recordings.cleaned(path)
    kept = path.read_bytes()
    assert (len(kept), b"GPS" in kept, b"31.2304" in kept) == (len(sent), False, False)


@pytest.mark.parametrize("name", ["mdat", "none"])
def test_a_film_has_so_many_boxes_also_of_those_that_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / "film.mp4"
    monkeypatch.setattr(recordings, "MOST_BOXES", 50)
    path.write_bytes(film() + box(name) * 20)
    assert recordings.cleaned(path).media_type == "video/mp4"
    path.write_bytes(film() + box(name) * 50)
    with pytest.raises(Unacceptable, match="damaged"):
        recordings.cleaned(path)


@pytest.mark.parametrize("size", [0, 1, 7, 2**32 - 1])
def test_boxes_that_lie_about_their_size_keep_nobody_busy(tmp_path: Path, size: int) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(film()[:16] + struct.pack(">I4s", size, b"moov") + bytes(40))
    with pytest.raises(Unacceptable):
        recordings.cleaned(path)


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def block(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + len(content).to_bytes(3, "big") + content


SAID = b"artist=somebody at +31.2304"


@pytest.mark.parametrize("name", [b"LIST", b"bext", b"iXML", b"id3 ", b"JUNK", b"PAD "])
@pytest.mark.parametrize("place", [12, None])
def test_a_wav_file_keeps_its_sound_and_nothing_that_it_says(there: World, name: bytes, place: int | None) -> None:
    whole = sound()
    at = len(whole) if place is None else place
    one = add(there, there.write("题"), whole[:at] + chunk(name, SAID) + whole[at:], "声音.wav")
    kept = there.portal.files.path(one.digest).read_bytes()
    assert kept == whole[:at] + chunk(b"JUNK", bytes(len(SAID))) + whole[at:]


@pytest.mark.parametrize("kind", [1, 2, 4, 5, 6, 126])
def test_a_flac_file_keeps_its_sound_and_nothing_that_it_says(there: World, kind: int) -> None:
    one = add(there, there.write("题"), flac(block(kind, SAID)) + b"TAG" + SAID.ljust(125), "声音.flac")
    kept = there.portal.files.path(one.digest).read_bytes()
    assert kept == flac(block(1, bytes(len(SAID)))) + bytes(128)


def test_places_to_seek_and_the_last_block_stay_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    for more in (block(3, b"seek" * 9), block(1, bytes(9))):
        path.write_bytes(flac(more))
        sounds.blanked_flac(path)
        assert path.read_bytes() == flac(more)


def test_a_wav_file_whose_program_did_not_know_its_length_is_taken(tmp_path: Path) -> None:
    path, whole = tmp_path / "a.wav", bytearray(sound())
    at = whole.index(b"data") + 4
    whole[at : at + 4] = b"\xff" * 4
    path.write_bytes(whole)
    sounds.blanked_wav(path)
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "sent",
    [
        sound() + b"LIST\xff\xff\xff\x7f" + SAID,
        sound() + b"LIST",
        sound() + chunk(b"none", b"") * 100,
        b"fLaC" + block(4, SAID) + flac()[4:],
        flac()[:20],
        b"fLaC" + block(0, bytes(34)) + block(4, b"") * 100,
        b"fLaC" + block(0, bytes(34)) + b"\x84\xff\xff\xff" + SAID,
    ],
)
def test_a_sound_that_lies_about_its_parts_or_has_far_too_many_is_refused(
    there: World, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(sounds, "MOST_PARTS", 50)
    with pytest.raises(Unacceptable, match="damaged"):
        add(there, there.write("题"), sent, "声音")
    assert on_disk(there) == []


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("齿轮 箱.PNG", "齿轮-箱.png"),
        ("../../etc/passwd", "passwd.png"),
        ("C:\\a\\图.png", "图.png"),
        ("x.php.png", "x.php.png"),
        ("a)](javascript:alert(1)).png", "a-javascript-alert-1-.png"),
        ("", "file.png"),
        ("..", "file.png"),
        ("长" * 300 + ".png", "长" * 96 + ".png"),
        ("\u202egnp.exe", "gnp.exe.png"),
    ],
)
def test_a_name_is_plain_and_ends_as_its_kind_does(given: str, name: str) -> None:
    kind = kind_of(KNOWN["image/png"])
    assert kind is not None
    assert plain_name(given, kind) == name
    assert len(plain_name(given, kind)) <= 100


def test_what_looks_sensitive_in_a_name_is_masked_and_a_name_is_taken_once(there: World) -> None:
    entry = there.write("题")
    assert add(there, entry, picture(), "电话13812345678.jpg").name == "电话138-5678.jpg"
    names = [add(there, entry, picture(colour=c), "图.jpg").name for c in ("red", "green", "navy")]
    assert names[:2] == ["图.jpg", "图-2.jpg"]
    assert names[2] == "电话138-5678.jpg", "the same content is the same attachment"
    assert len(on_disk(there)) == 3


def test_an_attachment_is_seen_by_exactly_those_who_see_a_revision_that_holds_it(either: World) -> None:
    there = either
    entry = there.publish("题", audience="everyone")
    one = add(there, entry, picture())
    everybody = ("author", "coauthor", "reviewer", "reader", "shop", "shop-admin", "supply", "root")

    def seen_by() -> set[str]:
        return {name for name in everybody if sees(there, name, one)}

    working = {"author", "coauthor", "reviewer"}
    assert seen_by() == working, "it waits"
    save(there, entry, one.id, audience="department")
    assert seen_by() == working, "a draft"
    there.send(entry, "author", "submit")
    there.send(entry, "reviewer", "publish")
    assert seen_by() == working | {"reader"}, "published for the department"
    save(there, entry, audience="everyone")
    there.send(entry, "author", "submit")
    there.send(entry, "reviewer", "publish")
    assert seen_by() == working | {"reader"}, "of an older revision, for those whom that one was for"
    there.send(entry, "reviewer", "retire", reason="x")
    assert seen_by() == working
    other = there.write("另一")
    with there.acting("author") as acting, pytest.raises(NotThere):
        attached.seen(acting, other, one.id)


def test_a_revision_holds_attachments_of_its_own_entry_alone(there: World) -> None:
    one = add(there, there.write("机密"), picture())
    other = there.write("题")
    with pytest.raises(Unacceptable):
        save(there, other, one.id)
    with pytest.raises(Unacceptable):
        save(there, other, 999)


def test_nobody_has_a_revision_hold_what_they_may_not_see(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "own.cedar").write_text(POLICY, encoding="utf-8")
    there = world(tmp_path)
    entry = there.write("题", by="reviewer")
    one = add(there, entry, picture(), by="reviewer")
    save(there, entry, one.id, by="reviewer", audience="named", named=["供应链部门"])
    save(there, entry, by="reviewer")
    assert (sees(there, "author", one), sees(there, "reviewer", one)) == (False, True)
    with pytest.raises(Unacceptable):
        save(there, entry, one.id)
    assert not sees(there, "author", one)
    assert save(there, entry, one.id, by="reviewer") == 4
    assert save(there, entry, one.id) == 5, "it goes on from the one before"
    there.portal.close()


def test_what_is_published_stays_so_however_many_drafts_hold_it_too(there: World) -> None:
    entry = there.write("题")
    one = add(there, entry, picture())
    save(there, entry, one.id)
    there.send(entry, "author", "submit")
    there.send(entry, "reviewer", "publish")
    with there.acting("author") as acting:
        for base in range(2, 203):
            writing.revise(acting, entry, Content.given(title="题", body="正文"), base=base)
    save(there, entry)
    assert sees(there, "reader", one)
    with pytest.raises(Conflict):
        attached.remove(there.portal, there.person("reviewer"), entry, one.id)


def test_only_writers_add_and_not_while_it_is_reviewed(there: World) -> None:
    entry = there.publish("题", audience="everyone")
    for name, refusal in (("shop", Forbidden), ("reader", Forbidden)):
        with pytest.raises(refusal):
            add(there, entry, picture(), by=name)
    hidden = there.publish("机密")
    with pytest.raises(NotThere):
        add(there, hidden, picture(), by="shop")
    assert add(there, entry, picture(colour="red"), by="coauthor").person == there.person("coauthor").id
    save(there, entry)
    there.send(entry, "author", "submit")
    with pytest.raises(Conflict):
        add(there, entry, picture())
    assert len(on_disk(there)) == 1


def test_a_restored_revision_holds_what_it_held(there: World) -> None:
    entry = there.write("题")
    one = add(there, entry, picture())
    save(there, entry, one.id)
    save(there, entry)
    with there.acting("author") as acting:
        assert attached.those_there(acting, entry, 3) == []
        writing.restore(acting, entry, 2, base=3, note="")
        assert attached.those_there(acting, entry, 4) == [one.id]
        content = Content.given(title="题", body="新")
        writing.revise(acting, entry, content, base=4)
        assert attached.those_there(acting, entry, 5) == [one.id], "as before, where nobody says otherwise"


def test_a_file_goes_with_the_last_that_knows_it(there: World) -> None:
    first, second = there.write("一"), there.write("二")
    one, other = add(there, first, picture()), add(there, second, picture())
    assert one.digest == other.digest
    assert len(on_disk(there)) == 1
    attached.remove(there.portal, there.person("author"), first, one.id)
    assert len(on_disk(there)) == 1
    attached.remove(there.portal, there.person("coauthor"), second, other.id)
    assert on_disk(there) == []
    assert not sees(there, "author", one)


def test_what_readers_or_the_newest_revision_hold_cannot_be_removed_and_an_old_one_by_a_reviewer(there: World) -> None:
    entry = there.write("题")
    one = add(there, entry, picture())
    save(there, entry, one.id)
    for name in ("author", "reviewer"):
        with pytest.raises(PortalError):
            attached.remove(there.portal, there.person(name), entry, one.id)
    save(there, entry)
    with pytest.raises(Forbidden):
        attached.remove(there.portal, there.person("author"), entry, one.id)
    with pytest.raises(NotThere):
        attached.remove(there.portal, there.person("shop"), entry, one.id)
    attached.remove(there.portal, there.person("reviewer"), entry, one.id)
    assert on_disk(there) == []
    assert not sees(there, "author", one)
    with there.acting("author") as acting:
        assert [(k.attachment.removed is not None, k.revisions) for k in attached.listed(acting, entry)] == [
            (True, (2,))
        ]
        writing.restore(acting, entry, 2, base=3, note="")
        assert attached.those_there(acting, entry, 4) == []


def test_an_entry_a_person_and_a_disk_have_their_limits(there: World, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = there.write("题")
    size = add(there, entry, picture()).size
    monkeypatch.setattr(attached, "MOST_BYTES", 2 * size - 1)
    with pytest.raises(Conflict, match="MiB together"):
        add(there, entry, picture(colour="red"))
    monkeypatch.setattr(attached, "MOST_BYTES", 10 * size)
    monkeypatch.setattr(attached, "MOST", 1)
    with pytest.raises(Conflict, match="attachments at most"):
        add(there, entry, picture(colour="red"))
    monkeypatch.setattr(attached, "A_DAY", 2 * size - 1)
    other = there.write("另一")
    with pytest.raises(Conflict, match="24 hours"):
        add(there, other, picture(colour="red"))
    there.clock.forward(hours=25)
    add(there, other, picture(colour="red"))
    monkeypatch.setattr(files, "SPARE", 2**62)
    third = there.write("三")
    with there.acting("author") as acting, pytest.raises(Conflict, match="disk"):
        attached.require_may_add(acting, third)
    assert len(on_disk(there)) == 2


@pytest.mark.parametrize("again", ["removed", "the same"])
def test_what_a_person_adds_in_a_day_counts_also_where_nothing_of_it_is_left(
    either: World, monkeypatch: pytest.MonkeyPatch, again: str
) -> None:
    there, entry = either, either.write("题")
    one = add(there, entry, picture())
    monkeypatch.setattr(attached, "A_DAY", 3 * one.size)
    for _ in range(2):
        if again == "removed":
            attached.remove(there.portal, there.person("author"), entry, one.id)
        one = add(there, entry, picture())
    with pytest.raises(Conflict, match="24 hours"):
        add(there, entry, picture())
    assert len(on_disk(there)) == 1, "what is refused leaves what was there"
    add(there, entry, picture(), by="coauthor")
    there.clock.forward(hours=23, minutes=59)
    with pytest.raises(Conflict, match="24 hours"):
        add(there, there.write("另一"), picture())
    there.clock.forward(minutes=1)
    add(there, entry, picture())
    with there.portal.database.reading() as connection:
        counted = connection.execute(select(attached.UPLOAD.c.person, attached.UPLOAD.c.time)).all()
    people = [there.person(name).id for name in ("author", "coauthor")]
    assert sorted(person for person, _ in counted) == sorted(people), "what is older than a day is not kept"


def test_whoever_added_enough_today_is_told_before_more_is_received(
    there: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = there.write("题")
    one = add(there, entry, picture())
    attached.remove(there.portal, there.person("author"), entry, one.id)
    monkeypatch.setattr(attached, "A_DAY", one.size - 1)
    with there.acting("author") as acting, pytest.raises(Conflict, match="24 hours"):
        attached.require_may_add(acting, entry)


def test_a_gibibyte_of_the_disk_stays_free_also_where_nobody_asked_before(
    there: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = there.write("题")
    one = add(there, entry, picture())
    monkeypatch.setattr(files, "SPARE", 2**62)
    with pytest.raises(Conflict, match="disk"):
        add(there, entry, picture(colour="red"))
    assert add(there, entry, picture()) == one, "it is there already"
    assert [path.name for path in on_disk(there)] == [one.digest]


def test_files_are_their_owners_alone(there: World) -> None:
    add(there, there.write("题"), picture())
    (path,) = on_disk(there)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.parents[1].stat().st_mode) == 0o700


def test_what_a_kill_left_over_is_swept_and_what_a_week_saw_nobody_save(
    there: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = there.write("题")
    kept, idle = add(there, entry, picture()), add(there, entry, picture(colour="red"))
    save(there, entry, kept.id)
    folder = on_disk(there)[0].parents[1]
    stray = there.portal.files.path("ab" * 32)
    stray.parent.mkdir(exist_ok=True)
    for path in (stray, folder / f".part-{'0' * 16}"):
        path.write_bytes(b"x")
    assert attached.swept(there.portal) == 0, "somebody may be about to acknowledge them"
    monkeypatch.setattr(files, "LEFT_OVER", -1.0)
    assert attached.swept(there.portal) == 2
    assert {path.name for path in on_disk(there)} == {kept.digest, idle.digest}
    there.clock.now += timedelta(days=8)
    assert attached.swept(there.portal) == 1
    assert {path.name for path in on_disk(there)} == {kept.digest}


def test_a_file_that_is_added_while_its_like_is_removed_is_there(there: World) -> None:
    """Twenty times: whoever is told that it is kept finds it."""
    entries = [there.write(f"题{k}") for k in range(2)]
    author = there.person("author")
    last = add(there, entries[0], picture())
    for k in range(20):
        gone, made = last, list[Attachment]()
        both = [
            threading.Thread(target=attached.remove, args=(there.portal, author, gone.entry, gone.id)),
            threading.Thread(target=lambda k=k, made=made: made.append(add(there, entries[1 - k % 2], picture()))),
        ]
        for one in both:
            one.start()
        for one in both:
            one.join()
        (last,) = made
        assert there.portal.files.path(last.digest).exists()


def test_a_row_whose_undoing_fails_leaves_no_file(there: World, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = there.write("题")

    def full(*_: object) -> str:
        raise StorageError("full")

    monkeypatch.setattr(attached, "_free", full)
    with pytest.raises(StorageError):
        add(there, entry, picture())
    assert on_disk(there) == []


def test_an_attachment_that_a_text_names_and_its_revision_does_not_hold_is_found_before_a_review(there: World) -> None:
    entry = there.write("题")
    one = add(there, entry, picture(), "图 一.jpg")
    text = "![图](attachment:图-一.jpg) 与 [另一](attachment:other.png)"
    found = {}
    for revision, held in ((2, ()), (3, (one.id,))):
        assert save(there, entry, *held, body=text) == revision
        with there.acting("author") as acting:
            seen = access.seen(acting, entry)
            checks = quality.checks(acting, seen, access.revision(acting, seen, revision))
        found[revision] = [check.what for check in checks if check.kind == "file"]
    assert found == {2: ["attachment:图-一.jpg", "attachment:other.png"], 3: ["attachment:other.png"]}
