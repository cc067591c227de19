"""Starts the emulator openaitest for a test, and calls its control door."""

import atexit
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import urllib.request

VSCLIENT = pathlib.Path(__file__).resolve().parents[2]


def _program():
    """Returns the path of the program that OPENAITEST names, or builds one."""
    if named := os.environ.get("OPENAITEST"):
        return named
    folder = tempfile.mkdtemp(prefix="openaitest-")
    atexit.register(shutil.rmtree, folder)
    program = os.path.join(folder, "openaitest")
    subprocess.run(["go", "build", "-o", program, "./cmd/openaitest"], cwd=VSCLIENT, check=True)
    os.environ["OPENAITEST"] = program
    return program


class Emulator:
    def __init__(self, *flags):
        self._process = subprocess.Popen(
            [_program(), "-addr", "127.0.0.1:0", *flags], stdout=subprocess.PIPE, text=True
        )
        self.url = self._process.stdout.readline().strip()

    def close(self):
        """Ends the emulator, which must exit with 0."""
        self._process.terminate()
        code = self._process.wait(timeout=30)
        self._process.stdout.close()
        if code != 0:
            raise AssertionError(f"the emulator ended with {code}")

    def control(self, method, path, body=None):
        """Sends a request to /-/ and returns the reply, decoded."""
        request = urllib.request.Request(
            self.url.removesuffix("/v1") + "/-" + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as reply:
            data = reply.read()
        return json.loads(data) if data else None

    def inject(self, **fault):
        self.control("POST", "/faults", [fault])
