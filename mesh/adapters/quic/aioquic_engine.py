"""aioquic behind the engine seam.

Decides flow control, the budget of a transmit, and that frames go before streams. aioquic itself doubles every window
once half of it is used, whether or not anybody reads, so a slow reader would be no back-pressure: ``_Quic`` grants
windows from what the application has taken instead (RFC 9000, section 4), caps what one transmit may build, and puts
the channels of frames first, where aioquic lets all streams take turns.

Private parts of aioquic 1.7 that are used, all pinned by ``tests/house/test_aioquic_private_parts.py``:
``_write_connection_limits``, ``_write_stream_limits``, ``_write_application`` (overridden, called once a packet, a
stream, a transmit); ``_on_connection_limit_delivery``, ``_on_max_stream_data_delivery``; ``_local_max_data``,
``_local_max_streams_bidi``, ``_local_max_streams_uni`` (``Limit``: value, sent, used); ``_streams`` and a stream's
``max_stream_data_local``, ``max_stream_data_local_sent``, ``receiver.highest_offset``, ``receiver.is_finished``,
``sender._buffer_start``, ``sender._buffer_stop``, ``sender._buffer_fin``, ``sender._reset_error_code``;
``_datagrams_pending``; ``_cryptos``, ``_peer_cid``, ``_packet_number``, ``_spin_bit``, ``_is_client``, ``_version``,
``_handshake_confirmed``, ``_max_datagram_size``, ``_loss._pacer._max_datagram_size``, ``_loss._pto_count``,
``_loss._time_of_last_sent_ack_eliciting_packet`` (for probes of the path's size); ``_spaces`` and a space's ``ack_at``;
``_streams_queue`` (streams in the order they are served); ``_loss._rtt_smoothed``; ``_state``; ``_close_event``;
``tls._peer_certificate``.

Invariant: no session tickets, no resumption, no 0-RTT; no client certificates asked for.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from functools import lru_cache

from aioquic._buffer import Buffer
from aioquic.quic import events
from aioquic.quic.configuration import SMALLEST_MAX_DATAGRAM_SIZE, QuicConfiguration
from aioquic.quic.connection import (
    CONNECTION_LIMIT_FRAME_CAPACITY,
    END_STATES,
    MAX_STREAM_DATA_FRAME_CAPACITY,
    QuicConnection,
    QuicNetworkPath,
)
from aioquic.quic.events import StreamDataReceived
from aioquic.quic.packet import (
    QuicErrorCode,
    QuicFrameType,
    QuicPacketType,
    QuicProtocolVersion,
    encode_quic_retry,
    encode_quic_version_negotiation,
    pull_quic_header,
)
from aioquic.quic.packet_builder import QuicDeliveryState, QuicPacketBuilder
from aioquic.quic.recovery import QuicPacketSpace
from aioquic.quic.retry import QuicRetryTokenHandler
from aioquic.quic.stream import QuicStream
from aioquic.tls import Epoch
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from mesh.adapters.quic.credentials import Credentials
from mesh.adapters.quic.engine import (
    Address,
    Closed,
    DatagramBytes,
    Event,
    HandshakeDone,
    StreamBytes,
    StreamReset,
    Windows,
)
from mesh.adapters.quic.path_size import PathSize
from mesh.ports import Entropy
from proto.ids import NodeId

CONNECTION_ID_BYTES = 8
IDLE_TIMEOUT_S = 20.0
DATAGRAMS_WAITING_MAX = 64
"""Datagram frames waiting in one connection; the oldest is dropped for a further one."""
_DATAGRAM_FRAME_BYTES_MAX = 16384
_RESET_CODE = 1
_PROBE = 1
_VERSIONS = [QuicProtocolVersion.VERSION_1]
_UNLIMITED_BYTES = 1 << 40
_TLS_ALERTS = range(QuicErrorCode.CRYPTO_ERROR, QuicErrorCode.CRYPTO_ERROR + 256)


class _Quic(QuicConnection):
    """aioquic's connection with windows that follow the reader, and a budget a transmit."""

    windows: Windows
    budget_bytes: int = _UNLIMITED_BYTES
    taken_bytes: int = 0

    def prepare(self, windows: Windows) -> None:
        """Set the first windows, before the handshake states them."""
        self.windows = windows
        self.taken: dict[int, int] = {}
        for limit, value in (
            (self._local_max_data, windows.connection_bytes),
            (self._local_max_streams_bidi, windows.streams_bidirectional),
            (self._local_max_streams_uni, windows.streams_unidirectional),
        ):
            limit.value = limit.sent = value

    def _write_connection_limits(self, builder: QuicPacketBuilder, space: QuicPacketSpace) -> None:
        data = self._local_max_data
        if self._data_window_due():
            data.value = self.taken_bytes + self.windows.connection_bytes
        for limit in (data, self._local_max_streams_bidi, self._local_max_streams_uni):
            if limit.value == limit.sent:
                continue
            if limit is not data and limit.sent - limit.used >= max(1, limit.value - limit.sent):
                # As aioquic does: streams are granted in batches, not one by one.
                continue
            buffer = builder.start_frame(
                limit.frame_type,
                capacity=CONNECTION_LIMIT_FRAME_CAPACITY,
                handler=self._on_connection_limit_delivery,
                handler_args=(limit,),
            )
            buffer.push_uint_var(limit.value)
            limit.sent = limit.value

    def _write_stream_limits(self, builder: QuicPacketBuilder, space: QuicPacketSpace, stream: QuicStream) -> None:
        if stream.max_stream_data_local == stream.max_stream_data_local_sent:
            return
        buffer = builder.start_frame(
            QuicFrameType.MAX_STREAM_DATA,
            capacity=MAX_STREAM_DATA_FRAME_CAPACITY,
            handler=self._on_max_stream_data_delivery,
            handler_args=(stream,),
        )
        assert stream.stream_id is not None
        buffer.push_uint_var(stream.stream_id)
        buffer.push_uint_var(stream.max_stream_data_local)
        stream.max_stream_data_local_sent = stream.max_stream_data_local

    def _write_application(self, builder: QuicPacketBuilder, network_path: QuicNetworkPath, now: float) -> None:
        if builder.max_flight_bytes is not None and builder.max_flight_bytes > self.budget_bytes:
            builder.max_flight_bytes = self.budget_bytes
        space = self._spaces[Epoch.ONE_RTT]
        if self._datagrams_pending and space.ack_at is not None:
            # A probe's answer carries the acknowledgement of the probe, which aioquic would send a moment later.
            space.ack_at = min(space.ack_at, now)
        if len(self._streams_queue) > 1:
            # The channels of frames, which are one-way, before whatever else waits; among their likes all take turns.
            self._streams_queue.sort(key=_is_two_way)
        super()._write_application(builder, network_path, now)

    def pack_probe(self, size: int, now: float, told: Callable[[bool, int], None]) -> list[bytes]:
        """Give a datagram of exactly ``size`` bytes that the peer acknowledges and otherwise ignores.

        It is not in flight for congestion control, which its loss says nothing about (RFC 9000, section 14.4).
        """
        assert self._version is not None
        builder = QuicPacketBuilder(
            host_cid=self.host_cid,
            is_client=self._is_client,
            max_datagram_size=size,
            packet_number=self._packet_number,
            peer_cid=self._peer_cid.cid,
            spin_bit=self._spin_bit,
            version=self._version,
        )
        builder.start_packet(QuicPacketType.ONE_RTT, self._cryptos[Epoch.ONE_RTT])
        builder.start_frame(
            QuicFrameType.PING,
            handler=lambda state, probed: told(state is QuicDeliveryState.ACKED, probed),
            handler_args=(size,),
        )
        left = builder.remaining_buffer_space
        builder.start_frame(QuicFrameType.PADDING, capacity=left).push_bytes(bytes(left - 1))
        datagrams, packets = builder.flush()
        self._packet_number = builder.packet_number
        for packet in packets:
            packet.in_flight = False
            packet.sent_time = now
            self._loss.on_packet_sent(packet=packet, space=self._spaces[packet.epoch])
        # Else the timer for answers would count from what was sent before.
        self._loss._time_of_last_sent_ack_eliciting_packet = now
        return datagrams

    def resize(self, size: int) -> None:
        """Send datagrams of up to so many bytes from now on."""
        self._max_datagram_size = self._loss._pacer._max_datagram_size = size

    def send_again(self, now: float) -> None:
        """Send what waits for an answer again now, not when the timer that was lengthened in vain runs out."""
        self._loss._pto_count = 0
        self._loss.reschedule_data(now=now)

    def acknowledged(self) -> int:
        """Count the bytes of the open streams that the peer has acknowledged."""
        return sum(stream.sender._buffer_start for stream in self._streams.values())

    def take(self, stream_id: int, size: int) -> bool:
        """Count bytes of a stream as taken by the application; True when a window is to be widened for it."""
        self.taken_bytes += size
        due = self._data_window_due()
        stream = self._streams.get(stream_id)
        if stream is None:
            self.taken.pop(stream_id, None)
            return due
        taken = self.taken.get(stream_id, 0) + size
        self.taken[stream_id] = taken
        if stream.receiver.is_finished:
            return due
        wanted = taken + self.windows.stream_bytes
        if wanted - stream.max_stream_data_local >= self.windows.stream_bytes // 4:
            stream.max_stream_data_local = wanted
            return True
        return due

    def _data_window_due(self) -> bool:
        window = self.windows.connection_bytes
        return self.taken_bytes + window - self._local_max_data.value >= window // 4

    def lose(self, stream_id: int) -> None:
        """Count what a reset stream will never deliver as taken: it used the connection's window."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            left = stream.receiver.highest_offset - self.taken.get(stream_id, 0)
            if left > 0:
                self.take(stream_id, left)


def _is_two_way(stream: QuicStream) -> bool:
    return stream.stream_id is not None and not stream.stream_id & 2


class AioquicConnection:
    """One connection; an ``engine.Connection``."""

    def __init__(self, quic: _Quic, address: Address) -> None:
        self._quic = quic
        self._address = address
        self._new_routes: list[bytes] = [quic.host_cid]
        self._old_routes: list[bytes] = []
        self._discarding: set[int] = set()
        self._end_told = False
        self._probes_answered = 0
        self._path = PathSize(quic.configuration.max_datagram_size)
        self._now_s = 0.0
        self._progress: tuple[int, int] | None = None
        self._fell_back = False
        """What waits for an answer is to be sent again, in datagrams of the size it fell back to."""

    # ------------------------------------------------------------ input and output

    def receive(self, data: bytes, address: Address, now_s: float) -> None:
        """Take one UDP payload."""
        self._now_s = now_s
        self._quic.receive_datagram(data, address, now_s)
        self._send_again()

    def transmit(self, now_s: float, budget_bytes: int) -> list[tuple[bytes, Address]]:
        """Give UDP payloads to send."""
        self._quic.budget_bytes = budget_bytes
        datagrams = self._quic.datagrams_to_send(now_s)
        if self._quic._handshake_confirmed and not self.over and (size := self._path.due(now_s)):
            datagrams += [(probe, self.address) for probe in self._quic.pack_probe(size, now_s, self._probed)]
        return datagrams

    def timer(self) -> float | None:
        """Give when to call ``fire``."""
        at_s, probe_s = self._quic.get_timer(), self._path.next_at()
        if probe_s is None or not self._quic._handshake_confirmed or self.over:
            return at_s
        return probe_s if at_s is None else min(at_s, probe_s)

    def fire(self, now_s: float) -> None:
        """Let time pass."""
        self._now_s = now_s
        self._quic.handle_timer(now_s)
        if lost := self._path.overdue(now_s):
            self._probed(False, lost)
        self._send_again()

    def events(self) -> list[Event]:
        """Take the events that have come up."""
        taken: list[Event] = []
        while (event := self._quic.next_event()) is not None:
            match event:
                case StreamDataReceived():
                    self._stream_bytes(event, taken)
                case events.DatagramFrameReceived(data=data):
                    taken.append(DatagramBytes(data))
                case events.StreamReset(stream_id=stream):
                    self._quic.lose(stream)
                    self._forget(stream)
                    taken.append(StreamReset(stream, sending=False))
                case events.StopSendingReceived(stream_id=stream):
                    taken.append(StreamReset(stream, sending=True))
                case events.HandshakeCompleted(alpn_protocol=alpn):
                    taken.append(HandshakeDone(alpn or ""))
                case events.PingAcknowledged(uid=uid):
                    self._probes_answered += uid == _PROBE
                case events.ConnectionIdIssued(connection_id=route):
                    self._new_routes.append(route)
                case events.ConnectionIdRetired(connection_id=route):
                    self._old_routes.append(route)
                case _:
                    pass
        ended = self._quic._close_event
        if ended is not None and self.over and not self._end_told:
            # aioquic tells this only after the draining period; who waits for it need not wait so long.
            self._end_told = True
            by_tls = ended.frame_type is not None and ended.error_code in _TLS_ALERTS
            taken.append(Closed(ended.error_code, ended.reason_phrase, by_tls))
        return taken

    def _stream_bytes(self, event: StreamDataReceived, taken: list[Event]) -> None:
        if event.stream_id in self._discarding:
            self._quic.lose(event.stream_id)
        else:
            taken.append(StreamBytes(event.stream_id, event.data, event.end_stream))
        if event.end_stream:
            self._discarding.discard(event.stream_id)

    def _forget(self, stream: int) -> None:
        self._discarding.discard(stream)
        self._quic.taken.pop(stream, None)

    def routes(self) -> tuple[list[bytes], list[bytes]]:
        """Take new and retired connection ids."""
        new, old = self._new_routes, self._old_routes
        if new or old:
            self._new_routes, self._old_routes = [], []
        return new, old

    # ------------------------------------------------------------ state

    @property
    def address(self) -> Address:
        """Where the peer is."""
        return self._quic.get_peer_address() or self._address

    @property
    def rtt_s(self) -> float:
        """Smoothed round trip."""
        return self._quic._loss._rtt_smoothed

    @property
    def over(self) -> bool:
        """It has ended."""
        return self._quic._state in END_STATES

    def streams_held(self) -> int:
        """Count the streams whose state is held."""
        return max(len(self._quic._streams), len(self._quic.taken), len(self._discarding))

    # ------------------------------------------------------------ streams

    def open(self, *, unidirectional: bool) -> int:
        """Give the id of a new stream."""
        return self._quic.get_next_available_stream_id(is_unidirectional=unidirectional)

    def send(self, stream: int, data: bytes, *, end: bool = False) -> None:
        """Queue bytes on a stream."""
        held = self._quic._streams.get(stream)
        if held is not None and (held.sender._buffer_fin is not None or held.sender._reset_error_code is not None):
            return
        if held is None and not self._is_next(stream):
            return
        self._quic.send_stream_data(stream, data, end)

    def _is_next(self, stream: int) -> bool:
        # Only a stream that has never been sent on may be absent; another one has been freed.
        return stream == self._quic.get_next_available_stream_id(is_unidirectional=bool(stream & 2))

    def unsent(self, stream: int) -> int:
        """Count the bytes not yet acknowledged."""
        held = self._quic._streams.get(stream)
        if held is None or held.sender._reset_error_code is not None:
            return 0
        return held.sender._buffer_stop - held.sender._buffer_start

    def reset(self, stream: int) -> None:
        """Drop both directions of a stream, as far as they are open."""
        held = self._quic._streams.get(stream)
        if held is not None and not held.sender.is_finished:
            self._quic.reset_stream(stream, _RESET_CODE)
        self.stop(stream)

    def stop(self, stream: int) -> None:
        """Want no more bytes of a stream."""
        held = self._quic._streams.get(stream)
        if held is None:
            self._forget(stream)
            return
        self._quic.lose(stream)
        if held.receiver.is_finished:
            self._forget(stream)
        elif stream not in self._discarding:
            self._discarding.add(stream)
            self._quic.stop_stream(stream, _RESET_CODE)

    def consumed(self, stream: int, size: int) -> bool:
        """Say that the application has taken bytes."""
        due = self._quic.take(stream, size)
        held = self._quic._streams.get(stream)
        if held is None or (held.receiver.is_finished and self._quic.taken[stream] >= held.receiver.highest_offset):
            self._forget(stream)
        return due

    # ------------------------------------------------------------ the rest

    def send_datagram(self, data: bytes) -> bool:
        """Queue a datagram frame."""
        waiting = self._quic._datagrams_pending
        dropped = len(waiting) >= DATAGRAMS_WAITING_MAX
        if dropped:
            waiting.popleft()
        self._quic.send_datagram_frame(data)
        return not dropped

    def grant(self, windows: Windows) -> None:
        """Widen what the peer may send."""
        quic = self._quic
        quic.windows = windows
        quic._local_max_streams_bidi.value = windows.streams_bidirectional
        quic._local_max_streams_uni.value = windows.streams_unidirectional

    @property
    def datagram_bytes(self) -> int:
        """The largest datagrams sent."""
        return self._path.size_bytes

    def find_size(self, known_bytes: int, limit_bytes: int, at_s: float) -> None:
        """Take a known size up, and probe the path for larger ones."""
        self._path.begin(known_bytes, limit_bytes, at_s)
        self._quic.resize(self._path.size_bytes)

    def doubt_size(self, now_s: float) -> None:
        """Have the size in use probed."""
        self._path.doubt(now_s)

    def look_at_size(self, now_s: float) -> bool:
        """See whether what is sent still arrives."""
        streams = self._quic._streams
        waiting = any(self.unsent(stream) for stream in streams)
        progress = (self._quic.acknowledged(), len(streams)) if waiting else None
        stuck = progress is not None and progress == self._progress
        self._progress = progress
        return stuck and self._path.doubt(now_s)

    def _probed(self, arrived: bool, size: int) -> None:
        if self._path.told(size, self._now_s, arrived=arrived):
            self._quic.resize(self._path.size_bytes)
            # Not now: aioquic may be going through what it believes lost, this probe among it.
            self._fell_back = self._fell_back or not arrived

    def _send_again(self) -> None:
        if self._fell_back:
            self._fell_back = False
            self._quic.send_again(self._now_s)

    def ping(self) -> None:
        """Have the peer acknowledge something."""
        self._quic.send_ping(0)

    def peer_certificate(self) -> bytes:
        """Give the certificate that the server showed."""
        shown = self._quic.tls._peer_certificate
        return b"" if shown is None else shown.public_bytes(Encoding.DER)

    def probe(self) -> None:
        """Have the peer acknowledge that it lives now."""
        self._quic.send_ping(_PROBE)

    @property
    def probes_answered(self) -> int:
        """How many probes were acknowledged."""
        return self._probes_answered

    def close(self, code: int, reason: str) -> None:
        """End the connection."""
        self._quic.close(error_code=code, reason_phrase=reason[:200])


class AioquicEngine:
    """Makes aioquic connections; an ``engine.Engine``."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._retry = QuicRetryTokenHandler()

    def dial(
        self,
        address: Address,
        alpn: str,
        credentials: Credentials,
        verify: NodeId | None,
        windows: Windows,
        datagram_bytes: int,
        now_s: float,
    ) -> AioquicConnection:
        """Start a connection."""
        configuration = _configuration(windows, datagram_bytes, is_client=True)
        configuration.alpn_protocols = [alpn]
        configuration.verify_mode = ssl.CERT_NONE if verify is None else ssl.CERT_REQUIRED
        configuration.server_name = verify
        configuration.load_verify_locations(cadata=_pem(credentials.trusted(verify)))
        quic = _Quic(configuration=configuration)
        quic.prepare(windows)
        quic.connect(address, now_s)
        return AioquicConnection(quic, address)

    def accept(
        self,
        datagram: bytes,
        address: Address,
        alpns: Sequence[str],
        credentials: Credentials,
        windows: Windows,
        datagram_bytes: int,
        retry: bool,
        now_s: float,
    ) -> AioquicConnection | bytes | None:
        """Answer a datagram that no connection knows."""
        try:
            header = pull_quic_header(Buffer(data=datagram), host_cid_length=CONNECTION_ID_BYTES)
        except ValueError:
            return None
        if len(datagram) < SMALLEST_MAX_DATAGRAM_SIZE or header.packet_type == QuicPacketType.VERSION_NEGOTIATION:
            return None
        if header.version is not None and header.version not in _VERSIONS:
            return encode_quic_version_negotiation(
                source_cid=header.destination_cid,
                destination_cid=header.source_cid,
                supported_versions=list(_VERSIONS),
            )
        if header.packet_type != QuicPacketType.INITIAL:
            return None
        original, retry_source = header.destination_cid, None
        if header.token:
            try:
                original = self._retry.validate_token(
                    address=_plain(address), destination_cid=header.destination_cid, token=header.token, now=now_s
                )
            except ValueError:
                return None
            retry_source = header.destination_cid
        elif retry:
            assert header.version is not None
            source = self._entropy.token(CONNECTION_ID_BYTES)
            token = self._retry.create_token(
                address=_plain(address),
                original_destination_connection_id=header.destination_cid,
                retry_source_connection_id=source,
                now=now_s,
            )
            return encode_quic_retry(
                version=header.version,
                source_cid=source,
                destination_cid=header.source_cid,
                original_destination_cid=header.destination_cid,
                retry_token=token,
            )
        configuration = _configuration(windows, datagram_bytes, is_client=False)
        configuration.alpn_protocols = list(alpns)
        configuration.certificate = _certificate(credentials.certificate)
        configuration.private_key = _key(credentials.seed)
        quic = _Quic(
            configuration=configuration,
            original_destination_connection_id=original,
            retry_source_connection_id=retry_source,
        )
        quic.prepare(windows)
        made = AioquicConnection(quic, address)
        made._new_routes.append(header.destination_cid)
        return made

    def route(self, datagram: bytes) -> bytes | None:
        """Give the connection id a datagram is addressed to."""
        if len(datagram) < 1 + CONNECTION_ID_BYTES:
            return None
        if not datagram[0] & 0x80:
            return datagram[1 : 1 + CONNECTION_ID_BYTES]
        if len(datagram) < 6:
            return None
        size = datagram[5]
        return datagram[6 : 6 + size] if size <= 20 and len(datagram) >= 6 + size else None


def _configuration(windows: Windows, datagram_bytes: int, *, is_client: bool) -> QuicConfiguration:
    return QuicConfiguration(
        is_client=is_client,
        congestion_control_algorithm="cubic",
        connection_id_length=CONNECTION_ID_BYTES,
        idle_timeout=IDLE_TIMEOUT_S,
        max_data=windows.connection_bytes,
        max_stream_data=windows.stream_bytes,
        max_datagram_size=datagram_bytes,
        max_datagram_frame_size=_DATAGRAM_FRAME_BYTES_MAX,
        supported_versions=list(_VERSIONS),
    )


def _plain(address: Address) -> tuple[str, int]:
    # The token handler packs the host as an IP address; a scope ("fe80::1%eth0") is not part of that.
    return str(address[0]).partition("%")[0], int(address[1])


@lru_cache(maxsize=16)
def _pem(ders: tuple[bytes, ...]) -> bytes:
    return b"".join(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) for der in ders)


@lru_cache(maxsize=16)
def _certificate(der: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(der)


@lru_cache(maxsize=16)
def _key(seed: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(seed)
