"""WHEP: units as they are to a real peer connection, from the current group at once, and refusals in words."""

import asyncio
import contextlib
from itertools import pairwise

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.codecs.h264 import H264Encoder
from live_source import Source, age_ms

from mesh.actors.live import LiveHub
from mesh.adapters.clock import SystemEntropy
from mesh.ports import NotFound
from roles.media.units import GroupInfo, MediaKind, TrackInfo
from thatdam.gateway import webrtc, whep
from thatdam.gateway.problems import Problem
from thatdam.gateway.webrtc import NoWebrtcError
from thatdam.gateway.webrtc_media import AUDIO_HZ, VIDEO_HZ, RtpTimes
from thatdam.gateway.whep import WhepSessions

CAMERA = "cam"


@contextlib.asynccontextmanager
async def showing(source, before=0, live=None):
    """Give WHEP sessions over a hub on which the source has given ``before`` pictures, and goes on."""
    live = live or LiveHub()
    publisher = live.announce(f"{CAMERA}/main", lambda _: None)
    for _ in range(before):
        source.publish(publisher)
    task = asyncio.create_task(source.run(publisher))
    sessions = WhepSessions(live, SystemEntropy())
    try:
        yield live, sessions, publisher
    finally:
        task.cancel()
        await sessions.close()


async def watch(sessions, came_to="127.0.0.1", audio=False):
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.addTransceiver("video", direction="recvonly")
    if audio:
        peer.addTransceiver("audio", direction="recvonly")
    tracks = []
    peer.on("track", tracks.append)
    await peer.setLocalDescription(await peer.createOffer())
    session, answer = await sessions.offer(CAMERA, peer.localDescription.sdp, came_to)
    await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    return peer, session, answer, tracks


def test_a_browser_gets_the_sources_own_units_from_the_current_group_and_no_encoder_runs(monkeypatch):
    def never(*_):
        raise AssertionError("an encoder ran")

    monkeypatch.setattr(H264Encoder, "encode", never)
    monkeypatch.setattr(H264Encoder, "_encode_frame", never)

    async def run():
        source = Source()
        async with showing(source, before=30) as (live, sessions, _):
            peer, session, answer, tracks = await watch(sessions)
            candidates = [line for line in answer.splitlines() if line.startswith("a=candidate")]
            assert candidates
            assert all(" 127.0.0.1 " in line for line in candidates), "loopback requests get loopback media"
            assert "H264" in answer
            assert "VP8" not in answer
            ages, times = [], []
            async with asyncio.timeout(10):
                for _ in range(60):
                    frame = await tracks[0].recv()
                    ages.append(age_ms(frame.to_ndarray()[: frame.height], (frame.width, frame.height)))
                    times.append(frame.pts)
            assert (frame.width, frame.height) == source.size
            assert sorted(ages[-20:])[10] < 150, ages
            assert all(one < other for one, other in pairwise(times))
            steps = {other - one for one, other in pairwise(times[-15:])}
            assert max(steps) - min(steps) <= 90, "live pictures keep the source's own pace"
            assert session.pictures >= 60
            assert live.subscribers(f"{CAMERA}/main") == 1
            await sessions.end(CAMERA, session.id)
            assert live.subscribers(f"{CAMERA}/main") == 0
            assert sessions.sessions() == []
            with pytest.raises(NotFound):
                await sessions.end(CAMERA, session.id)
            await peer.close()

    asyncio.run(run())


def test_a_session_ends_when_its_browser_goes_and_when_the_track_does():
    async def run():
        async with showing(Source()) as (live, sessions, publisher):
            peer, _, _, tracks = await watch(sessions)
            await tracks[0].recv()
            await peer.close()
            async with asyncio.timeout(5):
                while sessions.sessions():
                    await asyncio.sleep(0.02)
            assert live.subscribers(f"{CAMERA}/main") == 0
            peer, session, _, tracks = await watch(sessions)
            await tracks[0].recv()
            publisher.close("unplugged")
            async with asyncio.timeout(5):
                while sessions.sessions():
                    await asyncio.sleep(0.02)
            assert session.error == "unplugged"
            await peer.close()

    asyncio.run(run())


def test_a_browser_that_lost_a_picture_gets_the_current_group_again():
    async def run():
        async with showing(Source(gop=500)) as (_, sessions, _):
            peer, session, _, tracks = await watch(sessions)
            for _ in range(10):
                await tracks[0].recv()
            shown = session.pictures
            session._picture_lost()
            await asyncio.sleep(0.5)
            assert session.pictures >= shown * 2
            async with asyncio.timeout(5):
                while True:
                    frame = await tracks[0].recv()
                    if age_ms(frame.to_ndarray()[: frame.height], (frame.width, frame.height)) < 150:
                        break
            await peer.close()

    asyncio.run(run())


def refused(offer=None, source=None, track=None):
    async def run():
        live = LiveHub()
        publisher = live.announce(f"{CAMERA}/main", lambda _: None)
        if track is not None:
            publisher.begin(0, GroupInfo(1, 0, (track,)).pack())
        elif source is not None:
            for _ in range(40):
                source.publish(publisher)
        sessions = WhepSessions(live, SystemEntropy())
        asked = watch(sessions) if offer is None else sessions.offer(CAMERA, offer, "127.0.0.1")
        with pytest.raises(Problem) as caught:
            await asked
        assert sessions.sessions() == []
        assert live.subscribers(f"{CAMERA}/main") == 0
        return caught.value

    return asyncio.run(run())


def test_what_cannot_be_shown_unchanged_is_refused_in_words(monkeypatch):
    error = refused(source=Source(bframes=2, profile="main"))
    assert isinstance(error, NoWebrtcError)
    assert "B-frames" in error.more["webrtc_reason"]
    error = refused(track=TrackInfo(1, MediaKind.VIDEO, "hevc", b"", (1, 90000)))
    assert (error.status, "H.265" in error.detail) == (406, True)
    error = refused(track=TrackInfo(1, MediaKind.AUDIO, "opus", b"", (1, 48000)))
    assert "no pictures" in error.detail
    monkeypatch.setattr(webrtc, "FIRST_GROUP_S", 0.1)
    assert refused().status == 503


def test_an_offer_that_is_none_or_takes_no_h264_is_refused():
    assert refused("hello", Source()).status == 400
    assert refused("", Source()).status == 400

    async def vp8_only():
        peer = RTCPeerConnection()
        peer.addTransceiver("video", direction="recvonly")
        await peer.setLocalDescription(await peer.createOffer())
        sdp = peer.localDescription.sdp
        await peer.close()
        return sdp.replace("H264/90000", "H263/90000")

    error = refused(asyncio.run(vp8_only()), Source())
    assert isinstance(error, NoWebrtcError)


def test_sessions_are_bounded_and_those_that_never_connect_end(monkeypatch):
    monkeypatch.setattr(whep, "SESSIONS_MAX", 1)
    monkeypatch.setattr(webrtc, "CONNECT_S", 0.3)

    async def run():
        async with showing(Source()) as (live, sessions, _):
            peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
            peer.addTransceiver("video", direction="recvonly")
            await peer.setLocalDescription(await peer.createOffer())
            session, _ = await sessions.offer(CAMERA, peer.localDescription.sdp, "127.0.0.1")
            with pytest.raises(Problem) as caught:
                await sessions.offer(CAMERA, peer.localDescription.sdp, "127.0.0.1")
            assert caught.value.status == 503
            async with asyncio.timeout(5):
                while sessions.sessions():
                    await asyncio.sleep(0.02)
            assert session.error == "the browser did not connect"
            assert live.subscribers(f"{CAMERA}/main") == 0
            await peer.close()

    asyncio.run(run())


def test_the_beginning_of_a_group_is_drawn_together_and_what_follows_keeps_its_pace():
    times = RtpTimes()
    now = 100.0
    made = []
    for number in range(40):  # 1.6 s of pictures within 40 ms
        made.append(times.video(number * 0.04, now))
        now += 0.001
    assert made == sorted(set(made))
    assert made[-1] - made[0] < 0.1 * VIDEO_HZ
    assert times.audio(1.6, now) is None, "old sound is not sent"
    base = now - 40 * 0.04
    jitter = [0.004 if number % 3 else 0.0 for number in range(100)]
    made += [times.video(number * 0.04, base + number * 0.04 + jitter[number]) for number in range(40, 100)]
    steps = [other - one for one, other in pairwise(made[50:])]
    assert all(abs(step - 0.04 * VIDEO_HZ) < 2 for step in steps)
    sound = times.audio(99 * 0.04, base + 99 * 0.04)
    assert abs(sound / AUDIO_HZ - made[-1] / VIDEO_HZ) < 0.001, "sound and pictures share one clock"
