"""The trivial function served by LitServe: one worker, no batching. Runs in LitServe's own environment."""

import os
import sys

import litserve as ls


class Echo(ls.LitAPI):
    """Gives back what it gets."""

    def setup(self, device):
        """Nothing to load."""

    def decode_request(self, request):
        """The input of the JSON body."""
        return request["x"]

    def predict(self, x):
        """The function that is measured."""
        return x

    def encode_response(self, output):
        """The JSON body of the answer."""
        return {"y": output}


class AsyncEcho(Echo):
    """The same in LitServe's asynchronous loop, to see which of its ways is the fastest."""

    async def decode_request(self, request):
        return request["x"]

    async def predict(self, x):
        return x

    async def encode_response(self, output):
        return {"y": output}


if __name__ == "__main__":
    fast_queue = os.environ.get("FQ", "1") == "1"
    api = AsyncEcho(enable_async=True) if os.environ.get("AS") == "1" else Echo()
    server = ls.LitServer(api, accelerator="cpu", devices=1, workers_per_device=1, fast_queue=fast_queue)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", generate_client_file=False)
