"""Runs OGX until standard input ends, so that it never outlives the tests.

OGX cuts texts with OpenAI's tokenizer, whose table it would fetch from the network. Here a
byte is a token. That only moves the cuts.
"""

import os
import signal
import sys
import threading

import tiktoken
import tiktoken.registry

# OGX's worker processes import this file, too.
tiktoken.registry.ENCODINGS["cl100k_base"] = tiktoken.Encoding(
    "cl100k_base",
    pat_str=r"\S+|\s+",
    mergeable_ranks={bytes([b]): b for b in range(256)},
    special_tokens={},
)


def stop_at_end_of_input():
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=stop_at_end_of_input, daemon=True).start()
    from ogx.cli.ogx import main

    config, port = sys.argv[1:]
    sys.argv = ["ogx", "run", config, "--port", port, "--insecure"]
    main()
