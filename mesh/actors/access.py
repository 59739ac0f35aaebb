"""Signing people in, and telling who asks.

Decides over the mesh tables ``users`` (pk: name; password hash, role, epoch), ``tokens`` (pk: hash of the token; name,
role, expiry) and ``ended_sessions`` (pk: hash of the session; until_ms), which are whole on every node, so that any
node answers alone, cut off or not. The first admin is one row of a fixed name, so that however many nodes start at once
it is one. Who signs out is out on every node that has heard of it; one that is cut off hears of it when it is back.

Invariant: a password, a token or a link is never kept, logged or sent: only hashes are. A link is used once.
"""

from __future__ import annotations

import asyncio
import base64
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mesh.core.access import (
    LINK_LIFE_S,
    SESSION_LABEL,
    SESSION_LIFE_S,
    TOKEN_PREFIX,
    Denied,
    Person,
    Role,
    Session,
    TooManyTries,
    seal,
    session_name,
    token_hash,
    unseal,
)
from mesh.core.names import is_line
from mesh.core.rows import Change, Row
from mesh.ports import Clock, Entropy, Executor
from proto.ids import MeshId, NodeId

FIRST_ADMIN = "admin"
NAME_MAX = 64
PASSWORD_MIN = 10
PASSWORD_MAX = 256
SIGN_IN_FAILURES_MAX = 10
"""Wrong passwords for a name, or wrong links, from one address within ``FAILURE_WINDOW_S`` before it has to wait."""
FAILURE_WINDOW_S = 60.0
GUESSED_MAX = 4096
"""Addresses and names whose failures are remembered; the one longest quiet is forgotten first. More than anybody can
have hashed within the window, so that nobody's failures are forgotten by guessing at other names."""
HASHING_AT_ONCE = 2
"""Each takes a core and the memory that the hash asks for."""
HASHING_WAITING_MAX = 16
"""Sign-ins that run or wait for a hash; one more is asked to come again."""
HASHING_WAITING_EACH_MAX = 8
"""Of these, those from one address."""
LINKS_MAX = 100
ENDED_KEPT_MS = 3_600_000
"""How long the end of a session is remembered after it would have expired: clocks of nodes differ."""
FORGOTTEN_AT_ONCE = 100


class Rows(Protocol):
    """What access needs of the catalogue."""

    async def write(self, *changes: Change) -> str:
        """Write rows."""

    async def get(self, table: str, pk: str, sk: str = "") -> Row | None:
        """Read a row."""

    async def rows_of(self, table: str) -> list[Row]:
        """Give every row of a mesh table."""


class Passwords(Protocol):
    """Argon2id, which blocks."""

    def hash_password(self, password: str) -> str:
        """Give the hash text."""

    def password_fits(self, hashed: str, password: str) -> bool:
        """Tell whether a password fits."""

    @property
    def DUMMY(self) -> str:  # noqa: N802 - a constant of the module that provides it
        """A hash nobody has."""


@dataclass(frozen=True, slots=True)
class User:
    """A person as lists show them."""

    name: str
    role: Role
    has_password: bool


class Access:
    """The doorkeeper of one node."""

    def __init__(
        self,
        mesh: MeshId,
        node: NodeId,
        sign: Callable[[bytes], bytes],
        refused: Callable[[NodeId], str | None],
        rows: Rows,
        passwords: Passwords,
        clock: Clock,
        entropy: Entropy,
        executor: Executor,
    ) -> None:
        self._mesh = mesh
        self._node = node
        self._sign = sign
        self._refused = refused
        self._rows = rows
        self._passwords = passwords
        self._clock = clock
        self._entropy = entropy
        self._executor = executor
        self._links: dict[str, float] = {}
        self._failures: OrderedDict[tuple[str, str | None], deque[float]] = OrderedDict()
        self._hashing = asyncio.Semaphore(HASHING_AT_ONCE)
        self._waiting: Counter[str] = Counter()

    def _now_ms(self) -> int:
        return int(self._clock.wall() * 1000)

    # ------------------------------------------------------------ signing in

    def login_link_token(self) -> str:
        """Make the token of a one-time login link of this node; it dies after LINK_LIFE_S."""
        now = self._clock.monotonic()
        self._links = {name: until for name, until in self._links.items() if until > now}
        while len(self._links) >= LINKS_MAX:
            self._links.pop(next(iter(self._links)))
        token = base64.urlsafe_b64encode(self._entropy.token(24)).decode()
        self._links[token_hash(token)] = now + LINK_LIFE_S
        return token

    async def sign_in_by_link(self, token: str, sender: str = "") -> str:
        """Give a session of the first admin for a link's token, once. ``sender`` is the address it came from."""
        guess = self._guess((sender, None))
        until = self._links.pop(token_hash(token), None)
        if until is None or self._clock.monotonic() > until:
            raise Denied("this login link was used already or is over; run `thatdam login` on that node for a new one")
        self._right((sender, None), guess)
        return await self._open_session(FIRST_ADMIN, await self._first_admin())

    async def sign_in(self, name: str, password: str, sender: str = "") -> str:
        """Give a session for a name and password. ``sender`` is the address they came from."""
        if self._waiting.total() >= HASHING_WAITING_MAX or self._waiting[sender] >= HASHING_WAITING_EACH_MAX:
            raise TooManyTries("many are signing in right now; try again in a moment")
        guess = self._guess((sender, name))
        self._waiting[sender] += 1
        try:
            row = await self._rows.get("users", name) if 0 < len(name) <= NAME_MAX else None
            hashed = str(row.fields.get("password") or "") if row else ""
            async with self._hashing:
                fits = await self._executor.run(
                    self._passwords.password_fits, hashed or self._passwords.DUMMY, password[:PASSWORD_MAX]
                )
        finally:
            self._waiting[sender] -= 1
            if not self._waiting[sender]:
                del self._waiting[sender]
        if row is None or not hashed or not fits:
            raise Denied("wrong name or password")
        self._right((sender, name), guess)
        return await self._open_session(name, row)

    def _guess(self, who: tuple[str, str | None]) -> float:
        """Count a failure before it is known to be one, so that many at once are no more than one after another."""
        now = self._clock.monotonic()
        failures = self._failures.setdefault(who, deque(maxlen=SIGN_IN_FAILURES_MAX))
        self._failures.move_to_end(who)
        while len(self._failures) > GUESSED_MAX:
            self._failures.popitem(last=False)
        while failures and now - failures[0] >= FAILURE_WINDOW_S:
            failures.popleft()
        if len(failures) >= SIGN_IN_FAILURES_MAX:
            raise TooManyTries("too many wrong sign-ins by this name from this address; wait a minute and try again")
        failures.append(now)
        return now

    def _right(self, who: tuple[str, str | None], guess: float) -> None:
        """Take back what ``_guess`` counted: it was no failure."""
        failures = self._failures.get(who)
        if failures is not None and guess in failures:
            failures.remove(guess)
            if not failures:
                del self._failures[who]

    async def _first_admin(self) -> Row:
        row = await self._rows.get("users", FIRST_ADMIN)
        if row is None:
            await self._rows.write(Change("users", FIRST_ADMIN, set={"role": Role.ADMIN.value, "epoch": 0}))
            row = await self._rows.get("users", FIRST_ADMIN)
        assert row is not None
        return row

    async def _open_session(self, name: str, row: Row) -> str:
        session = Session(
            SESSION_LABEL,
            self._mesh,
            self._node,
            name,
            _number(row, "epoch"),
            _role(row),
            self._now_ms() + SESSION_LIFE_S * 1000,
        )
        return seal(session, self._sign)

    async def end_session(self, text: str) -> None:
        """End one session, on every node; Denied when it is none. Forgets those that are over by themselves."""
        session = unseal(text, self._mesh, self._now_ms(), self._refused)
        ended = Change("ended_sessions", session_name(session), set={"until_ms": session.expires_ms})
        over = [
            Change("ended_sessions", row.pk, delete=True)
            for row in await self._rows.rows_of("ended_sessions")
            if _number(row, "until_ms") + ENDED_KEPT_MS < self._now_ms()
        ]
        await self._rows.write(ended, *over[:FORGOTTEN_AT_ONCE])

    # ------------------------------------------------------------ who asks

    async def whose_session(self, text: str) -> Person:
        """Tell whose session this is; Denied says why it is nobody's."""
        session = unseal(text, self._mesh, self._now_ms(), self._refused)
        row = await self._rows.get("users", session.user)
        if row is None:
            raise Denied("this user is not known here; sign in again")
        if _number(row, "epoch") != session.user_epoch:
            raise Denied("the sessions of this user were ended; sign in again")
        if await self._rows.get("ended_sessions", session_name(session)) is not None:
            raise Denied("this session was ended; sign in again")
        return Person(session.user, _role(row), session.expires_ms)

    async def whose_token(self, token: str) -> Person:
        """Tell whose token this is; Denied when it is nobody's."""
        if not token.startswith(TOKEN_PREFIX) or len(token) > 200:
            raise Denied("not a token")
        row = await self._rows.get("tokens", token_hash(token))
        if row is None:
            raise Denied("this token is not known; make one with `thatdam token add`")
        expires_ms = _number(row, "expires_ms")
        if self._now_ms() >= expires_ms:
            raise Denied("this token has expired; make one with `thatdam token add`")
        return Person(f"token {_text(row, 'name')}", _role(row), expires_ms)

    # ------------------------------------------------------------ people and programs

    async def users(self) -> list[User]:
        """Give the people, by name."""
        return [User(row.pk, _role(row), bool(row.fields.get("password"))) for row in await self._rows.rows_of("users")]

    async def add_user(self, name: str, password: str, role: Role) -> None:
        """Add a person, or give one a new password and role; their sessions end. ValueError says what is wrong."""
        if not 0 < len(name) <= NAME_MAX or not name.replace("-", "").replace(".", "").replace("_", "").isalnum():
            raise ValueError(f"a name has 1 to {NAME_MAX} letters, digits, '.', '-' or '_'")
        if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
            raise ValueError(f"a password has {PASSWORD_MIN} to {PASSWORD_MAX} characters")
        if name == FIRST_ADMIN and role is not Role.ADMIN:
            raise ValueError("the first admin stays an admin: login links sign in as it; add another person instead")
        async with self._hashing:
            hashed = await self._executor.run(self._passwords.hash_password, password)
        row = await self._rows.get("users", name)
        # Never a number that the name had before it was removed: cookies of then would be good again.
        epoch = max(_number(row, "epoch") + 1 if row else 0, self._now_ms())
        await self._rows.write(Change("users", name, set={"role": role.value, "password": hashed, "epoch": epoch}))

    async def remove_user(self, name: str) -> None:
        """Remove a person; ValueError for the first admin or an unknown name."""
        if name == FIRST_ADMIN:
            raise ValueError("the first admin cannot be removed; give it a new password instead")
        if await self._rows.get("users", name) is None:
            raise ValueError(f"there is no user {name!r}")
        await self._rows.write(Change("users", name, delete=True))

    async def add_token(self, name: str, role: Role, days: float) -> str:
        """Make a token for a program; it is told once."""
        if not 0 < len(name) <= NAME_MAX or not is_line(name):
            raise ValueError(f"a token's name is printable text on one line, of 1 to {NAME_MAX} characters")
        if not 0 < days <= 3660:
            raise ValueError("a token lives more than 0 and at most 3660 days")
        token = TOKEN_PREFIX + base64.urlsafe_b64encode(self._entropy.token(32)).decode().rstrip("=")
        await self._rows.write(
            Change(
                "tokens",
                token_hash(token),
                set={
                    "name": name,
                    "role": role.value,
                    "expires_ms": self._now_ms() + int(days * 86_400_000),
                    "created_ms": self._now_ms(),
                },
            )
        )
        return token

    async def tokens(self) -> list[Row]:
        """Give the tokens' rows: names, roles, expiry; never a token."""
        return await self._rows.rows_of("tokens")

    async def remove_token(self, hashed: str) -> None:
        """End a token by the name its row has; ValueError when there is none."""
        if await self._rows.get("tokens", hashed) is None:
            raise ValueError("there is no such token")
        await self._rows.write(Change("tokens", hashed, delete=True))


def _role(row: Row) -> Role:
    """Give the role a row says; the least there is where it says none that is known."""
    try:
        return Role(_text(row, "role"))
    except ValueError:
        return Role.VIEWER


def _number(row: Row, name: str) -> int:
    value = row.fields.get(name)
    return value if isinstance(value, int) else 0


def _text(row: Row, name: str) -> str:
    value = row.fields.get(name)
    return value if isinstance(value, str) else ""
