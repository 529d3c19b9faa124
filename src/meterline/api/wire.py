"""JSON in and out: bodies are decoded straight from bytes to typed structs, decimals exactly.

`JsonBody` is Litestar's hook for that (a DTO), so that OpenAPI still comes from the handlers' annotations. Litestar's
own way would parse numbers to floats first. Replies carry decimals as JSON numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, ClassVar

import msgspec
from litestar import post as litestar_post
from litestar.dto import AbstractDTO, DTOConfig
from litestar.handlers import HTTPRouteHandler
from litestar.typing import FieldDefinition

from meterline.api.errors import ApiError

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_NUL = re.compile(
    rb"(?<!\\)(?:\\\\)*\\u0000"
)  # an escaped NUL, not an escaped backslash before "u0000"
_PLACE = re.compile(r"^(?P<what>.*?) - at `\$\.?(?P<field>.*)`$", re.DOTALL)


def encode(reply: object) -> bytes:
    """A reply's JSON; decimals as numbers, digit for digit."""
    return _ENCODER.encode(reply)


def decode(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    """The struct a body holds. Raises ApiError 400 that names the field."""
    if _NUL.search(body):
        raise ApiError(400, "the body holds a NUL character (\\u0000), which cannot be stored")
    try:
        # As text, for the decoder would let pass what is no UTF-8 in fields it ignores.
        return decoder.decode(body.decode())
    except msgspec.ValidationError as error:
        raise ApiError(400, _in_words(str(error))) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ApiError(400, f"the body is not valid JSON: {error}") from error
    except RecursionError as error:
        raise ApiError(400, "the body is nested too deeply") from error


def _in_words(message: str) -> str:
    """msgspec's `Expected `str`, got `int` - at `$.name`` with the field first."""
    place = _PLACE.match(message)
    if place is None:
        missing = message.replace("Object missing", "lacks the")
        return f"body: {missing}"
    what = place["what"].replace("Object missing", "lacks the")
    return f"{place['field'] or 'body'}: {what}"


class JsonBody(AbstractDTO[Any]):
    """Decodes `data` and encodes what a handler returns, whatever their types."""

    config: ClassVar[DTOConfig] = DTOConfig()
    _decoders: ClassVar[dict[str, msgspec.json.Decoder[Any]]] = {}

    @classmethod
    def create_for_field_definition(
        cls, field_definition: FieldDefinition, handler_id: str, backend_cls: Any = None
    ) -> None:
        del backend_cls
        if field_definition.name == "data":
            cls._decoders[handler_id] = msgspec.json.Decoder(field_definition.annotation)

    @classmethod
    def is_supported_model_type_field(cls, field_definition: FieldDefinition) -> bool:
        del field_definition
        return True

    @classmethod
    def create_openapi_schema(
        cls, field_definition: FieldDefinition, handler_id: str, schema_creator: Any
    ) -> Any:
        del handler_id
        return schema_creator.for_field_definition(field_definition)

    @classmethod
    def generate_field_definitions(cls, model_type: type[Any]) -> Any:
        raise NotImplementedError(model_type)  # no transfer models: structs are the wire

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:
        del field_definition
        return False

    def decode_bytes(self, value: bytes) -> Any:
        return decode(self._decoders[self.asgi_connection.route_handler.handler_id], value)

    def data_to_encodable_type(self, data: Any) -> Any:
        return b"" if data is None else encode(data)


def post(
    path: str, *, scope: str = "full", **options: Any
) -> Callable[[Callable[..., Any]], HTTPRouteHandler]:
    """A POST route that answers 200, as all of Metronome's do. `scope` is what the token must have."""
    return litestar_post(path, status_code=200, opt={"scope": scope}, **options)
