"""A server on this machine that speaks S3, with a bucket in it."""

import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

_ANY = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_REGION": "us-east-1", "AWS_ALLOW_HTTP": "true"}


@contextmanager
def s3() -> Iterator[tuple[str, dict[str, str]]]:
    """The URL of a new bucket, and the environment in which it is found."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        url = "http://{}:{}".format(*server.get_host_and_port())
        name = f"bucket-{os.urandom(4).hex()}"  # stores are kept, with their endpoint
        urllib.request.urlopen(urllib.request.Request(f"{url}/{name}", method="PUT"), timeout=30).read()
        yield f"s3://{name}", {**_ANY, "AWS_ENDPOINT_URL": url}
    finally:
        server.stop()
