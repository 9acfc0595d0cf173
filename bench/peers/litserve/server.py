"""The trivial function served by LitServe: one worker, no batching. Runs in LitServe's own environment."""

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


if __name__ == "__main__":
    # fast_queue is what LitServe's documentation advises above 100 requests/s; no log line per request.
    server = ls.LitServer(Echo(), accelerator="cpu", devices=1, workers_per_device=1, fast_queue=True)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", generate_client_file=False)
