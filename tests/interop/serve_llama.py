"""llama.cpp's own HTTP server, from xllamacpp: `python serve_llama.py MODEL PORT SLOTS KEY`. Prints when it listens."""

import signal
import sys

import xllamacpp


def main(model: str, port: str, slots: str, key: str) -> None:
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.hostnames = ["127.0.0.1"]
    params.port = int(port)
    params.n_parallel = int(slots)
    params.n_ctx = 512 * int(slots)
    params.api_keys = [key]
    params.model_alias = {"tiny"}
    params.cpuparams.n_threads = 1
    params.warmup = False
    server = xllamacpp.Server(params)
    print("listening", server.listening_address, flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main(*sys.argv[1:])
