"""InfluxQL as far as it is needed: text to statements.

What belongs here: tokens and grammar of SELECT and SHOW TAG VALUES. What does not: their meaning (``influxql``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ohlcv_assets_tests.stores.influxdb.fake.instants import DURATION, duration_of
from ohlcv_assets_tests.stores.influxdb.fake.organisation import invalid

Expression = tuple[Any, ...]
"""``("field", name)``, ``("call", name, expression)``, ``("number", value)``, ``("text", value)``,
``("duration", ns)``, ``("now",)``, ``("star",)`` or ``(operator, left, right)``; Any: parts vary by kind."""

_TOKEN: Final = re.compile(
    r"(?P<skip>\s+|--[^\n]*)"
    r"|(?P<text>'(?:\\.|[^'\\])*')"
    r'|(?P<quoted>"(?:\\.|[^"\\])*")'
    rf"|(?P<duration>{DURATION.pattern.removeprefix('-?')})\b"
    r"|(?P<number>\d+\.\d*(?:[eE][+-]?\d+)?|\.\d+|\d+[eE][+-]?\d+|\d+i?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<op>=~|!~|<>|!=|<=|>=|::|[-+*/%=<>(),;.])",
    re.DOTALL,
)
_REGEX: Final = re.compile(r"\s*/((?:\\.|[^/\\])*)/")
_COMPARISONS: Final = {"=", "!=", "<>", "<", "<=", ">", ">=", "=~", "!~"}


@dataclass
class Statement:
    """One statement.

    Attributes
    ----------
    kind
        ``"select"``, ``"tag values"`` or ``"databases"``.
    columns
        Expressions with the names of their columns.
    source
        A measurement, a pattern of measurements, or a statement.
    step
        Nanoseconds of ``GROUP BY time(...)``; 0 for none.
    by
        Tags to group by; ``"*"`` for all.
    """

    kind: str = "select"
    columns: list[tuple[Expression, str]] = field(default_factory=list)
    source: Any = None  # Any: see above
    where: Expression | None = None
    step: int = 0
    by: list[str] = field(default_factory=list)
    fill: str = "null"
    descending: bool = False
    limit: int | None = None
    offset: int = 0


def _bare(text: str) -> str:
    """Return what a quoted text or name stands for."""
    return re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), text[1:-1], flags=re.DOTALL)


def _number(text: str) -> int | float:
    plain = text.rstrip("i")
    return int(plain) if plain.isdigit() else float(plain)


_LITERALS: Final[Mapping[str, Callable[[str], Expression]]] = {
    "text": lambda text: ("text", _bare(text)),
    "duration": lambda text: ("duration", duration_of(text)),
    "number": lambda text: ("number", _number(text)),
}


class Parser:
    """A cursor over the tokens of one request."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.kind, self.mark = "", ""
        self._advance()

    def statements(self) -> list[Statement]:
        """Return all statements."""
        found = []
        while self.kind:
            found.append(self._statement())
            while self.mark == ";":
                self._advance()
        return found

    def _word(self, *words: str) -> bool:
        """Go past a keyword if it is the current one of these."""
        if self.kind == "name" and self.mark.upper() in words:
            self._advance()
            return True
        return False

    def _statement(self) -> Statement:
        if self._word("SHOW"):
            return self._show()
        if not self._word("SELECT"):
            expected = "SELECT, DELETE, SHOW, CREATE, DROP, EXPLAIN, GRANT, REVOKE, ALTER, SET, KILL"
            raise invalid(f"failed to parse query: found {self.mark}, expected {expected} at line 1, char {self.at}")
        statement = Statement()
        while True:
            expression = self._sum()
            name = self._name() if self._word("AS") else _name_of(expression)
            statement.columns.append((expression, name))
            if not self._operator(","):
                break
        self._need("FROM")
        statement.source = self._source()
        self._clauses(statement)
        return statement

    def _show(self) -> Statement:
        if self._word("DATABASES"):
            return Statement("databases")
        self._need("TAG")
        self._need("VALUES")
        statement = Statement("tag values")
        if self._word("FROM"):
            statement.source = self._source()
        self._need("WITH")
        self._need("KEY")
        self._expect("=")
        statement.by = [self._name()]
        self._clauses(statement)
        return statement

    def _source(self) -> Any:  # Any: see Statement.source
        if self._operator("("):
            inner = self._statement()
            self._expect(")")
            return inner
        name = self._name()
        while self._operator("."):
            # "database"."retention policy"."measurement", the middle one often empty
            name = self._name() if self.kind in {"name", "quoted"} else name
        return name

    def _clauses(self, statement: Statement) -> None:
        while self.kind == "name":
            if self._word("WHERE"):
                statement.where = self._condition()
            elif self._word("GROUP"):
                self._need("BY")
                self._dimensions(statement)
            elif self._word("FILL"):
                self._expect("(")
                statement.fill = self._advance()
                self._expect(")")
            elif self._word("ORDER"):
                self._need("BY")
                self._need("TIME")
                statement.descending = self._word("DESC")
                self._word("ASC")
            elif self._word("LIMIT"):
                statement.limit = int(self._advance())
            elif self._word("OFFSET"):
                statement.offset = int(self._advance())
            else:
                raise self._error("a clause")

    def _dimensions(self, statement: Statement) -> None:
        while True:
            if self._operator("*"):
                statement.by.append("*")
            elif self.kind == "name" and self.mark.lower() == "time":
                self._advance()
                self._expect("(")
                statement.step = duration_of(self._advance())
                self._expect(")")
            else:
                statement.by.append(self._name())
            if not self._operator(","):
                return

    def _condition(self) -> Expression:
        left = self._conjunction()
        while self._word("OR"):
            left = ("or", left, self._conjunction())
        return left

    def _conjunction(self) -> Expression:
        left = self._comparison()
        while self._word("AND"):
            left = ("and", left, self._comparison())
        return left

    def _comparison(self) -> Expression:
        if self._operator("("):
            inner = self._condition()
            self._expect(")")
            return inner
        left = self._sum()
        if self.mark not in _COMPARISONS or self.kind != "op":
            return left
        operator = self.mark
        if operator in {"=~", "!~"}:
            found = _REGEX.match(self.text, self.at)
            if found is None:
                raise self._error("a regular expression")
            self.at = found.end()
            self._advance()
            return operator, left, ("regex", re.compile(found[1].replace(r"\/", "/")))
        self._advance()
        return operator, left, self._sum()

    def _sum(self) -> Expression:
        left = self._product()
        while self.kind == "op" and self.mark in {"+", "-"}:
            left = (self._advance(), left, self._product())
        return left

    def _product(self) -> Expression:
        left = self._atom()
        while self.kind == "op" and self.mark in {"*", "/", "%"}:
            left = (self._advance(), left, self._atom())
        return left

    def _atom(self) -> Expression:
        if self.kind == "op":
            return self._marked()
        kind, text = self.kind, self._advance()
        if kind == "name" and self._operator("("):
            inner = [] if self.mark == ")" else [self._sum()]
            self._expect(")")
            return ("now",) if text.lower() == "now" else ("call", text.lower(), *inner)
        if kind in {"name", "quoted"}:
            return self._typed(_bare(text) if kind == "quoted" else text)
        if kind not in _LITERALS:
            raise self._error("an expression")
        return _LITERALS[kind](text)

    def _marked(self) -> Expression:
        if self._operator("*"):
            return ("star",)
        if self._operator("-"):
            return ("-", ("number", 0), self._atom())
        self._expect("(")
        inner = self._sum()
        self._expect(")")
        return inner

    def _typed(self, name: str) -> Expression:
        """Take ``::field`` or ``::tag`` away, which say nothing new here."""
        if self._operator("::"):
            self._advance()
        return "field", name

    def _name(self) -> str:
        kind, token = self.kind, self._advance()
        if kind not in {"name", "quoted"}:
            raise self._error("an identifier")
        return str(self._typed(_bare(token) if kind == "quoted" else token)[1])

    def _operator(self, token: str) -> bool:
        if self.kind == "op" and self.mark == token:
            self._advance()
            return True
        return False

    def _need(self, word: str) -> None:
        if not self._word(word):
            raise self._error(word)

    def _expect(self, token: str) -> None:
        if not self._operator(token):
            raise self._error(token)

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

    def _error(self, wanted: str) -> Exception:
        return invalid(f"failed to parse query: found {self.mark or 'EOF'}, expected {wanted} at char {self.at}")


def _name_of(expression: Expression) -> str:
    """Return the name that InfluxQL gives a column."""
    match expression[0]:
        case "field" | "call":
            return str(expression[1])
        case "star":
            return "*"
        case _:
            return "_".join(_name_of(part) for part in expression[1:] if part[0] in {"field", "call"})
