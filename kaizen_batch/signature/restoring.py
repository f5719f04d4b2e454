"""From an answer in the strict form of a schema back to one of the schema itself; see `strict` for the forms."""

from collections.abc import Callable, Mapping

from kaizen_batch.signature.strict import Json, Schema, is_map, is_tuple, resolved

Fits = Callable[[object, Mapping[str, Json]], bool]
"""Whether a value fits a part of the schema."""


class Restoring:
    """Turns answers back. A choice is the first of its options that the restored value fits."""

    def __init__(self, root: Mapping[str, Json], fits: Fits) -> None:
        self._root = root
        self._fits = fits

    def of(self, value: Json, schema: Json) -> Json:
        """The value as the schema has it; as it is, where it does not have the strict form."""
        if not isinstance(schema, Mapping):
            return value
        if "$ref" in schema:
            return self.of(value, resolved(schema["$ref"], self._root))
        if isinstance(schema.get("allOf"), list) and len(schema["allOf"]) == 1:
            return self.of(value, schema["allOf"][0])
        options = schema.get("anyOf") or schema.get("oneOf")
        if options:
            return self._choice(value, options)
        if isinstance(value, list):
            return self._list(value, schema)
        return self._object(value, schema) if isinstance(value, dict) else value

    def _choice(self, value: Json, options: list[Json]) -> Json:
        for each in options:
            restored = self.of(value, each)
            if self._fits(restored, each):
                return restored
        return value

    def _list(self, value: list[Json], schema: Mapping[str, Json]) -> Json:
        if _is_object(schema) and is_map(schema) and all(_is_pair(each) for each in value):
            pairs = {each["key"]: self.of(each["value"], schema["additionalProperties"]) for each in value}
            return pairs if len(pairs) == len(value) else value
        return [self.of(each, schema.get("items")) for each in value]

    def _object(self, value: Schema, schema: Mapping[str, Json]) -> Json:
        if is_tuple(schema):
            return self._tuple(value, schema["prefixItems"])
        properties = schema.get("properties") or {}
        restored = {name: self.of(each, properties.get(name)) for name, each in value.items()}
        optional = properties.keys() - set(schema.get("required", ()))
        absent = {name for name in optional if not self._fits(None, properties[name])}
        return {name: each for name, each in restored.items() if each is not None or name not in absent}

    def _tuple(self, value: Schema, parts: list[Json]) -> Json:
        names = [f"item_{n}" for n in range(1, len(parts) + 1)]
        if value.keys() != set(names):
            return value
        return [self.of(value[name], part) for name, part in zip(names, parts, strict=True)]


def _is_object(schema: Mapping[str, Json]) -> bool:
    kind = schema.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind)


def _is_pair(value: object) -> bool:
    return isinstance(value, dict) and value.keys() == {"key", "value"} and isinstance(value["key"], str)
