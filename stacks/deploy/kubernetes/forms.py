"""How values of the desired state are written in objects, and read again: texts, and Kubernetes' quantities.

What people write with kubectl is checked as the parameters of actions are: a value that cannot be is a ValueError that says why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from lightkube.utils.quantity import parse_quantity

from ....sandbox.model.errors import UsageError, nearest
from ....sandbox.model.features import listed, names_in
from ....sandbox.model.params import Kind, Param, ParamError, Value
from .fields import PARAMS, read_value, write_value

_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Form:
    """How a field's values are written; `read(write(value))` is the value.

    Attributes:
        write: the text of a value.
        read: the value of a text; it raises ValueError for one that is none.
        domain: what the values are, with their bounds; None: texts.
    """

    write: Callable[[Value], str]
    read: Callable[[str], Value]
    domain: Param | None = None


def configured(path: str) -> Form:
    """A field of a ConfigMap, as `fields` writes it."""

    def read(written: str) -> Value:
        try:
            return read_value(path, written)
        except UsageError as error:
            raise ValueError(str(error)) from None

    return Form(lambda value: write_value(path, value), read, PARAMS.get(path))


def count(minimum: int, maximum: int) -> Form:
    """A whole number."""
    domain = _domain(Kind.COUNT, minimum, maximum)

    def read(written: str) -> Value:
        try:
            return domain.parse(written.strip())
        except ParamError as error:
            raise ValueError(str(error)) from None

    return Form(str, read, domain)


def text() -> Form:
    """Any text, the empty one as well."""
    return Form(str, str)


def names(*known: str) -> Form:
    """Names out of a set, separated by commas, in their order."""

    def read(written: str) -> Value:
        given = [name.strip() for name in names_in(written)]
        for name in given:
            if name not in known:
                raise ValueError(f"unknown name {name!r}; {nearest(name, known)}")
        return listed(given)

    return Form(str, read)


def mebibytes(minimum: float, maximum: float) -> Form:
    """Memory in MiB, as `1024Mi`; what is not whole in bytes is rounded to them."""

    def write(value: Value) -> str:
        size = round(float(value) * _MIB)
        return f"{size // _MIB}Mi" if size % _MIB == 0 else str(size)

    return _quantity(_domain(Kind.FACTOR, minimum, maximum), write, _MIB, "512Mi or 1Gi")


def cores(maximum: float) -> Form:
    """Cores, as `500m`; rounded to thousandths, but never to nothing."""

    def write(value: Value) -> str:
        return f"{max(1, round(float(value) * 1000))}m"

    return _quantity(_domain(Kind.FACTOR, 0.001, maximum), write, 1, "500m or 2")


def _domain(kind: Kind, minimum: float, maximum: float) -> Param:
    return Param("value", kind, "", minimum=minimum, maximum=maximum)


def _quantity(domain: Param, write: Callable[[Value], str], unit: int, examples: str) -> Form:
    def read(written: str) -> Value:
        try:
            found = parse_quantity(written.strip())
        except (ValueError, ArithmeticError):
            found = None
        if found is None:
            raise ValueError(f"{written!r} is no quantity: write {examples}")
        try:
            return domain.parse(float(found / Decimal(unit)))
        except ParamError as error:
            raise ValueError(str(error)) from None

    return Form(write, read, domain)
