"""The OpenAPI document as the tables of docs/api.md: `python -m ohlcv_assets.api.reference` prints them.

What belongs here: Markdown of routes, parameters and problems. What does not: what the page says around them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ohlcv_assets.api.app import create_app
from ohlcv_assets.api.openapi import openapi_of
from ohlcv_assets.api.problems import KINDS, URN
from ohlcv_assets.api.service import open_service
from ohlcv_assets.settings import Settings

Json = dict[str, Any]  # Any: a JSON document


def document() -> Json:
    """Return the OpenAPI document of an application that serves nothing."""
    service = open_service(Settings(store="memory"))
    try:
        return openapi_of(create_app(service))
    finally:
        service.pool.close()


def markdown_reference(openapi: Json) -> str:
    """Return a section for each route with a table of its parameters, and a table of problems."""
    return "\n".join([*_routes(openapi), *_problems()])


def _routes(openapi: Json) -> Iterator[str]:
    for path, item in openapi["paths"].items():
        for method, operation in item.items():
            yield f"### `{method.upper()} {path}`\n"
            yield " ".join(str(operation["description"]).split()) + "\n"
            parameters = operation.get("parameters", [])
            if parameters:
                yield "| parameter | may be | default | what it is |\n|---|---|---|---|"
                yield "\n".join(map(_parameter, parameters)) + "\n"
            if "requestBody" in operation:
                yield from _body(operation["requestBody"], openapi["components"]["schemas"])


def _body(body: Json, schemas: Json) -> Iterator[str]:
    """Say what a body is: its media types, and the fields of what it has one or many of."""
    schema = body["content"]["application/json"]["schema"]
    told = body.get("description") or schema["description"]
    yield f"Body: {' or '.join(f'`{media_type}`' for media_type in body['content'])}. {told}\n"
    one = next(part["$ref"] for part in [schema, *schema.get("anyOf", ())] if "$ref" in part).rpartition("/")[2]
    fields, required = schemas[one]["properties"], set(schemas[one].get("required", ()))
    yield "| field | type | | what it is |\n|---|---|---|---|"
    yield (
        "\n".join(
            f"| `{name}` | {_type(field)} | {'required' if name in required else ''} | {field['description']} |"
            for name, field in fields.items()
        )
        + "\n"
    )


def _type(field: Json) -> str:
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    return " or ".join(one["type"] for one in field.get("anyOf", [field]) if one != {"type": "null"})


def _parameter(parameter: Json) -> str:
    schema = parameter["schema"]
    default = "required" if parameter["required"] else _default(schema)
    return f"| `{parameter['name']}` | {_allowed(schema)} | {default} | {parameter['description']} |"


def _default(schema: Json) -> str:
    if schema.get("default") in {None, ""}:
        return ""
    value = schema["default"]
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _allowed(schema: Json) -> str:
    """Say in words what a parameter may be."""
    found = next(one for one in schema.get("anyOf", [schema]) if one != {"type": "null"})
    if "enum" in found:
        return ", ".join(f"`{value}`" for value in found["enum"])
    if found["type"] == "boolean":
        return "`true`, `false`"
    if found["type"] == "integer":
        return f"{found['minimum']:,} to {found['maximum']:,}"
    least, most = found.get("minLength", 0), found.get("maxLength")
    if "pattern" in found:
        return "`" + str(found["pattern"]).replace("|", "\\|") + "`"
    return f"{least} to {most} characters"


def _problems() -> Iterator[str]:
    yield "### Problems\n"
    yield "| `type` | status | title |\n|---|---|---|"
    yield "\n".join(f"| `{URN}{kind}` | {status} | {title} |" for kind, (status, title) in KINDS.items())


if __name__ == "__main__":  # pragma: no cover -- one line, for whoever renews the page
    print(markdown_reference(document()))  # noqa: T201 -- what it is for
