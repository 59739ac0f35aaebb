"""Settings of a node: one frozen dataclass a room. TOML file < environment < flags; an error names the key.

A setting ``section.key`` is ``[section] key`` in the file and ``THATDAM_SECTION_KEY`` in the environment. The mesh
secret is ``THATDAM_SECRET`` in the environment alone, or a file named by ``mesh.secret_file``: it has no place in a
settings file.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mesh.core.tickets import is_ticket
from mesh.ports import Host
from thatdam.places import default_data_folder, settings_file

ROLES = ("proxy", "daemon", "storage", "encoder")
DEFAULT_PORT = 8326
DEFAULT_BULK_PORT = 8327
SECONDS_MAX = 3_200_000_000.0
"""A hundred years: who writes more means never."""


class ConfigError(Exception):
    """A setting is wrong; the text names it and says what would be right."""


def _setting(default: Any, told: str) -> Any:
    if isinstance(default, list | tuple):
        return field(default_factory=lambda: tuple(default), metadata={"told": told})
    return field(default=default, metadata={"told": told})


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """[node]: this machine."""

    name: str = _setting("", "what people call this node; empty: as before, or the machine's name")
    data: str = _setting("", "the data folder; empty: the platform's place for it")
    roles: tuple[str, ...] = _setting((), "proxy, daemon, storage, encoder; empty: chosen from the machine")
    reserve_mb: int = _setting(512, "MiB of the disk that are left to others; recording stops safely there")


@dataclass(frozen=True, slots=True)
class MeshConfig:
    """[mesh]: this node among others."""

    host: str = _setting("", "address for QUIC; empty: loopback for a lone node, all addresses with a secret")
    port: int = _setting(DEFAULT_PORT, "UDP port for QUIC; 0 takes a free one")
    join: tuple[str, ...] = _setting((), "a ticket, or host:port of nodes to join where multicast does not reach")
    advertise: tuple[str, ...] = _setting((), "host:port other nodes shall try; empty: found out")
    mdns: bool = _setting(True, "find nodes of this mesh on the LAN by mDNS")
    zone: str = _setting("", "nodes of one zone fail together; copies spread over zones first")
    secret_file: str = _setting("", "file that holds the mesh secret, instead of THATDAM_SECRET")
    copies: int = _setting(3, "copies wanted of everything kept, or as many as there are storage nodes")
    away_after_s: float = _setting(300.0, "seconds until a dead storage node is away and stand-ins take over")
    datagram_bytes: int = _setting(8952, "largest UDP payload of QUIC packets; each path is probed for what it carries")
    bulk_lane: bool = _setting(True, "copy chunks by TLS over TCP where both nodes do; else, or false: by QUIC")
    bulk_port: int = _setting(DEFAULT_BULK_PORT, "TCP port of that lane; 0, or where it is taken: a free one")
    relay_mb_s: float = _setting(
        4.0, "MB/s this node carries, in all, between others that cannot reach each other; 0: none"
    )
    relay_links: int = _setting(16, "connections it carries for one node that asks it to")


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """[http]: the viewer and the API."""

    port: int = _setting(DEFAULT_PORT, "TCP port; 0 takes a free one")
    lan: bool = _setting(False, "serve HTTPS on the LAN addresses, so that phones can open the viewer")
    upload_max_gb: float = _setting(64.0, "GiB of the largest file taken by upload")


@dataclass(frozen=True, slots=True)
class ProxyConfig:
    """[proxy]: cameras."""

    file_folders: tuple[str, ...] = _setting((), "folders whose files may be played as cameras (file: sources)")
    replay_s: float = _setting(
        20.0, "seconds of a camera kept in memory while another node records it, for whoever takes over; 0: none"
    )
    replay_mb: int = _setting(96, "MiB of memory for that, a camera")


@dataclass(frozen=True, slots=True)
class StorageConfig:
    """[storage]: this node's share."""

    capacity_gb: float = _setting(0.0, "GiB this node offers, which weighs its share; 0: the disk's size")
    collect_after_s: float = _setting(1_209_600.0, "seconds that bytes nobody refers to stay on the disks (14 days)")
    collect_packed_after_s: float = _setting(3600.0, "the same for small parts whose bytes are in a packed chunk")
    trash_keep_s: float = _setting(2_592_000.0, "seconds until what is in the trash is deleted for good (30 days)")
    move_mb_s: float = _setting(
        0.0, "MB a second this node gives of what only moves, or is to have more copies than before; 0: no limit"
    )
    read_only: bool = _setting(
        False, "serve what is here and take no new chunks, as if the disk were full; rows are still taken"
    )
    scrub_days: float = _setting(7.0, "days in which every chunk on the disk is read and checked once")


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """[encoder]: analysis."""

    model: str = _setting("", "sentence-transformers model id or folder (CLIP); empty: the offline one of thatdam[ai]")
    workers: int = _setting(1, "jobs at once")


@dataclass(frozen=True, slots=True)
class LogConfig:
    """[log]: what is told."""

    format: str = _setting("text", "text or json")
    level: str = _setting("info", "debug, info, warning or error")


@dataclass(frozen=True, slots=True)
class Config:
    """All settings of a node."""

    node: NodeConfig = field(default_factory=NodeConfig)
    mesh: MeshConfig = field(default_factory=MeshConfig)
    http: HttpConfig = field(default_factory=HttpConfig)
    proxy: ProxyConfig = field(default_factory=ProxyConfig)
    storage: StorageConfig = field(default_factory=StorageConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    log: LogConfig = field(default_factory=LogConfig)
    secret: str = field(default="", repr=False)

    @property
    def ticket(self) -> str:
        """The ticket to join with; empty: none was given."""
        return next((text for text in self.mesh.join if is_ticket(text)), "")

    @property
    def seeds(self) -> tuple[Host, ...]:
        """The nodes to join."""
        return tuple(parse_host(text, "mesh.join") for text in self.mesh.join if not is_ticket(text))

    @property
    def data_folder(self) -> Path:
        """The data folder, whether set or the platform's own."""
        return Path(self.node.data).expanduser() if self.node.data else default_data_folder()


def settings() -> list[tuple[str, str, Any, str]]:
    """Give every setting as (key, type, default, what it is), for the reference."""
    rows: list[tuple[str, str, Any, str]] = []
    for section in dataclasses.fields(Config):
        if section.name == "secret":
            continue
        kind = _section_type(section.name)
        hints = typing.get_type_hints(kind)
        made = kind()
        rows.extend(
            (
                f"{section.name}.{item.name}",
                _type_name(hints[item.name]),
                getattr(made, item.name),
                str(item.metadata["told"]),
            )
            for item in dataclasses.fields(kind)
        )
    return rows


def load(
    file: Path | None = None, environment: Mapping[str, str] | None = None, flags: Mapping[str, Any] | None = None
) -> Config:
    """Put the settings together; ConfigError names what is wrong and where it was said."""
    environment = os.environ if environment is None else environment
    said: dict[str, dict[str, tuple[Any, str]]] = {}
    _take_file(said, file)
    _take_environment(said, environment)
    for key, value in (flags or {}).items():
        if value is not None and value != ():
            section, _, name = key.partition(".")
            said.setdefault(section, {})[name] = (value, f"--{name.replace('_', '-')}")
    sections = {
        section.name: _build(section.name, said.get(section.name, {}))
        for section in dataclasses.fields(Config)
        if section.name != "secret"
    }
    config = Config(**sections, secret=environment.get("THATDAM_SECRET", "").strip())
    if not config.secret and config.mesh.secret_file:
        try:
            secret = Path(config.mesh.secret_file).expanduser().read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigError(f"mesh.secret_file: cannot read {config.mesh.secret_file}: {error.strerror}") from error
        config = dataclasses.replace(config, secret=secret)
    _check(config)
    return config


def parse_host(text: str, key: str, default_port: int = DEFAULT_PORT) -> Host:
    """Read ``host:port``, ``host`` or ``[v6]:port``; ConfigError names ``key``."""
    rest = text.strip()
    if rest.startswith("["):
        host, _, tail = rest[1:].partition("]")
        port_text = tail.removeprefix(":")
    elif rest.count(":") == 1:
        host, _, port_text = rest.partition(":")
    else:
        host, port_text = rest, ""
    port = int(port_text) if port_text.isdecimal() else (default_port if not port_text else -1)
    if not host or not 0 < port < 65536 or (":" in host and not _is_v6(host)):
        raise ConfigError(f"{key}: {text!r} is no address; write host:port, for example 192.168.1.20:{default_port}")
    return host, port


def _is_v6(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).version == 6
    except ValueError:
        return False


def _section_type(name: str) -> type[Any]:
    hints = typing.get_type_hints(Config)
    return typing.cast("type[Any]", hints[name])


def _type_name(kind: Any) -> str:
    return (
        "list of text"
        if typing.get_origin(kind) is tuple
        else {str: "text", int: "number", float: "number"}.get(kind, "true or false")
    )


def _take_file(said: dict[str, dict[str, tuple[Any, str]]], file: Path | None) -> None:
    path = file or settings_file()
    if file is None and not path.is_file():
        return
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the settings file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no TOML: {error}") from error
    known = {row[0] for row in settings()}
    for section, values in content.items():
        if not isinstance(values, dict):
            raise ConfigError(f"{path}: {section!r} must be a [section]")
        for name, value in values.items():
            if f"{section}.{name}" not in known:
                raise ConfigError(f"{path}: there is no setting {section}.{name}; docs/CONFIG.md lists them all")
            said.setdefault(section, {})[name] = (value, str(path))


def _take_environment(said: dict[str, dict[str, tuple[Any, str]]], environment: Mapping[str, str]) -> None:
    for key, _, _, _ in settings():
        section, _, name = key.partition(".")
        variable = f"THATDAM_{section}_{name}".upper()
        if variable in environment:
            said.setdefault(section, {})[name] = (environment[variable], variable)


def _build(section: str, said: Mapping[str, tuple[Any, str]]) -> Any:
    kind = _section_type(section)
    hints = typing.get_type_hints(kind)
    return kind(**{name: _convert(f"{section}.{name}", hints[name], *said[name]) for name in said})


def _convert(key: str, kind: Any, value: Any, source: str) -> Any:
    wrong = ConfigError(f"{key} (from {source}): {value!r} is no {_type_name(kind)}")
    if typing.get_origin(kind) is tuple:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
            return tuple(value)
        raise wrong
    if kind is bool:
        if isinstance(value, bool):
            return value
        if str(value).lower() in ("1", "true", "yes", "on"):
            return True
        if str(value).lower() in ("0", "false", "no", "off"):
            return False
        raise wrong
    if kind is str:
        if isinstance(value, str):
            return value
        raise wrong
    try:
        if isinstance(value, bool):
            raise wrong
        return kind(value)
    except (TypeError, ValueError) as error:
        raise wrong from error


def _check(config: Config) -> None:
    for role in config.node.roles:
        if role not in ROLES:
            raise ConfigError(f"node.roles: there is no role {role!r}; the roles are {', '.join(ROLES)}")
    ports = (
        ("mesh.port", config.mesh.port),
        ("mesh.bulk_port", config.mesh.bulk_port),
        ("http.port", config.http.port),
    )
    for key, port in ports:
        if not 0 <= port < 65536:
            raise ConfigError(f"{key}: {port} is no port; write a number from 0 to 65535")
    if not 1 <= config.mesh.copies <= 16:
        raise ConfigError(f"mesh.copies: {config.mesh.copies}; write a number from 1 to 16")
    if not 0 <= config.proxy.replay_s <= 600:
        raise ConfigError(f"proxy.replay_s: {config.proxy.replay_s:g}; write seconds from 0 to 600")
    if not 1 <= config.proxy.replay_mb <= 65536:
        raise ConfigError(f"proxy.replay_mb: {config.proxy.replay_mb}; write MiB from 1 to 65536")
    if not 1200 <= config.mesh.datagram_bytes <= 16000:
        raise ConfigError(f"mesh.datagram_bytes: {config.mesh.datagram_bytes}; write a number from 1200 to 16000")
    if not 0 <= config.mesh.relay_mb_s <= 100_000:
        raise ConfigError(f"mesh.relay_mb_s: {config.mesh.relay_mb_s:g}; write MB/s from 0 to 100000")
    if not 0 <= config.mesh.relay_links <= 256:
        raise ConfigError(f"mesh.relay_links: {config.mesh.relay_links}; write a number from 0 to 256")
    for name in ("collect_after_s", "collect_packed_after_s", "trash_keep_s", "scrub_days"):
        value = getattr(config.storage, name)
        if not 0 < value <= SECONDS_MAX:
            raise ConfigError(f"storage.{name}: {value:g}; write a number above 0, at most {SECONDS_MAX:g}")
    if config.log.format not in ("text", "json"):
        raise ConfigError(f"log.format: {config.log.format!r}; write text or json")
    if config.log.level not in ("debug", "info", "warning", "error"):
        raise ConfigError(f"log.level: {config.log.level!r}; write debug, info, warning or error")
    if sum(is_ticket(text) for text in config.mesh.join) > 1:
        raise ConfigError("mesh.join: a node joins with one ticket; give the one it shall use")
    assert config.seeds is not None  # parsed, so that a slip is told before anything starts
    for text in config.mesh.advertise:
        parse_host(text, "mesh.advertise")
