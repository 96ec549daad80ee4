"""Flux as far as it is needed: text to a tree.

What belongs here: tokens and grammar (the Flux specification's expressions, without packages and tests). What does not:
what the tree means (``flux``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ohlcv_assets_tests.stores.influxdb.fake.instants import DURATION, duration_of, nanos_of
from ohlcv_assets_tests.stores.influxdb.fake.organisation import invalid


class Time(int):
    """An instant in nanoseconds."""

    __slots__ = ()


class Duration(int):
    """A length of time in nanoseconds."""

    __slots__ = ()


@dataclass(frozen=True)
class Node:
    """One node: its kind and its parts, nodes among them; Any: parts vary by kind."""

    kind: str
    parts: tuple[Any, ...] = field(default=())


_TOKEN: Final = re.compile(
    r"(?P<skip>\s+|//[^\n]*)"
    r'|(?P<string>"(?:\\.|[^"\\])*")'
    r"|(?P<time>\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d))?)"
    rf"|(?P<duration>{DURATION.pattern.removeprefix('-?')})"
    r"|(?P<float>\d+\.\d*|\.\d+)|(?P<int>\d+)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<op>\|>|=>|<-|==|!=|<=|>=|=~|!~|[-+*/%<>=()\[\]{},:.])",
    re.DOTALL,
)
_REGEX: Final = re.compile(r"\s*/((?:\\.|[^/\\])*)/")
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
_LEVELS: Final = (("or",), ("and",), ("==", "!=", "<", "<=", ">", ">=", "=~", "!~"), ("+", "-"), ("*", "/", "%"))


def unquoted(text: str) -> str:
    """Return what a quoted Flux string stands for.

    Raises
    ------
    RefusedError
        It holds an expression ``${...}``, which nothing here may send, or an unknown escape.
    """
    raw = bytearray()
    at = 1
    while at < len(text) - 1:
        if text.startswith("${", at):
            raise invalid("a string with an interpolated expression")
        if text[at] != "\\":
            raw += text[at].encode()
            at += 1
        elif text[at + 1] == "x":
            raw.append(int(text[at + 2 : at + 4], 16))
            at += 4
        elif text.startswith("\\${", at):
            raw += b"${"
            at += 3
        elif text[at + 1] in _ESCAPES:
            raw += _ESCAPES[text[at + 1]].encode()
            at += 2
        else:
            raise invalid(f"compilation failed: invalid string escape at {at}")
    return raw.decode()


_LITERALS: Final[Mapping[str, Callable[[str], object]]] = {
    "string": unquoted,
    "time": lambda text: Time(nanos_of(text)),
    "duration": lambda text: Duration(duration_of(text)),
    "float": float,
    "int": int,
}


class Parser:
    """A cursor over the tokens of one script."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.kind, self.mark = "", ""
        self._advance()

    def program(self) -> list[Node]:
        """Return the statements; an assignment is ``Node("assign", (name, expression))``."""
        statements = []
        while self.kind:
            statements.append(self._statement())
        return [statement for statement in statements if statement.kind != "import"]

    def _statement(self) -> Node:
        if self.mark == "import":
            self._advance()
            self._advance()
            return Node("import")
        if self.mark in {"option", "return"}:
            self._advance()
        if self.kind == "name" and re.match(r"\s*=(?![=~>])", self.text[self.at :]):
            name = self._advance()
            self._expect("=")
            return Node("assign", (name, self.expression()))
        return Node("value", (self.expression(),))

    def expression(self, level: int = 0) -> Node:
        """Parse one expression."""
        if level == len(_LEVELS):
            return self._unary()
        left = self.expression(level + 1)
        while self.mark in _LEVELS[level] and self.kind in {"op", "name"}:
            operator = self.mark
            if operator in {"=~", "!~"}:
                found = _REGEX.match(self.text, self.at)
                if found is None:
                    raise self._error("a regular expression")
                self.at = found.end()
                self._advance()
                left = Node("match", (operator, left, re.compile(found[1].replace(r"\/", "/"))))
                continue
            self._advance()
            left = Node("binary", (operator, left, self.expression(level + 1)))
        return left

    def _unary(self) -> Node:
        if self.kind in {"op", "name"} and self.mark in {"-", "not", "exists"}:
            return Node({"-": "minus", "not": "not", "exists": "exists"}[self._advance()], (self._unary(),))
        left = self._postfix(self._primary())
        while self.mark == "|>":
            self._advance()
            left = Node("pipe", (left, self._postfix(self._primary())))
        return left

    def _postfix(self, left: Node) -> Node:
        while self.kind == "op" and self.mark in {".", "(", "["}:
            opened = self._advance()
            if opened == ".":
                left = Node("member", (left, self._advance()))
            elif opened == "(":
                left = Node("call", (left, self._properties(")")))
            elif self.kind == "string":
                left = Node("member", (left, unquoted(self._advance())))
                self._expect("]")
            else:
                left = Node("index", (left, self.expression()))
                self._expect("]")
        return left

    def _properties(self, end: str) -> dict[str, Node]:
        """Parse ``name: expression, ...`` up to a bracket."""
        found = {}
        while self.mark != end:
            name = unquoted(self._advance()) if self.kind == "string" else self._advance()
            if self.mark == ":":
                self._advance()
                found[name] = self.expression()
            else:
                found[name] = Node("name", (name,))
            self._comma(end)
        self._expect(end)
        return found

    def _comma(self, end: str) -> None:
        if self.mark != end:
            self._expect(",")

    def _primary(self) -> Node:
        special = {"if": self._choice, "(": self._bracket, "[": self._array, "{": self._record}
        if self.kind in {"name", "op"} and self.mark in special:
            return special[self.mark]()
        kind, text = self.kind, self._advance()
        return Node("name", (text,)) if kind == "name" else Node("literal", (self._literal(kind, text),))

    def _bracket(self) -> Node:
        function = self._function()
        if function is not None:
            return function
        self._advance()
        inner = self.expression()
        self._expect(")")
        return inner

    def _array(self) -> Node:
        self._advance()
        items = []
        while self.mark != "]":
            items.append(self.expression())
            self._comma("]")
        self._expect("]")
        return Node("array", tuple(items))

    def _literal(self, kind: str, text: str) -> object:
        if kind not in _LITERALS:
            raise self._error("an expression")
        return _LITERALS[kind](text)

    def _record(self) -> Node:
        self._advance()
        base = None
        if re.match(r"\s+with\b", self.text[self.at :]):
            base = Node("name", (self._advance(),))
            self._advance()
        return Node("record", (base, self._properties("}")))

    def _choice(self) -> Node:
        self._advance()
        test = self.expression()
        self._expect("then")
        yes = self.expression()
        self._expect("else")
        return Node("if", (test, yes, self.expression()))

    def _function(self) -> Node | None:
        """Parse ``(a, b=1, tables=<-) => ...``, or return None where the bracket opens something else."""
        before = (self.at, self.kind, self.mark)
        self._advance()
        parameters: dict[str, Node | None] = {}
        while self.kind == "name":
            name = self._advance()
            parameters[name] = None
            if self.mark == "=":
                self._advance()
                if self.mark == "<-":
                    self._advance()
                    parameters[name] = Node("piped")
                else:
                    parameters[name] = self.expression()
            if self.mark == ",":
                self._advance()
        if self.mark != ")" or not re.match(r"\s*=>", self.text[self.at :]):
            self.at, self.kind, self.mark = before
            return None
        self._advance()
        self._expect("=>")
        if self.mark != "{":
            return Node("function", (parameters, [Node("value", (self.expression(),))]))
        self._advance()
        body = []
        while self.mark != "}":
            body.append(self._statement())
        self._advance()
        return Node("function", (parameters, body))

    def _advance(self) -> str:
        """Go to the next token and return the one that was current."""
        before = self.mark
        while True:
            if self.at >= len(self.text):
                self.kind, self.mark = "", ""
                return before
            found = _TOKEN.match(self.text, self.at)
            if found is None:
                raise self._error("a token")
            self.at = found.end()
            if found.lastgroup != "skip":
                self.kind, self.mark = str(found.lastgroup), found.group()
                return before

    def _expect(self, token: str) -> None:
        if self.mark != token:
            raise self._error(token)
        self._advance()

    def _error(self, wanted: str) -> Exception:
        return invalid(f"compilation failed: error @{self.at}: expected {wanted}, got {self.mark or 'EOF'}")
