"""The grammar of COQL, by recursive descent.

query   = SELECT item {"," item} FROM name WHERE cond [GROUP BY path {"," path}]
          [ORDER BY path [ASC|DESC] {"," …}] [LIMIT n ["," n]] [OFFSET n]
item    = path [AS name] | function "(" path ")" [AS name]
cond    = primary [(AND | OR) primary]          two at a time; brackets must pair up more
primary = "(" cond ")" | path test
path    = name {"." name} | name "->" name "." name
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from zoho_pipeline.simulator.query.criteria import Comparison, Group, Tree

FUNCTIONS = frozenset({"count", "sum", "min", "max", "avg"})
_TOKEN = re.compile(
    r"""\s*(?:(?P<string>'(?:[^'\\]|\\.|'')*')|(?P<number>-?\d+(?:\.\d+)?)|(?P<name>[A-Za-z_$][\w$]*)"""
    r"""|(?P<symbol>->|!=|<>|<=|>=|[=<>(),.*]))"""
)
_OPERATORS = {
    "=": "equal",
    "!=": "not_equal",
    "<>": "not_equal",
    "<": "less_than",
    "<=": "less_equal",
    ">": "greater_than",
    ">=": "greater_equal",
}


class CoqlSyntaxError(Exception):
    """The query does not follow the grammar; `near` is the text at which the parser stopped."""

    def __init__(self, near: str) -> None:
        super().__init__(f"error occurred while parsing the query near {near!r}")
        self.near = near


@dataclass(frozen=True)
class Selected:
    """A field or an aggregate of the SELECT list; `key` is its name in the answer."""

    path: str
    function: str | None
    key: str


@dataclass(frozen=True)
class Query:
    """A parsed query; `limit` is None when the query has none."""

    select: tuple[Selected, ...]
    module: str
    where: Tree
    group_by: tuple[str, ...]
    order_by: tuple[tuple[str, bool], ...]  # path, descending
    limit: int | None
    offset: int


@dataclass(frozen=True)
class Token:
    """A token of a query: its kind (string, number, name, symbol, end) and its text."""

    kind: str
    text: str


def tokens_of(text: str) -> list[Token]:
    """Split a query into tokens; raises CoqlSyntaxError."""
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise CoqlSyntaxError(text[at : at + 20])
        kind = match.lastgroup or ""
        found.append(Token(kind, match.group(kind)))
        at = match.end()
    return found


@lru_cache(maxsize=512)
def parse(text: str) -> Query:
    """Parse a query; raises CoqlSyntaxError."""
    return _Parser(tokens_of(text)).query()


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens, self._at = tokens, 0

    def _peek(self) -> Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else Token("end", "end of query")

    def _next(self) -> Token:
        token = self._peek()
        self._at += 1
        return token

    def _fail(self) -> CoqlSyntaxError:
        return CoqlSyntaxError(self._peek().text)

    def _is_word(self, word: str) -> bool:
        token = self._peek()
        return token.kind == "name" and token.text.lower() == word

    def _take_word(self, word: str) -> bool:
        if self._is_word(word):
            self._at += 1
            return True
        return False

    def _take_symbol(self, symbol: str) -> bool:
        token = self._peek()
        if token.kind == "symbol" and token.text == symbol:
            self._at += 1
            return True
        return False

    def _need_word(self, word: str) -> None:
        if not self._take_word(word):
            raise self._fail()

    def _need_symbol(self, symbol: str) -> None:
        if not self._take_symbol(symbol):
            raise self._fail()

    def _name(self) -> str:
        if self._peek().kind != "name":
            raise self._fail()
        return self._next().text

    def _whole(self) -> int:
        token = self._peek()
        if token.kind != "number" or not token.text.isdigit():
            raise self._fail()
        return int(self._next().text)

    def query(self) -> Query:
        """Parse the whole query; raises CoqlSyntaxError."""
        self._need_word("select")
        select = [self._item()]
        while self._take_symbol(","):
            select.append(self._item())
        self._need_word("from")
        module = self._name()
        self._need_word("where")
        where = self._condition()
        group_by = self._group_by()
        order_by = self._order_by()
        limit, offset = self._limit()
        if self._peek().kind != "end":
            raise self._fail()
        return Query(tuple(select), module, where, group_by, order_by, limit, offset)

    def _item(self) -> Selected:
        path = self._path()
        function = None
        key = path
        if path.lower() in FUNCTIONS and self._take_symbol("("):
            function, inner = path.lower(), self._path()
            self._need_symbol(")")
            key, path = f"{path}({inner})", inner
        if self._take_word("as"):
            key = self._name()
        return Selected(path, function, key)

    def _path(self) -> str:
        path = self._name()
        if self._take_symbol("->"):
            path += f"->{self._name()}"
            self._need_symbol(".")
            return f"{path}.{self._name()}"
        while self._take_symbol("."):
            path += f".{self._name()}"
        return path

    def _condition(self) -> Tree:
        left = self._primary()
        for operator in ("and", "or"):
            if self._take_word(operator):
                return Group(operator, (left, self._primary()))
        return left

    def _primary(self) -> Tree:
        if self._take_symbol("("):
            inside = self._condition()
            self._need_symbol(")")
            return inside
        return self._test()

    def _test(self) -> Comparison:
        path = self._path()
        token = self._peek()
        if token.kind == "symbol" and token.text in _OPERATORS:
            self._next()
            return Comparison(path, _OPERATORS[token.text], (self._value(),))
        if self._take_word("is"):
            negative = self._take_word("not")
            self._need_word("null")
            return Comparison(path, "is_not_null" if negative else "is_null")
        prefix = "not_" if self._take_word("not") else ""
        if self._take_word("in"):
            return Comparison(path, prefix + "in", self._values())
        if self._take_word("between"):
            low = self._value()
            self._need_word("and")
            return Comparison(path, prefix + "between", (low, self._value()))
        if self._take_word("like"):
            return Comparison(path, prefix + "like", (self._value(),))
        raise self._fail()

    def _values(self) -> tuple[Any, ...]:
        self._need_symbol("(")
        values = [self._value()]
        while self._take_symbol(","):
            values.append(self._value())
        self._need_symbol(")")
        return tuple(values)

    def _value(self) -> Any:
        token = self._peek()
        if token.kind == "string":
            self._next()
            return re.sub(r"\\(.)|''", lambda m: m.group(1) or "'", token.text[1:-1])
        if token.kind == "number":
            self._next()
            return float(token.text) if "." in token.text else int(token.text)
        if token.kind == "name" and token.text.lower() in ("true", "false"):
            self._next()
            return token.text.lower() == "true"
        raise self._fail()

    def _group_by(self) -> tuple[str, ...]:
        if not self._take_word("group"):
            return ()
        self._need_word("by")
        paths = [self._path()]
        while self._take_symbol(","):
            paths.append(self._path())
        return tuple(paths)

    def _order_by(self) -> tuple[tuple[str, bool], ...]:
        if not self._take_word("order"):
            return ()
        self._need_word("by")
        order = [self._direction()]
        while self._take_symbol(","):
            order.append(self._direction())
        return tuple(order)

    def _direction(self) -> tuple[str, bool]:
        path = self._path()
        if self._take_word("desc"):
            return path, True
        self._take_word("asc")
        return path, False

    def _limit(self) -> tuple[int | None, int]:
        limit, offset = None, 0
        if self._take_word("limit"):
            limit = self._whole()
            if self._take_symbol(","):
                offset, limit = limit, self._whole()
        if self._take_word("offset"):
            offset = self._whole()
        return limit, offset
