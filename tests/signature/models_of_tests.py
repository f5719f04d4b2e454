"""Pydantic models of every kind that an answer may have."""

from datetime import date, datetime
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, HttpUrl


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str]


class Pet(BaseModel):
    pet: Cat | Dog = Field(discriminator="kind")


class Untagged(BaseModel):
    pet: Cat | Dog | None


class Optionals(BaseModel):
    a: int | None
    b: int | None = None
    c: str = "default"


class Enums(BaseModel):
    color: Color
    level: Level
    word: Literal["a", 1, None]


class Inner(BaseModel):
    flag: bool = Field(description="yes or no")


class Nested(BaseModel):
    inner: Inner = Field(description="beside the reference")
    many: list[Inner]
    maybe: Inner | None = None


class Tree(BaseModel):
    label: str
    children: list["Tree"] = []


class Maps(BaseModel):
    tags: dict[str, str]
    counts: dict[str, list[int]]
    by_color: dict[Color, Inner]


class Tuples(BaseModel):
    pair: tuple[int, str]
    many: tuple[int, ...]
    unique: set[int]
    frozen: frozenset[str]


class Times(BaseModel):
    day: date
    moment: datetime


class Amounts(BaseModel):
    price: Decimal
    url: HttpUrl


class Bounds(BaseModel):
    share: Annotated[float, Field(ge=0, le=1)]
    code: Annotated[str, Field(min_length=2, max_length=40)]
    some: Annotated[list[int], Field(min_length=1, max_length=3)]
    even: Annotated[int, Field(multiple_of=2, ge=0, le=100)]


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")

    name: str


class Anything(BaseModel):
    value: Any


class One(BaseModel):
    """A model of one text: its answer is JSON too."""

    only: str


MODELS: list[type[BaseModel]] = [
    *(Pet, Untagged, Optionals, Enums, Nested, Tree, Maps, Tuples, Times, Amounts, Bounds, Open, Anything, One)
]
NOT_STRICT: list[type[BaseModel]] = [Open, Anything]
