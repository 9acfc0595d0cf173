"""As much of a Weaviate as a client asks for when it connects; runs in an environment that has grpcio.

`python weaviate_stub.py HOST` serves HTTP on port 8080 and gRPC on 8082, as clients expect; prints a line once it does.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc

SERVING = b"\x08\x01"  # HealthCheckResponse(status=SERVING)


class Weaviate(BaseHTTPRequestHandler):
    """Its REST interface, for those who send the headers of the platform."""

    def do_GET(self):
        """`/v1/meta`; nothing else is here."""
        known = self.headers.get("craft-vector-database-token") == "vector-token"
        status = 404 if self.path != "/v1/meta" else 200 if known else 401
        body = json.dumps({"version": "1.32.0", "hostname": "stub", "modules": {}}).encode() if status == 200 else b""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


def main():
    """Serve until stdin ends."""
    host = sys.argv[1]
    health = grpc.method_handlers_generic_handler(
        "grpc.health.v1.Health", {"Check": grpc.unary_unary_rpc_method_handler(lambda request, context: SERVING)}
    )
    rpc = grpc.server(ThreadPoolExecutor(2), handlers=[health])
    rpc.add_insecure_port(f"{host}:8082")
    rpc.start()
    web = ThreadingHTTPServer((host, 8080), Weaviate)
    with ThreadPoolExecutor(1) as threads:
        threads.submit(web.serve_forever, 0.05)
        print("serving", flush=True)
        sys.stdin.read()
        web.shutdown()
    rpc.stop(None)


if __name__ == "__main__":
    main()
