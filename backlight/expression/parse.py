"""Formulas read into a tree, by binding power (Pratt, 1973), within limits on size and depth.

The reader is our own rather than Python's, which can be crashed by deep nesting and reads far
more than formulas.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from backlight.errors import ExpressionError, ShapeError, nearest
from backlight.expression.token import Token, pointed, refusal, tokenize
from backlight.gates import TABLE

MAX_NODES = 200
MAX_DEPTH = 50

_COMPARISON, _SUM, _PRODUCT, _UNARY, _POWER = 10, 20, 30, 40, 50
_INFIX = {
    "<": (_COMPARISON, "less"),
    "<=": (_COMPARISON, "less_equal"),
    ">": (_COMPARISON, "greater"),
    ">=": (_COMPARISON, "greater_equal"),
    "==": (_COMPARISON, "equal"),
    "!=": (_COMPARISON, "not_equal"),
    "+": (_SUM, "add"),
    "-": (_SUM, "subtract"),
    "*": (_PRODUCT, "multiply"),
    "/": (_PRODUCT, "divide"),
    "@": (_PRODUCT, "matmul"),
    "**": (_POWER, "power"),
}
_RAISED = {"²": 2.0, "³": 3.0}
_WORDS: dict[str, Any] = {"True": True, "False": False, "None": None}
_PAIRWISE = {"max": "maximum", "min": "minimum"}
_GREEK_NAMES = {"σ": "sigmoid"}


@dataclass(frozen=True)
class Number:
    """A number written in the formula."""

    value: float
    place: int


@dataclass(frozen=True)
class Name:
    """An input, by its name."""

    name: str
    place: int


@dataclass(frozen=True)
class Matrix:
    """Numbers in rows, written in brackets."""

    rows: tuple[Any, ...]
    place: int


@dataclass(frozen=True)
class Call:
    """A gate applied to inputs, with the constants written on it."""

    gate: str
    inputs: tuple[Node, ...]
    constants: tuple[tuple[str, Any], ...]
    place: int
    spelling: str


Node = Number | Name | Matrix | Call


def parse(text: str) -> Node:
    """The tree of a formula.

    Raises
    ------
    ExpressionError
        If it is not a formula, or has more than 1,000 characters, 200 nodes or 50 levels.
    ShapeError
        If the rows of a matrix have different lengths.

    Examples
    --------
    >>> tree = parse("x + 2*y")
    >>> tree.gate, tree.inputs[1].gate
    ('add', 'multiply')
    """
    reader = _Reader(text)
    tree = reader.value(0, 0)
    reader.expect_end()
    return tree


def _between(token: Token) -> str:
    """What to do where a value follows a value without a sign between; "" if none does."""
    if token.text == "[":
        return "Places cannot be picked with brackets; use a gate such as take or slice."
    if token.text == "(":
        return "Only gates can be called; write * for a product."
    if token.kind in ("name", "number"):
        return f"Write * before {token.text} for a product."
    return ""


class _Reader:
    """Walks over the tokens once."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokenize(text)
        self.position = 0
        self.nodes = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.position]

    def next(self) -> Token:
        token = self.token
        self.position += 1
        return token

    def count(self, place: int) -> int:
        """Count a node; its place is handed back."""
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise self.refuse(
                place,
                f"more than {MAX_NODES} values and operations",
                f"at most {MAX_NODES}",
                "Split the formula.",
            )
        return place

    def refuse(self, place: int, got: str, needs: str, remedy: str) -> ExpressionError:
        return refusal(self.text, place, got, needs, remedy)

    def expect(self, sign: str, opened: Token, remedy: str = "") -> None:
        if self.token.text != sign:
            close = f"Close the {opened.text!r} at character {opened.place + 1}."
            if opened.text == "[" and self.token.kind in ("name", "number"):
                remedy = f"Write a comma before {self.token.text}."
            raise self.refuse(
                self.token.place,
                f"{_called(self.token)} where {opened.text!r} is still open",
                f"{sign!r} or a sign between two values",
                remedy or _between(self.token) or close,
            )
        self.next()

    def expect_end(self) -> None:
        token = self.token
        if token.kind == "end":
            return
        remedy = _between(token)
        if token.text in _INFIX:
            remedy = "Put brackets around one of the two comparisons."
        elif token.text == "=":
            remedy = "Write == to compare; values are given apart from the formula."
        elif not remedy:
            remedy = f"Remove the {token.text!r}."
        raise self.refuse(
            token.place,
            f"{_called(token)} after a complete formula",
            "a sign between two values, such as + or *",
            remedy,
        )

    # ── values ─────────────────────────────────────────────────────────────────────────────

    def value(self, power: int, depth: int) -> Node:
        """A value and the operations behind it that bind tighter than `power`."""
        if depth > MAX_DEPTH:
            raise self.refuse(
                self.token.place,
                f"more than {MAX_DEPTH} levels of nesting",
                f"at most {MAX_DEPTH}",
                "Write it with fewer brackets and signs.",
            )
        left = self.operand(depth)
        while True:
            token = self.token
            if token.text in _RAISED and token.kind == "sign":
                self.next()
                two = Number(_RAISED[token.text], self.count(token.place))
                left = Call("power", (left, two), (), self.count(token.place), token.text)
                continue
            if token.kind != "sign" or token.text not in _INFIX:
                return left
            strength, gate = _INFIX[token.text]
            if strength <= power:
                return left
            self.next()
            # A power binds from the right, and a sign may stand before its exponent.
            right = self.value(_UNARY - 1 if gate == "power" else strength, depth + 1)
            left = Call(gate, (left, right), (), self.count(token.place), token.text)
            if (
                strength == _COMPARISON
                and self.token.text in _INFIX
                and _INFIX[self.token.text][0] == _COMPARISON
            ):
                self.expect_end()

    def operand(self, depth: int) -> Node:
        token = self.next()
        if token.kind == "number":
            return Number(float(token.text), self.count(token.place))
        if token.kind == "name":
            return self.call(token, depth) if self.token.text == "(" else self.name(token)
        if token.text == "-":
            inner = self.value(_UNARY, depth + 1)
            if isinstance(inner, Number):
                return Number(-inner.value, token.place)
            return Call("negative", (inner,), (), self.count(token.place), "-")
        if token.text == "+":
            return self.value(_UNARY, depth + 1)
        if token.text == "(":
            inner = self.value(0, depth + 1)
            self.expect(")", token)
            return inner
        if token.text == "[":
            self.position -= 1
            rows = self.rows(depth)
            _check_rows(self.text, rows, token.place)
            return Matrix(rows, token.place)
        raise self.refuse(
            token.place,
            f"{_called(token)} where a value should be",
            "a number, a name, a gate such as exp(x), or [ … ]",
            "Write a value there.",
        )

    def name(self, token: Token) -> Node:
        if token.text in TABLE:
            gate = TABLE[token.text].name
            raise self.refuse(
                token.place,
                f"the name of the gate {gate} without inputs",
                "inputs in round brackets, or another name for the input",
                f"Write {token.text}(…), or call the input {token.text}0.",
            )
        return Name(token.text, self.count(token.place))

    # ── gates ──────────────────────────────────────────────────────────────────────────────

    def call(self, token: Token, depth: int) -> Node:
        spelled = _GREEK_NAMES.get(token.text, token.text)
        if spelled not in TABLE:
            raise self.refuse(
                token.place,
                f"the unknown gate {token.text!r}",
                "a gate of the table",
                _suggestion(spelled),
            )
        opened = self.next()
        inputs, constants = self.arguments(opened, depth)
        place = self.count(token.place)
        if spelled in _PAIRWISE and len(inputs) > 1:
            pair = _PAIRWISE[spelled]
            whole = inputs[0]
            for one in inputs[1:]:
                whole = Call(pair, (whole, one), tuple(constants), place, token.text)
            return whole
        return self.bound(spelled, token, inputs, constants, place)

    def bound(
        self,
        spelled: str,
        token: Token,
        inputs: list[Node],
        constants: list[tuple[str, Any]],
        place: int,
    ) -> Node:
        """The call, once the numbers of inputs and constants fit the gate."""
        gate = TABLE[spelled]
        room = list(gate.defaults)
        if not gate.variadic and len(inputs) > len(gate.inputs):
            extra = inputs[len(gate.inputs) :]
            inputs = inputs[: len(gate.inputs)]
            if len(extra) <= len(room) and all(isinstance(e, (Number, Matrix)) for e in extra):
                constants = [*zip(room, map(_constant, extra), strict=False), *constants]
            else:
                inputs = [*inputs, *extra]
        least = len(gate.inputs) - gate.optional
        fits = (gate.variadic and inputs) or least <= len(inputs) <= len(gate.inputs)
        if not fits:
            wires = "*" + gate.inputs[0] if gate.variadic else ", ".join(gate.inputs)
            raise self.refuse(
                token.place,
                f"{spelled} with {len(inputs)} inputs",
                f"{spelled}({wires})",
                f"Give it {least} inputs.",
            )
        for name, _ in constants:
            if name not in room and {"dim": "axis", "keepdim": "keepdims"}.get(name) not in room:
                raise self.refuse(
                    token.place,
                    f"{spelled} with the constant {name!r}",
                    f"one of {', '.join(room)}" if room else "no constants",
                    nearest(name, room) if room else "Remove it.",
                )
        return Call(gate.name, tuple(inputs), tuple(constants), place, token.text)

    def arguments(self, opened: Token, depth: int) -> tuple[list[Node], list[tuple[str, Any]]]:
        inputs: list[Node] = []
        constants: list[tuple[str, Any]] = []
        while self.token.text != ")":
            following = self.tokens[min(self.position + 1, len(self.tokens) - 1)]
            if self.token.kind == "name" and following.text == "=":
                name = self.next()
                self.next()
                if name.text in dict(constants):
                    raise self.refuse(
                        name.place, f"the constant {name.text!r} twice", "it once", "Remove one."
                    )
                constants.append((name.text, self.constant(depth)))
            elif constants:
                raise self.refuse(
                    self.token.place,
                    "an input after a constant",
                    "inputs first, then constants",
                    "Move it to the front.",
                )
            else:
                inputs.append(self.value(0, depth + 1))
            if self.token.text != ",":
                break
            self.next()
        self.expect(")", opened)
        return inputs, constants

    def constant(self, depth: int) -> Any:
        """A number, a list of numbers, True, False, None or a word."""
        token = self.token
        if token.kind == "name":
            self.next()
            return _WORDS.get(token.text, token.text)
        value = self.value(_UNARY - 1, depth + 1)
        if isinstance(value, (Number, Matrix)):
            return _constant(value)
        raise self.refuse(
            token.place,
            "a constant that has to be computed",
            "a number, a list of numbers or a word",
            "Write its value.",
        )

    def rows(self, depth: int) -> tuple[Any, ...]:
        """The numbers between brackets, nested."""
        if depth > MAX_DEPTH:
            raise self.refuse(
                self.token.place,
                f"more than {MAX_DEPTH} levels of nesting",
                f"at most {MAX_DEPTH}",
                "Use fewer brackets.",
            )
        opened = self.next()
        found: list[Any] = []
        while self.token.text != "]":
            if self.token.text == "[":
                found.append(self.rows(depth + 1))
            else:
                place = self.token.place
                value = self.value(_SUM, depth + 1)
                if not isinstance(value, Number):
                    raise self.refuse(
                        place,
                        "a computed value inside [ … ]",
                        "numbers only",
                        "Use stack(…) or concatenate(…) for values.",
                    )
                found.append(value.value)
            if self.token.text != ",":
                break
            self.next()
        self.expect("]", opened)
        return tuple(found)


def _constant(value: Node) -> Any:
    """A constant as gates want it: whole numbers as ints."""
    return _whole(value.rows if isinstance(value, Matrix) else getattr(value, "value", None))


def _whole(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_whole(one) for one in value)
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _check_rows(text: str, rows: tuple[Any, ...], place: int) -> tuple[int, ...]:
    shapes = [_check_rows(text, row, place) if isinstance(row, tuple) else () for row in rows]
    for number, shape in enumerate(shapes):
        if shape != shapes[0]:
            raise ShapeError(
                "expression",
                got=f"a matrix whose row 0 has shape {shapes[0]} and row {number} "
                f"shape {shape}:\n    {pointed(text, place)}",
                needs="rows of equal length",
                remedy="Make the rows equally long.",
            )
    return (len(rows), *shapes[0]) if shapes else (0,)


def _called(token: Token) -> str:
    return "the end" if token.kind == "end" else repr(token.text)


def _suggestion(name: str) -> str:
    """The nearest gates; the whole table would drown the message."""
    told = nearest(name, TABLE).partition(" Known:")[0]
    return told if told.startswith("Did you mean") else "Use a gate such as exp, sum or sigmoid."
