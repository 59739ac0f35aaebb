"""Parts are read by ffmpeg without a warning, however they are put together."""

import dataclasses
import io
import json
import random
import subprocess
from fractions import Fraction

import av
import numpy as np
import pytest

from roles.media.cmaf import name_of_part
from roles.media.codecs import annexb_units, join_units, make_avcc, make_hvcc
from roles.media.mp4 import VirtualMp4
from roles.media.playlist import media_playlist, segments
from roles.media.segmenter import Segmenter
from roles.media.timeline import Entry, Page, consolidate, timeline
from roles.media.units import AccessUnit, GroupInfo, MediaKind, TrackInfo

EPOCH_US = 1_795_000_000_000_000


def encode(codec="libx264", frames=100, bframes=0, gop=25, size=(320, 180), start_us=EPOCH_US, audio=True):
    """Give (groups of units, tracks) as a source's worker would."""
    context = av.CodecContext.create(codec, "w")
    context.width, context.height, context.pix_fmt = *size, "yuv420p"
    context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
    context.gop_size = gop
    options = {"bf": str(bframes), "preset": "ultrafast"}
    if codec == "libx265":
        options = {
            "x265-params": f"bframes={bframes}:keyint={gop}:log-level=none:repeat-headers=1",
            "preset": "ultrafast",
        }
    context.options = options
    packets = []
    for number in range(frames):
        picture = np.full((size[1], size[0], 3), number * 2 % 255, np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, 25)
        packets += context.encode(frame)
    packets += context.encode(None)
    sets = list(annexb_units(context.extradata or bytes(packets[0])))
    if codec == "libx264":
        extradata = make_avcc([u for u in sets if u[0] & 31 == 7], [u for u in sets if u[0] & 31 == 8])
    else:
        extradata = make_hvcc(*[[u for u in sets if u[0] >> 1 & 63 == kind] for kind in (32, 33, 34)])
    tracks = [
        TrackInfo(1, MediaKind.VIDEO, {"libx264": "h264", "libx265": "hevc"}[codec], extradata, (1, 90000), *size, 25.0)
    ]
    sound = _sound(frames / 25) if audio else []
    if audio:
        tracks.append(TrackInfo(2, MediaKind.AUDIO, "aac", sound[0], (1, 48000), sample_rate=48000, channels=1))
        sound = sound[1:]
    units, group, index = [], -1, 0
    first_dts = packets[0].dts
    for packet in packets:
        if packet.is_keyframe:
            group, index = group + 1, 0
        dts = (packet.dts - first_dts) * 3600
        units.append(
            AccessUnit(
                1,
                group,
                index,
                (packet.pts - first_dts) * 3600,
                dts,
                3600,
                packet.is_keyframe,
                start_us + dts * 1000 // 90,
                join_units(list(annexb_units(bytes(packet)))),
            )
        )
        index += 1
        while sound and sound[0][0] / 48000 <= dts / 90000:
            pts, data = sound.pop(0)
            units.append(AccessUnit(2, group, index, pts, pts, 1024, True, start_us + pts * 1000 // 48, data))
            index += 1
    return units, tuple(tracks)


def _sound(seconds):
    context = av.CodecContext.create("aac", "w")
    context.sample_rate, context.layout, context.format = 48000, "mono", "fltp"
    context.time_base = Fraction(1, 48000)
    out = []
    for at in range(0, int(seconds * 48000), 1024):
        wave = np.sin((np.arange(1024) + at) * 440 * 2 * np.pi / 48000).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(wave, "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, at, Fraction(1, 48000)
        out += [(packet.pts, bytes(packet)) for packet in context.encode(frame)]
    return [bytes(context.extradata), *[(max(0, pts + 1024), data) for pts, data in out if pts is not None]]


def cut(units, tracks, epoch=1, take="t"):
    segmenter, parts, group = Segmenter(take), [], None
    for unit in units:
        if unit.group != group:
            group = unit.group
            parts += segmenter.begin(GroupInfo(epoch, group, tracks))
        parts += segmenter.push(unit)
    return parts + segmenter.flush()


def page_of(parts, store):
    entries = [Entry.of(part, _put(store, part.data)) for part in parts]
    init = _put(store, parts[0].init())
    return Page("t", init, len(parts[0].init()), parts[0].tracks, tuple(entries))


def _put(store, data):
    from blake3 import blake3

    store[blake3(data).digest()] = data
    return blake3(data).digest()


def warnings_of(path):
    done = subprocess.run(
        ["ffmpeg", "-v", "warning", "-xerror", "-i", str(path), "-f", "null", "-"],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    return done.stderr


def probed(path):
    done = subprocess.run(
        ["ffprobe", "-v", "warning", "-count_frames", "-show_streams", "-show_format", "-of", "json", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert done.stderr == ""
    return json.loads(done.stdout)


def whole_file(line, store):
    file = VirtualMp4(line)
    data = b"".join(
        file.render(piece, store[piece.placed.entry.chunk] if piece.placed else b"")
        for piece in file.plan(0, file.size)
    )
    assert len(data) == file.size
    return file, data


@pytest.mark.parametrize(("codec", "bframes"), [("libx264", 0), ("libx264", 2), ("libx265", 0)])
def test_init_and_parts_and_mp4_are_read_without_a_warning(tmp_path, codec, bframes):
    units, tracks = encode(codec, bframes=bframes)
    parts = cut(units, tracks)
    assert all(part.duration_us <= 500_000 for part in parts)
    store = {}
    joined = tmp_path / "joined.mp4"
    joined.write_bytes(parts[0].init() + b"".join(part.data for part in parts))
    assert warnings_of(joined) == ""
    _, data = whole_file(timeline([page_of(parts, store)]), store)
    path = tmp_path / "take.mp4"
    path.write_bytes(data)
    assert warnings_of(path) == ""
    told = probed(path)
    video = next(stream for stream in told["streams"] if stream["codec_type"] == "video")
    assert int(video["nb_read_frames"]) == 100
    assert float(told["format"]["duration"]) == pytest.approx(4.0, abs=0.15)
    assert float(told["format"].get("start_time", 0)) == pytest.approx(0.0, abs=0.1)


def test_sound_from_before_the_first_picture_is_left_out_and_never_runs_backwards(tmp_path):
    units, tracks = encode(frames=100)
    early = 4000  # ticks of 48 kHz, some 83 ms
    units = [
        dataclasses.replace(unit, dts=unit.dts - early, pts=unit.pts - early) if unit.track == 2 else unit
        for unit in units
        if unit.group >= 1
    ]
    store = {}
    later = [
        dataclasses.replace(part, epoch=2, captured_us=part.captured_us + 60_000_000) for part in cut(units, tracks)
    ]
    line = timeline([page_of(cut(units, tracks), store), page_of(later, store)])
    _, data = whole_file(line, store)
    path = tmp_path / "take.mp4"
    path.write_bytes(data)
    copied = subprocess.run(
        ["ffmpeg", "-v", "warning", "-i", str(path), "-c", "copy", "-f", "null", "-"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert copied.stderr == ""
    assert warnings_of(path) == ""
    told = probed(path)
    assert float(next(one for one in told["streams"] if one["codec_type"] == "audio")["start_time"]) >= 0


def test_segmenters_that_start_later_cut_the_same_parts():
    units, tracks = encode(frames=120)
    every = {(part.group, part.part): part.data for part in cut(units, tracks)}
    later = cut([unit for unit in units if unit.group >= 2], tracks)
    assert len(later) > 4
    for part in later:
        assert every[part.group, part.part] == part.data
        assert name_of_part(part.data).group == part.group


def test_a_source_that_came_back_with_another_size_plays_with_its_hole(tmp_path):
    one, tracks = encode(frames=50)
    other, tracks2 = encode(frames=50, size=(640, 360), start_us=EPOCH_US + 5_000_000)
    store = {}
    pages = [page_of(cut(one, tracks, 1), store), page_of(cut(other, tracks2, 2), store)]
    line = timeline(pages)
    assert [(gap.start_us // 100_000, gap.end_us // 100_000) for gap in line.gaps] == [(20, 50)]
    _, data = whole_file(line, store)
    path = tmp_path / "take.mp4"
    path.write_bytes(data)
    assert float(probed(path)["format"]["duration"]) == pytest.approx(7.0, abs=0.2)
    playlist = media_playlist(
        segments(line.parts, whole=True),
        ended=True,
        segment_uri=lambda segment: segment.name + ".m4s",
        init_uri=lambda placed: placed.page.init.hex()[:8] + ".mp4",
    )
    assert playlist.count("#EXT-X-MAP") == 2
    assert playlist.count("#EXT-X-DISCONTINUITY\n") == 1


def test_hls_is_read_without_a_warning(tmp_path):
    units, tracks = encode(frames=150)
    store = {}
    line = timeline([page_of(cut(units, tracks), store)])
    cuts = segments(line.parts, whole=True)
    for segment in cuts:
        data = b"".join(store[placed.entry.chunk] for placed in segment.parts)
        (tmp_path / f"{segment.name}.m4s").write_bytes(data)
    (tmp_path / "init.mp4").write_bytes(store[line.parts[0].page.init])
    (tmp_path / "index.m3u8").write_text(
        media_playlist(cuts, ended=True, segment_uri=lambda s: s.name + ".m4s", init_uri=lambda _: "init.mp4")
    )
    assert warnings_of(tmp_path / "index.m3u8") == ""
    assert int(probed(tmp_path / "index.m3u8")["streams"][0]["nb_read_frames"]) == 150


def test_a_range_is_what_the_whole_file_has_there():
    units, tracks = encode(frames=60)
    store = {}
    file, data = whole_file(timeline([page_of(cut(units, tracks), store)]), store)
    chance = random.Random(1)
    for _ in range(40):
        start = chance.randrange(file.size)
        end = chance.randrange(start, file.size) + 1
        got = b"".join(
            file.render(piece, store[piece.placed.entry.chunk] if piece.placed else b"")
            for piece in file.plan(start, end)
        )
        assert got == data[start:end]


def test_the_timeline_does_not_depend_on_the_order_or_doubling_of_pages():
    units, tracks = encode(frames=200, audio=False)
    store = {}
    parts = cut(units, tracks)
    pages = [page_of(parts[at : at + 3], store) for at in range(0, len(parts), 2)]
    whole = timeline(pages)
    assert whole.gaps == ()
    chance = random.Random(2)
    for _ in range(10):
        chance.shuffle(pages)
        assert timeline(pages + pages[:3]) == whole
    packed = consolidate(pages)
    assert len(packed) == 1
    assert [p.entry for p in timeline(packed).parts] == [p.entry for p in whole.parts]
    assert Page.unpack(packed[0].pack()) == packed[0]


def test_units_that_go_back_in_time_are_dropped_and_counted():
    units, tracks = encode(frames=30, audio=False)
    segmenter = Segmenter("t")
    segmenter.begin(GroupInfo(1, 0, tracks))
    parts = []
    for unit in [units[0], units[1], units[0], *units[2:]]:
        parts += segmenter.push(unit)
    parts += segmenter.flush()
    assert segmenter.dropped == 1
    data = parts[0].init() + b"".join(part.data for part in parts)
    with av.open(io.BytesIO(data)) as container:
        assert sum(1 for packet in container.demux(video=0) if packet.size) == 30
