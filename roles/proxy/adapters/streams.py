"""Any libav source to coded units: H.264, H.265, AAC and Opus are copied; everything else is encoded once.

Invariant: the source is opened once, whatever is made of it. A frame is decoded only when it must be encoded or a
picture is wanted.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any, TypeAlias, cast

import av
import av.error

from proto.codec import Malformed
from roles.libav.policy import CannotOpenError, explain
from roles.media.codecs import annexb_units, h264_config, is_annexb, join_units, length_units, make_avcc, make_hvcc
from roles.media.units import MediaKind, TrackInfo
from roles.proxy.adapters.emitter import Emitter, Steady, since_start, wall_us
from roles.proxy.adapters.encoders import VIDEO_CLOCK, AudioEncoder, Coded, H264Encoder, jpeg
from roles.proxy.adapters.switch import Pictures

COPIED_VIDEO = ("h264", "hevc")
MAIN, AAC, OPUS = 1, 2, 3
_TICK = Fraction(1, VIDEO_CLOCK)
AnyPacket: TypeAlias = "av.Packet[Any]"


class ParameterSets:
    """Follows a video's parameter sets and takes them out of its units."""

    def __init__(self, codec: str, extradata: bytes) -> None:
        self._codec = codec
        self._sets: dict[int, list[bytes]] = {}
        self._length = 4
        self._annexb = True
        self.configuration = b""
        if extradata and not is_annexb(extradata):
            self._annexb = False
            self.configuration = extradata
            place = 4 if codec == "h264" else 21
            self._length = (extradata[place] & 3) + 1 if len(extradata) > place else 4
        elif extradata:
            self._note(annexb_units(extradata))

    def _kind(self, unit: bytes) -> int:
        return unit[0] & 31 if self._codec == "h264" else unit[0] >> 1 & 63

    def _note(self, units: Iterable[bytes]) -> None:
        needed = (7, 8) if self._codec == "h264" else (32, 33, 34)
        fresh: dict[int, list[bytes]] = {}
        for unit in units:
            kind = self._kind(unit)
            if kind in needed and unit not in fresh.setdefault(kind, []):
                fresh[kind].append(unit)
        if not fresh or all(self._sets.get(kind) == units for kind, units in fresh.items()):
            return
        self._sets.update(fresh)
        if all(self._sets.get(kind) for kind in needed):
            groups = [self._sets[kind] for kind in needed]
            self.configuration = make_avcc(*groups) if self._codec == "h264" else make_hvcc(*groups)

    def take(self, data: bytes) -> bytes:
        """Give an access unit with 4-byte lengths and without parameter sets; notes those it held."""
        # A length of 256 to 511 looks like a start code: the configuration alone tells which it is.
        units = list(annexb_units(data) if self._annexb else length_units(data, self._length))
        held = (7, 8, 9) if self._codec == "h264" else (32, 33, 34, 35)
        sets = [unit for unit in units if self._kind(unit) in held]
        if sets and self._annexb:
            self._note(sets)
        return join_units([unit for unit in units if self._kind(unit) not in held])


class _Sound:
    """AAC for parts and Opus for WebRTC of one audio stream, each copied where it is that already."""

    def __init__(self, stream: av.AudioStream, emitter: Emitter) -> None:
        self._stream = stream
        self._emitter = emitter
        context = stream.codec_context
        name = context.name.removesuffix("_latm").removesuffix("_fixed")
        self._copy: int | None = None
        if name == "aac" and context.extradata and context.sample_rate:
            self._copy = AAC
        elif name in ("opus", "libopus"):
            self._copy = OPUS
        if self._copy is not None:
            rate = context.sample_rate if self._copy == AAC else 48000
            emitter.track(
                TrackInfo(
                    self._copy,
                    MediaKind.AUDIO,
                    "aac" if self._copy == AAC else "opus",
                    bytes(context.extradata or b""),
                    (1, rate),
                    sample_rate=rate,
                    channels=context.channels,
                    bit_rate=context.bit_rate or 0,
                )
            )
            self._rate = rate
        channels = min(2, context.channels or 1)
        made = [(AAC, "aac"), (OPUS, "libopus")]
        self._encoders = [AudioEncoder(number, codec, channels) for number, codec in made if number != self._copy]
        for encoder in self._encoders:
            emitter.track(encoder.track)

    def packet(self, packet: AnyPacket, at: int, now_us: int) -> None:
        """Take one packet whose time is ``at`` (1/90000 s of the epoch)."""
        if self._copy is not None:
            ticks = at * self._rate // VIDEO_CLOCK
            duration = int((packet.duration or 0) * (packet.time_base or _TICK) * self._rate) or 1024
            self._emitter.unit(self._copy, Coded(ticks, ticks, duration, True, bytes(packet)), now_us)
        for frame in cast("list[av.AudioFrame]", packet.decode()):
            for encoder in self._encoders:
                for coded in encoder.encode(frame, at / VIDEO_CLOCK):
                    self._emitter.unit(encoder.track.number, coded, now_us)


class _Pictures:
    """The video of a source: copied or encoded, and JPEG while wanted."""

    def __init__(self, stream: av.VideoStream, emitter: Emitter, pictures: Pictures) -> None:
        self._stream = stream
        self._emitter = emitter
        self._pictures = pictures
        context = stream.codec_context
        rate = float(stream.average_rate or stream.guessed_rate or 0)
        self._rate = rate if 0 < rate <= 480 else 0.0
        self._sets = (
            ParameterSets(context.name, bytes(context.extradata or b"")) if (context.name in COPIED_VIDEO) else None
        )
        self._encoder: H264Encoder | None = None
        self._configuration = b""
        self._decoding = False
        self._size = (context.width, context.height)

    def packet(self, packet: AnyPacket, pts: int, dts: int, now_us: int) -> None:
        """Take one packet with its times on the epoch's clock."""
        if self._sets is None:
            for frame in packet.decode():
                self._encode(frame, dts, now_us)
            return
        data = self._sets.take(bytes(packet))
        if packet.is_keyframe and self._sets.configuration != self._configuration:
            self._announce(self._sets.configuration)
        if self._configuration and data:
            duration = int((packet.duration or 0) * (packet.time_base or _TICK) / _TICK)
            duration = duration or (round(VIDEO_CLOCK / self._rate) if self._rate else 0)
            self._emitter.unit(MAIN, Coded(pts, dts, duration, packet.is_keyframe, data), now_us)
        self._show(packet, now_us)

    def _announce(self, configuration: bytes) -> None:
        codec = self._stream.codec_context.name
        width, height = self._size
        if codec == "h264":
            config = h264_config(configuration)
            width, height = config.width, config.height
        else:
            width, height = _hevc_size(configuration) or self._size
        self._configuration = configuration
        self._emitter.track(
            TrackInfo(
                MAIN,
                MediaKind.VIDEO,
                codec,
                configuration,
                (1, VIDEO_CLOCK),
                width,
                height,
                self._rate,
                bit_rate=self._stream.codec_context.bit_rate or 0,
                profile=str(self._stream.codec_context.profile or ""),
            )
        )

    def _show(self, packet: AnyPacket, now_us: int) -> None:
        if not self._pictures.wanted:
            self._decoding = False
            return
        if not self._decoding and not packet.is_keyframe:
            return
        self._decoding = True
        for frame in packet.decode():
            if self._pictures.due():
                self._emitter.picture(jpeg(frame), now_us)

    def _encode(self, frame: av.VideoFrame, at: int, now_us: int) -> None:
        size = (frame.width, frame.height)
        if self._encoder is None or size != self._size:
            self._encoder = H264Encoder(MAIN, *size, self._rate or 25.0)
            self._size = size
            self._configuration = b""
        if self._pictures.due():
            self._emitter.picture(jpeg(frame), now_us)
        for coded in self._encoder.encode(frame, at):
            if not self._configuration and self._encoder.track is not None:
                self._configuration = self._encoder.track.extradata
                self._emitter.track(self._encoder.track)
                self._emitter.state("online", encoder=self._encoder.encoder)
            self._emitter.unit(MAIN, coded, now_us)


def _hevc_size(configuration: bytes) -> tuple[int, int] | None:
    """Give the size of the pictures an hvcC is for, as the decoder reads it; None when it does not tell."""
    try:
        decoder = av.CodecContext.create("hevc", "r")
        decoder.extradata = configuration
        decoder.open()
    except (av.error.FFmpegError, ValueError):
        return None
    return (decoder.width, decoder.height) if decoder.width and decoder.height else None


class Demuxer:
    """Takes one opened source to its end."""

    def __init__(self, emitter: Emitter, pictures: Pictures, *, paced: bool) -> None:
        self._emitter = emitter
        self._pictures = pictures
        self._paced = paced
        self._start = time.monotonic()

    def run(self, container: av.container.InputContainer, name: str, base: int = 0) -> int:
        """Emit everything; ``base`` (1/90000 s) is where this round of a loop begins. Gives where it ended."""
        videos, sounds = container.streams.video, container.streams.audio
        if not videos and not sounds:
            raise CannotOpenError(f"{name} has neither pictures nor sound")
        self._emitter.expect_video(bool(videos))
        video = _Pictures(videos[0], self._emitter, self._pictures) if videos else None
        sound = _Sound(sounds[0], self._emitter) if sounds else None
        end = base
        steady = Steady((lambda: end) if self._paced else since_start())
        jumps = 0
        try:
            for packet in _packets(container, [*videos[:1], *sounds[:1]]):
                ticks = packet.dts if packet.dts is not None else packet.pts
                if ticks is None or packet.time_base is None:
                    ticks, scale = end, _TICK
                else:
                    scale = packet.time_base
                at = int(ticks * scale / _TICK)
                ahead = int(((packet.pts if packet.pts is not None else ticks) - ticks) * scale / _TICK)
                if packet.stream.type == "video" or video is None:
                    at = steady.dts(at)
                    if steady.jumps != jumps:
                        jumps = steady.jumps
                        self._emitter.jumped(jumps)
                else:
                    heard = steady.beside(at)
                    if heard is None:
                        continue
                    at = heard
                if self._paced:
                    self._wait(at)
                now_us = wall_us()
                if packet.stream.type == "video" and video is not None:
                    video.packet(packet, at + ahead, at, now_us)
                elif sound is not None:
                    sound.packet(packet, at, now_us)
                end = max(end, at + int((packet.duration or 0) * scale / _TICK))
        except av.error.EOFError:
            pass
        except (av.error.FFmpegError, Malformed, ValueError) as error:
            raise CannotOpenError(explain(error, name)) from None
        return end

    def _wait(self, at: int) -> None:
        pause = self._start + at / VIDEO_CLOCK - time.monotonic()
        if pause > 0:
            time.sleep(pause)


def _packets(container: av.container.InputContainer, streams: list[av.stream.Stream]) -> Iterator[AnyPacket]:
    for packet in container.demux(streams):
        if packet.size:
            yield packet
