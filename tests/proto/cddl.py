"""Checks CBOR against a CDDL schema (RFC 8610), as far as ``proto/schema.cddl`` uses it.

It reads the schema's text and knows nothing of the codec, so that the two check each other.
"""

import re

_TOKEN = re.compile(
    r"""\s*(?:(;[^\n]*)|("(?:[^"\\]|\\.)*")|(\.\.|=>|\.[a-z]+)|(-?\d+)|([A-Za-z][\w-]*)|([=/\[\]{}(),:?*]))"""
)


class Schema:
    """A schema; ``check(rule, value)`` gives the first thing that is wrong, or nothing."""

    def __init__(self, text):
        self._tokens = [
            match.group().strip() for match in _TOKEN.finditer(text) if not match.group().strip().startswith(";")
        ]
        self._at = 0
        self.rules = {}
        while self._at < len(self._tokens):
            name = self._take()
            self._take("=")
            assert name not in self.rules, f"{name} is told twice"
            self.rules[name] = self._choice()

    # ------------------------------------------------------------ reading

    def _peek(self, ahead=0):
        return self._tokens[self._at + ahead] if self._at + ahead < len(self._tokens) else ""

    def _take(self, expected=None):
        token = self._peek()
        assert expected is None or token == expected, f"{token!r} where {expected!r} should be"
        self._at += 1
        return token

    def _choice(self):
        members = [self._type()]
        while self._peek() == "/":
            self._take()
            members.append(self._type())
        return members[0] if len(members) == 1 else ("any of", members)

    def _type(self):
        token = self._take()
        if token == "(":
            inner = self._choice()
            self._take(")")
            return inner
        if token == "[":
            return ("array", self._entries("]"))
        if token == "{":
            low, high = self._occurs()
            key = self._choice()
            self._take("=>")
            item = self._choice()
            self._take("}")
            return ("map", low, high, key, item)
        if token.startswith('"'):
            return ("is", token[1:-1])
        if re.fullmatch(r"-?\d+", token):
            if self._peek() == "..":
                self._take()
                return ("range", int(token), int(self._take()))
            return ("is", int(token))
        if self._peek() == ".size":
            self._take()
            bound = self._type()
            return ("sized", token, *((bound[1], bound[1]) if bound[0] == "is" else bound[1:]))
        return ("rule", token)

    def _entries(self, end):
        entries = []
        while self._peek() != end:
            low, high = self._occurs()
            if self._peek(1) == ":":
                self._at += 2
            entries.append((low, high, self._choice()))
            if self._peek() == ",":
                self._take()
        self._take(end)
        return entries

    def _occurs(self):
        if self._peek() == "?":
            self._take()
            return 0, 1
        if self._peek() == "*":
            self._take()
            return 0, 1 << 62
        if self._peek(1) == "*" and self._peek().isdecimal():
            low, _, high = self._take(), self._take(), self._take()
            return int(low), int(high)
        return 1, 1

    # ------------------------------------------------------------ checking

    def check(self, rule, value):
        assert rule in self.rules, f"the schema has no {rule}"
        return self._wrong(("rule", rule), value, rule)

    def _wrong(self, tp, value, where):
        match tp:
            case ("any of", members):
                wrongs = [self._wrong(member, value, where) for member in members]
                return "" if "" in wrongs else f"{where}: {wrongs}"
            case ("is", wanted):
                good = value == wanted and type(value) is type(wanted)
            case ("range", low, high):
                good = type(value) is int and low <= value <= high
            case ("sized", kind, low, high):
                size = len(value.encode() if isinstance(value, str) else value) if type(value) in (str, bytes) else -1
                good = type(value) is {"tstr": str, "bstr": bytes}[kind] and low <= size <= high
            case ("array", entries):
                return self._wrong_array(entries, value, where)
            case ("map", low, high, key, item):
                if type(value) is not dict or not low <= len(value) <= high:
                    return f"{where}: no map of {low} to {high}"
                found = (self._wrong(key, k, where) or self._wrong(item, v, f"{where}.{k}") for k, v in value.items())
                return next((wrong for wrong in found if wrong), "")
            case ("rule", name):
                kinds = {"int": (int,), "float": (float,), "number": (int, float), "bool": (bool,)}
                kinds |= {"tstr": (str,), "bstr": (bytes,), "nil": (type(None),)}
                if name not in kinds:
                    return self._wrong(self.rules[name], value, f"{where}/{name}")
                good = type(value) in kinds[name]
        return "" if good else f"{where}: {value!r:.60} is not {tp}"

    def _wrong_array(self, entries, value, where):
        if type(value) is not list:
            return f"{where}: no array"
        at = 0
        for low, high, tp in entries:
            taken = 0
            while taken < high and at < len(value):
                wrong = self._wrong(tp, value[at], f"{where}[{at}]")
                if wrong:
                    return wrong
                at, taken = at + 1, taken + 1
            if taken < low:
                return f"{where}: {len(value)} elements are too few"
        return "" if at == len(value) else f"{where}: {len(value)} elements are too many"
