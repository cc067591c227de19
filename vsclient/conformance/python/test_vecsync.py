"""Runs the commands of the published package vecsync with the emulator. vecsync keeps a
vector store in step with a folder of PDFs, over OpenAI's Python SDK."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

from emulator import Emulator

COMMANDS = {
    "sync": "from vecsync.cli.sync import sync; sync()",
    "list": "from vecsync.cli.store import list_stores; list_stores()",
    "delete": "from vecsync.cli.store import delete; delete()",
}


def pdf(text):
    """Returns a PDF of one page that shows the text."""
    show = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(show), show),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out = b"%PDF-1.4\n"
    for number, body in enumerate(objects, 1):
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    return out + b"trailer << /Root 1 0 R >>\n%%EOF\n"


class Vecsync(unittest.TestCase):
    def setUp(self):
        self.emulator = Emulator("-index-time", "100ms", "-poll-after", "50ms")
        self.addCleanup(self.emulator.close)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = pathlib.Path(folder.name, "home")
        self.papers = pathlib.Path(folder.name, "papers")
        self.papers.mkdir()

    def run_command(self, name):
        """Runs a command of vecsync in the folder of papers, and returns its output."""
        done = subprocess.run(
            [sys.executable, "-c", COMMANDS[name]], cwd=self.papers, capture_output=True, text=True, timeout=120,
            env={**os.environ, "HOME": str(self.home), "OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": self.emulator.url},
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return re.sub(r"\x1b\[\d+m", "", done.stdout)

    def stored(self):
        """Returns the names of the files in each store, which must all be completed."""
        stores = self.emulator.control("GET", "/snapshot")["stores"]
        for store in stores:
            self.assertEqual({f["status"] for f in store["files"]} - {"completed"}, set())
        return [sorted(f["filename"] for f in store["files"]) for store in stores]

    def test_a_folder_is_mirrored(self):
        (self.papers / "cats.pdf").write_bytes(pdf("Cats sleep."))
        (self.papers / "deep").mkdir()
        (self.papers / "deep" / "dogs.pdf").write_bytes(pdf("Dogs bark."))
        self.assertIn("Saved: 2 | Deleted: 0 | Skipped: 0", self.run_command("sync"))
        self.assertEqual(self.stored(), [["cats.pdf", "dogs.pdf"]])

        self.assertIn("Saved: 0 | Deleted: 0 | Skipped: 2", self.run_command("sync"))
        self.assertEqual(self.stored(), [["cats.pdf", "dogs.pdf"]])

        (self.papers / "cats.pdf").unlink()
        (self.papers / "hens.pdf").write_bytes(pdf("Hens cluck."))
        self.assertIn("Saved: 1 | Deleted: 1 | Skipped: 1", self.run_command("sync"))
        self.assertEqual(self.stored(), [["dogs.pdf", "hens.pdf"]])

        listed = self.run_command("list")
        self.assertIn("2 Files", listed)
        self.assertIn("hens.pdf", listed)

        self.run_command("delete")
        self.assertEqual(self.stored(), [])
        self.assertEqual(self.emulator.control("GET", "/snapshot")["files"], [])


if __name__ == "__main__":
    unittest.main()
