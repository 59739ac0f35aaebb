"""The private parts of aioquic that the engine relies on are there, with the shape it relies on.

A new release of aioquic that changes one of them fails here, by name, before anything stranger happens on a wire.
"""

import inspect
import re
from collections import deque

import pytest
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import END_STATES, Limit, QuicConnection, QuicConnectionState
from aioquic.quic.packet import QuicErrorCode
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.quic.stream import QuicStream
from aioquic.tls import Context, Epoch, verify_certificate

from mesh.adapters.quic import aioquic_engine
from mesh.adapters.quic.network import OVER_BY_TLS

METHODS = {
    "_write_connection_limits": ["self", "builder", "space"],
    "_write_stream_limits": ["self", "builder", "space", "stream"],
    "_write_application": ["self", "builder", "network_path", "now"],
    "_on_connection_limit_delivery": ["self", "delivery", "limit"],
    "_on_max_stream_data_delivery": ["self", "delivery", "stream"],
}


def connection():
    made = QuicConnection(configuration=QuicConfiguration(is_client=True, alpn_protocols=["x"]))
    made.connect(("127.0.0.1", 1), 0.0)
    return made


@pytest.mark.parametrize("name", METHODS)
def test_a_method_it_overrides_or_calls_has_the_parameters_it_gives(name):
    assert list(inspect.signature(getattr(QuicConnection, name)).parameters) == METHODS[name]


def test_what_it_overrides_is_what_aioquic_calls():
    source = inspect.getsource(QuicConnection._write_application)
    for name in ("_write_connection_limits", "_write_stream_limits"):
        assert f"self.{name}(" in source
    assert "self._write_application(" in inspect.getsource(QuicConnection.datagrams_to_send)


@pytest.mark.parametrize("name", ["_local_max_data", "_local_max_streams_bidi", "_local_max_streams_uni"])
def test_a_limit_has_value_sent_and_used(name):
    limit = getattr(connection(), name)
    assert isinstance(limit, Limit)
    assert all(type(getattr(limit, part)) is int for part in ("value", "sent", "used"))
    assert isinstance(limit.frame_type, int)


def test_a_server_that_has_expired_is_refused_in_the_words_that_are_looked_for():
    assert f"Certificate is {OVER_BY_TLS}" in inspect.getsource(verify_certificate)


def test_what_tls_verified_of_a_server_can_be_read():
    assert connection().tls._peer_certificate is None
    assert "certificate=self._peer_certificate" in inspect.getsource(Context._client_handle_certificate_verify)


def test_a_stream_has_the_parts_that_flow_control_reads_and_writes():
    made = connection()
    made._remote_max_streams_bidi = 10
    made.send_stream_data(0, b"hello")
    stream = made._streams[0]
    assert isinstance(made._streams, dict)
    assert isinstance(stream, QuicStream)
    assert type(stream.max_stream_data_local) is int
    assert type(stream.max_stream_data_local_sent) is int
    assert type(stream.receiver.highest_offset) is int
    assert stream.receiver.is_finished is False
    assert (stream.sender._buffer_start, stream.sender._buffer_stop) == (0, 5)
    assert stream.sender._buffer_fin is None
    assert stream.sender._reset_error_code is None
    assert stream.sender.is_finished is False
    made.send_stream_data(0, b"", end_stream=True)
    assert stream.sender._buffer_fin == 5
    made.reset_stream(0, 1)
    assert stream.sender._reset_error_code == 1


def test_waiting_datagram_frames_are_a_deque_whose_oldest_can_be_dropped():
    made = connection()
    made.send_datagram_frame(b"one")
    made.send_datagram_frame(b"two")
    assert isinstance(made._datagrams_pending, deque)
    assert list(made._datagrams_pending) == [b"one", b"two"]


def test_streams_wait_in_a_list_that_is_served_in_order():
    made = connection()
    made._remote_max_streams_bidi = made._remote_max_streams_uni = 10
    for stream in (0, 2, 4):
        made.send_stream_data(stream, b"x")
    assert [held.stream_id for held in made._streams_queue] == [0, 2, 4]
    assert type(made._streams_queue) is list
    assert "for stream in self._streams_queue" in inspect.getsource(QuicConnection._write_application)


def test_an_acknowledgement_that_is_due_goes_with_the_packet_that_is_written():
    made = connection()
    assert made._spaces[Epoch.ONE_RTT].ack_at is None
    source = inspect.getsource(QuicConnection._write_application)
    assert "space = self._spaces[tls.Epoch.ONE_RTT]" in source
    assert "space.ack_at <= now" in source


def test_a_probe_of_the_path_is_made_of_what_aioquic_makes_its_packets_of():
    made = connection()
    assert type(made._max_datagram_size) is int
    assert type(made._loss._pacer._max_datagram_size) is int
    assert type(made._loss._time_of_last_sent_ack_eliciting_packet) is float
    assert (made._loss._pto_count, made._handshake_confirmed, made._is_client) == (0, False, True)
    assert Epoch.ONE_RTT in made._cryptos
    assert isinstance(made._peer_cid.cid, bytes)
    assert type(made._packet_number) is int
    assert type(made._spin_bit) is bool
    assert made._version is not None
    source = inspect.getsource(QuicConnection.datagrams_to_send)
    assert "max_datagram_size=self._max_datagram_size" in source
    assert "now" in inspect.signature(made._loss.reschedule_data).parameters
    assert list(inspect.signature(made._loss.on_packet_sent).parameters) == ["packet", "space"]


def test_the_rest_of_what_is_read_is_there():
    made = connection()
    assert type(made._loss._rtt_smoothed) in (int, float)
    assert made._state in QuicConnectionState
    assert made._state not in END_STATES
    assert made._close_event is None
    made.close(error_code=3, reason_phrase="why")
    assert (made._close_event.error_code, made._close_event.reason_phrase) == (3, "why")


def test_a_builder_takes_the_budget_of_a_transmit():
    assert "max_flight_bytes" in inspect.getsource(QuicPacketBuilder.__init__)


def test_every_tls_alert_is_told_apart_from_our_own_codes():
    assert QuicErrorCode.CRYPTO_ERROR == 0x100


def test_the_docstring_lists_every_private_part_that_the_code_touches():
    source = inspect.getsource(aioquic_engine)
    doc = inspect.getdoc(aioquic_engine)
    code = source.replace(aioquic_engine.__doc__, "")
    own = set(re.findall(r"(?:def|self\.) ?(_\w+)", code)) | set(re.findall(r"^(_\w+) ?=", code, re.MULTILINE))
    touched = set(re.findall(r"(?:quic|_quic|held|stream|sender|receiver|_loss|ended)\.(_[a-z]\w*)", code))
    # What the subclass of QuicConnection reaches through itself is aioquic's too, if aioquic has it.
    touched |= {name for name in own if name in dir(QuicConnection) or hasattr(connection(), name)}
    touched -= {"_quic", "_configuration", "__init__"}
    missing = sorted(name for name in touched if name not in doc)
    assert not missing, f"add to the docstring of aioquic_engine.py, and pin here: {missing}"
