"""How a Weaviate client is made for an environment's vector database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pipeyard.sdk.shapes import VectorDatabaseCredentials

if TYPE_CHECKING:
    from types import ModuleType

HTTP_PORT = 8080
GRPC_PORT = 8082


def import_weaviate() -> ModuleType:
    """The package, which few need. Raises ModuleNotFoundError that says how to get it."""
    try:
        import weaviate  # noqa: PLC0415
    except ModuleNotFoundError:
        message = "the vector database needs the package weaviate-client: pip install weaviate-client"
        raise ModuleNotFoundError(message, name="weaviate") from None
    module: ModuleType = weaviate
    return module


def weaviate_arguments(credentials: VectorDatabaseCredentials) -> dict[str, Any]:
    """What both kinds of Weaviate client are made with."""
    url = urlsplit(credentials["vector_database_url"])
    is_secure = url.scheme == "https"
    return {
        "http_host": url.hostname,
        "http_port": HTTP_PORT,
        "http_secure": is_secure,
        "grpc_host": url.hostname,
        "grpc_port": GRPC_PORT,
        "grpc_secure": is_secure,
        "headers": {
            "craft-vector-database-token": credentials["vector_database_token"],
            "craft-vector-database-url": credentials["vector_database_url"],
        },
        "auth_credentials": None,
    }
