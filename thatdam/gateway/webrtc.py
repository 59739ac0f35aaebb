"""A live track to one browser over WebRTC, packed and never encoded again.

A session is one peer connection that sends a camera's H.264 and Opus units as they come. It offers the one address that
the request came to, and asks no STUN or TURN server: a node that serves loopback alone sends media on loopback alone.

What aiortc does with tracks that yield packets, and what is done about it: its encoder object only packs, so no codec
runs; it answers H.264 baseline, which browsers take for any profile; a picture loss indication asks an encoder that is
not there for a key frame, so the session begins the current group again instead; there is no pacer, so large pictures
go out in runs with a pause between.

Invariant: a session ends when its peer goes, when it does not connect in time, when the track ends or can no longer be
shown, and when it is closed.

Source: RFC 8445 (ICE).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from fractions import Fraction
from typing import Any

import av
import structlog
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.exceptions import InvalidAccessError, InvalidStateError, OperationError
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from aiortc.sdp import candidate_from_sdp

from mesh.actors.live import Ended, Gap, GroupStart, LiveHub, Object, Subscription
from mesh.ports import NotFound
from proto.codec import Malformed
from roles.media.units import AccessUnit, GroupInfo, TrackInfo
from thatdam.gateway.problems import Problem
from thatdam.gateway.webrtc_media import (
    AUDIO_HZ,
    B_FRAMES,
    VIDEO_HZ,
    AnnexB,
    Order,
    RtpTimes,
    opus_track,
    video_track,
    webrtc_reason,
)

FIRST_GROUP_S = 4.0
"""How long an offer waits for the first group of a track."""
CONNECT_S = 15.0
UNITS_LOOKED_AT = 6
"""Pictures in which B-frames would show."""
LOOK_S = 0.3
QUEUE_MAX = 256
"""Packets between the live track and the peer connection."""
BURST_BYTES_PER_S = 10e6
"""How fast the beginning of a group goes out, so that it does not overrun the browser's socket."""
RUN_PACKETS = 32
RUN_PAUSE_S = 0.001
CANDIDATES_MAX = 32
AGAIN_S = 1.0
"""Least time between two new beginnings for a browser that lost a picture."""

_log = structlog.get_logger("webrtc")


class NoWebrtcError(Problem):
    """This track cannot be shown over WebRTC; the text says why, for the viewer to show."""

    def __init__(self, reason: str) -> None:
        super().__init__(406, reason, webrtc_reason=reason)


class _Track(MediaStreamTrack):
    """Yields packets that are put into it."""

    def __init__(self, kind: str, rate: int) -> None:
        super().__init__()
        self.kind = kind
        self._base = Fraction(1, rate)
        self._queue: asyncio.Queue[Any] = asyncio.Queue(QUEUE_MAX)
        self.pulled = asyncio.Event()

    async def recv(self) -> Any:
        self.pulled.set()
        if self.readyState != "live":
            raise MediaStreamError
        return await self._queue.get()

    async def put(self, data: bytes, at: int) -> None:
        packet = av.Packet(data)
        packet.pts = packet.dts = at
        packet.time_base = self._base
        await self._queue.put(packet)


class WhepSession:
    """One browser that watches one camera."""

    def __init__(self, session: str, camera: str, live: LiveHub, ended: Callable[[WhepSession], None]) -> None:
        self.id = session
        self.camera = camera
        self.error = ""
        self.pictures = 0
        self._live = live
        self._ended = ended
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._video = _Track("video", VIDEO_HZ)
        self._audio: _Track | None = None
        self._times = RtpTimes()
        self._order = Order()
        self._annexb: AnnexB | None = None
        self._tracks: tuple[TrackInfo, ...] = ()
        self._again = asyncio.Event()
        self._again_at = 0.0
        self._connected = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self._first: Subscription | None = None
        self._ufrag = ""

    async def answer(self, offer: str, addresses: Sequence[str]) -> str:
        """Give the SDP answer to an offer; NoWebrtcError says why there is none."""
        self._first = self._live.subscribe(f"{self.camera}/main")
        tracks = await self._look(self._first)
        try:
            return await self._negotiate(offer, tracks, addresses)
        except OperationError as error:
            raise NoWebrtcError("This browser takes no H.264 over WebRTC.") from error
        except (ValueError, InvalidAccessError, InvalidStateError, KeyError, IndexError, AttributeError) as error:
            raise Problem(400, "the offer is no SDP that can be answered") from error

    async def _look(self, subscription: Subscription) -> tuple[TrackInfo, ...]:
        """Give the tracks of the current group, once it is sure that they can be shown."""
        tracks: tuple[TrackInfo, ...] = ()
        order, seen = Order(), 0
        try:
            async with asyncio.timeout(FIRST_GROUP_S) as deadline:
                while not tracks or seen < UNITS_LOOKED_AT:
                    match await subscription.next():
                        case GroupStart(header=header):
                            tracks = GroupInfo.unpack(header).tracks
                            reason = webrtc_reason(tracks)
                            if reason:
                                raise NoWebrtcError(reason)
                            loop = asyncio.get_running_loop()
                            deadline.reschedule(loop.time() + LOOK_S)
                        case Object(data=data):
                            unit = AccessUnit.unpack(data)
                            video = video_track(tracks)
                            if video is not None and unit.track == video.number:
                                seen += 1
                                if order.reordered(unit):
                                    raise NoWebrtcError(B_FRAMES)
                        case Ended(reason):
                            raise NotFound(f"this camera shows nothing now: {reason}")
                        case Gap():
                            continue
        except TimeoutError:
            if not tracks:
                raise Problem(503, "this camera gives no picture now; its state says why") from None
        return tracks

    async def _negotiate(self, offer: str, tracks: tuple[TrackInfo, ...], addresses: Sequence[str]) -> str:
        peer = self._peer
        self._ufrag = next((line.strip()[12:] for line in offer.splitlines() if line.startswith("a=ice-ufrag:")), "")
        video = peer.addTransceiver(self._video, direction="sendonly")
        video.setCodecPreferences(_capabilities("video", "video/H264", "video/rtx"))
        if opus_track(tracks) is not None and "m=audio" in offer:
            self._audio = _Track("audio", AUDIO_HZ)
            audio = peer.addTransceiver(self._audio, direction="sendonly")
            audio.setCodecPreferences(_capabilities("audio", "audio/opus"))
        peer.on("connectionstatechange", self._state_changed)
        await peer.setRemoteDescription(RTCSessionDescription(_reachable(offer), "offer"))
        if video.mid is None:
            raise ValueError("it asks for no video")
        for transceiver in peer.getTransceivers():
            _bind(transceiver.receiver.transport.transport.iceGatherer, addresses)
            _pace(transceiver.sender.transport)
        sender: Any = video.sender
        sender._send_keyframe = self._picture_lost  # noqa: SLF001 - see the module's text
        await peer.setLocalDescription(await peer.createAnswer())
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"whep/{self.id}")
        return str(peer.localDescription.sdp)

    async def trickle(self, fragment: str) -> None:
        """Take further candidates (RFC 8840); one for a restart of ICE is refused, as RFC 9725 has it."""
        lines = [line.strip() for line in fragment.splitlines()]
        told = next((line[12:] for line in lines if line.startswith("a=ice-ufrag:")), None)
        if told is not None and told != self._ufrag:
            raise Problem(422, "this session cannot begin ICE again; end it and send a new offer")
        candidates = [line for line in lines if line.startswith("a=candidate:") and not _by_mdns(line)]
        if len(candidates) > CANDIDATES_MAX:
            raise Problem(413, f"at most {CANDIDATES_MAX} candidates at once")
        transport = self._peer.getTransceivers()[0].receiver.transport.transport
        for line in candidates:
            try:
                await transport.addRemoteCandidate(candidate_from_sdp(line[12:]))
            except (ValueError, IndexError, AssertionError) as error:
                raise Problem(400, f"this is no candidate: {line[:80]!r}") from error

    # ------------------------------------------------------------ while it runs

    def _state_changed(self) -> None:
        state = self._peer.connectionState
        if state == "connected":
            self._connected.set()
        elif state in ("failed", "closed", "disconnected") and self._task is not None and not self._closing:
            self._task.cancel()

    def _picture_lost(self) -> None:
        """Begin the current group again: the browser cannot go on from what it has."""
        now = asyncio.get_running_loop().time()
        if now - self._again_at >= AGAIN_S:
            self._again_at = now
            self._again.set()

    async def _run(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._connected.wait()
                await self._video.pulled.wait()
            while True:
                self._again.clear()
                async with self._live.subscribe(f"{self.camera}/main") as subscription:
                    self._let_go_of_first()
                    self._order = Order()
                    if not await self._show(subscription):
                        return
        except TimeoutError:
            self.error = "the browser did not connect"
        except NoWebrtcError as error:
            self.error = error.detail
        except Malformed as error:
            self.error = f"the source sent what is no media: {error}"
        finally:
            if self.error:
                _log.info("session ended", camera=self.camera, session=self.id, why=self.error)
            self._let_go_of_first()
            await self._hang_up()
            self._ended(self)

    async def _show(self, subscription: Subscription) -> bool:
        """Send until the track ends (False) or the group is to begin again (True)."""
        while not self._again.is_set():
            item = await subscription.next()
            match item:
                case GroupStart(header=header):
                    self._configure(GroupInfo.unpack(header).tracks)
                case Object(data=data):
                    await self._send(AccessUnit.unpack(data))
                case Gap():
                    self._order = Order()
                case Ended(reason):
                    self.error = reason
                    return False
        return True

    def _configure(self, tracks: tuple[TrackInfo, ...]) -> None:
        if tracks == self._tracks:
            return
        reason = webrtc_reason(tracks)
        if reason:
            raise NoWebrtcError(reason)
        self._tracks = tracks
        video = video_track(tracks)
        assert video is not None
        self._annexb = AnnexB(video)

    async def _send(self, unit: AccessUnit) -> None:
        track = next((one for one in self._tracks if one.number == unit.track), None)
        if track is None or self._annexb is None:
            return
        now = asyncio.get_running_loop().time()
        at_s = unit.pts * track.time_base[0] / track.time_base[1]
        if track.codec == "h264":
            if self._order.reordered(unit):
                raise NoWebrtcError(B_FRAMES)
            data = self._annexb.convert(unit)
            await self._video.put(data, self._times.video(at_s, now))
            self.pictures += 1
            if not self._times.live(now):
                await asyncio.sleep(len(data) / BURST_BYTES_PER_S)
        elif track.codec == "opus" and self._audio is not None:
            at = self._times.audio(at_s, now)
            if at is not None:
                await self._audio.put(unit.data, at)

    def _let_go_of_first(self) -> None:
        if self._first is not None:
            self._first.close()
            self._first = None

    async def _hang_up(self) -> None:
        self._closing = True
        for track in (self._video, self._audio):
            if track is not None:
                track.stop()
        with contextlib.suppress(ConnectionError):
            await self._peer.close()

    async def close(self) -> None:
        """End the session. Safe to call more than once."""
        if self._task is None:
            self._let_go_of_first()
            await self._hang_up()
            self._ended(self)
        elif self._task is not asyncio.current_task():
            self._task.cancel()
            await asyncio.wait([self._task])


def _capabilities(kind: str, *mime: str) -> list[Any]:
    return [codec for codec in RTCRtpSender.getCapabilities(kind).codecs if codec.mimeType in mime]


def _reachable(offer: str) -> str:
    """Leave out candidates that only multicast DNS could resolve: the browser's own checks tell where it is."""
    lines = offer.splitlines()
    kept = [line for line in lines if line != "a=end-of-candidates" and not _by_mdns(line)]
    return "\r\n".join(kept) + "\r\n"


def _by_mdns(line: str) -> bool:
    return line.startswith("a=candidate:") and ".local " in line


def _bind(gatherer: Any, addresses: Sequence[str]) -> None:
    """Have a gatherer use these addresses: its own choice is every interface but loopback."""
    connection = gatherer._connection  # noqa: SLF001 - aiortc has no public way to choose addresses
    gather: Callable[..., Awaitable[Any]] = connection.get_component_candidates

    async def chosen(component: int, **_: object) -> Any:
        return await gather(component=component, addresses=list(addresses))

    connection.get_component_candidates = chosen


def _pace(transport: Any) -> None:
    """Put a pause after every run of packets: aiortc has no pacer, and a browser's socket holds about a hundred."""
    if getattr(transport, "_thatdam_paced", False):
        return
    send: Callable[[bytes], Awaitable[None]] = transport._send_rtp  # noqa: SLF001 - aiortc has no seam there
    loop = asyncio.get_running_loop()
    run, began = 0, 0.0

    async def paced(data: bytes) -> None:
        nonlocal run, began
        now = loop.time()
        if now - began > RUN_PAUSE_S:
            run, began = 0, now
        run += 1
        if run > RUN_PACKETS:
            await asyncio.sleep(RUN_PAUSE_S)
            run, began = 1, loop.time()
        await send(data)

    transport._send_rtp = paced  # noqa: SLF001
    transport._thatdam_paced = True  # noqa: SLF001


__all__ = ["NoWebrtcError", "WhepSession"]
