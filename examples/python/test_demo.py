"""Runs the client against the demo, as somebody would who follows the README.

    python -m unittest -v test_demo

in this folder, with the packages of requirements.txt. It builds the hub with cargo and starts `cargo run -- demo` on a
port of its own; SHAREHUB names a program that is already built.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from typing import IO

import build_stubs

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CLIENT = HERE / "ioc_table.py"

# A debug build loads the demo's dossiers in this time on a busy machine.
START_SECONDS = 180.0
# Within this time of SIGTERM the hub has ended.
STOP_SECONDS = 10.0


def program() -> list[str]:
    given = os.environ.get("SHAREHUB")
    if given:
        return [given]
    # Built first, so that the waits below measure the program and not the compiler.
    subprocess.run(["cargo", "build", "--locked", "--quiet"], cwd=ROOT, check=True)
    # cargo replaces itself by the program, so that a signal reaches it.
    return ["cargo", "run", "--locked", "--quiet", "--"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Demo:
    """A running demo, and what it printed."""

    def __init__(self) -> None:
        self.program = program()
        self.log: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8")
        command = [*self.program, "demo", "--listen", f"127.0.0.1:{free_port()}"]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=self.log, stderr=subprocess.STDOUT)

    def printed(self) -> str:
        self.log.seek(0)
        return self.log.read()

    def exports(self) -> dict[str, str]:
        """The `export` lines, as a shell reads them."""
        words = (shlex.split(line) for line in self.printed().splitlines() if line.startswith("export "))
        return dict(word.split("=", 1) for _, word in words)

    def calls(self) -> list[str]:
        return [line for line in self.printed().splitlines() if " call --" in line]

    def wait(self) -> None:
        last = time.monotonic() + START_SECONDS
        while time.monotonic() < last and self.process.poll() is None:
            if "SHAREHUB_TARGET" in self.exports() and self.run("health").returncode == 0:
                return
            time.sleep(0.5)
        raise AssertionError(f"the demo does not serve; it said:\n{self.printed()}")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.started([*self.program, *arguments])

    def client(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.started([sys.executable, str(CLIENT), *arguments], environment)

    def started(
        self, command: list[str], environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        variables = {**os.environ, "PYTHONUTF8": "1", **self.exports(), **(environment or {})}
        return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, encoding="utf-8", timeout=120)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()


class ClientOfTheDemo(unittest.TestCase):
    demo: Demo
    key: str

    @classmethod
    def setUpClass(cls) -> None:
        if build_stubs.main() != 0:
            raise AssertionError("the stubs could not be built")
        cls.demo = Demo()
        cls.addClassCleanup(cls.demo.kill)
        cls.demo.wait()
        cls.key = cls.demo.exports()["SHAREHUB_KEY_IOC"]

    @classmethod
    def tearDownClass(cls) -> None:
        code = cls.demo.stop()
        if code != 0:
            raise AssertionError(f"the demo ended with {code} after SIGTERM; it said:\n{cls.demo.printed()}")

    def assert_line(self, text: str, *parts: str) -> None:
        """Some line has all of these parts, whatever the widths of its columns are."""
        lines = [re.sub(" +", " ", line) for line in text.splitlines()]
        found = any(all(part in line for part in parts) for line in lines)
        self.assertTrue(found, f"no line with all of {parts} in:\n{text}")

    def test_the_table_holds_what_the_articles_say(self) -> None:
        ran = self.demo.client(SHAREHUB_KEY=self.key)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        for parts in (
            ("dossier.on-time-rate | Huyện Tân Trụ | 2024-YTD-09 | 100 % (10512/10512) |",),
            ("wifi.hamlets-rate | Huyện Mỏ Cày Bắc | 2023 | 61 % (62/102 = 60.78 %) |",),
            ("smartphone.adults-rate | Huyện Mỏ Cày Bắc | 2023 | > 55 % |",),
            ("health.e-book-rate | Huyện Mỏ Cày Bắc | 2023 | 70.96 % (80835/?) |",),
            ("dossier.electronic-rate | Huyện Mỏ Cày Bắc | 2023 | 64 % (3797/?) |",),
            ("document.sent-count | Huyện Nông Cống | 2023-YTD-11 | 11703 văn bản, as of 2023-11-29 |",),
            ("document.signed-sent-rate | Huyện Nông Cống | 2023-YTD-11 | 99.94 %, as of 2023-11-29 |",),
            ("meeting.online-rate | Huyện Nông Cống | - | no value yet | ≥ 90 % for 2024 | no value yet |",),
            ("dossier.on-time-rate | ", "| stale: "),
            ("Huyện Tân Trụ, 2024-YTD-09: received 10512 ", "on time 10512/10512 = 100 %, by rule national-766"),
            ("Huyện Mỏ Cày Bắc, 2023: received ", "(3797 online)"),
            ("Read at revision ",),
            ("Definition version 1: ",),
        ):
            self.assert_line(ran.stdout, *parts)

    def test_a_certificate_does_without_a_key(self) -> None:
        folder = Path(self.demo.exports()["SHAREHUB_CA"]).parent
        ran = self.demo.client("--cert", str(folder / "ioc.pem"), "--cert-key", str(folder / "ioc-key.pem"))
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assert_line(ran.stdout, "dossier.on-time-rate | Huyện Tân Trụ | 2024-YTD-09 | 100 % (10512/10512) |")

    def test_a_refusal_is_told_with_its_reason(self) -> None:
        ran = self.demo.client(SHAREHUB_KEY="shk_none_none")
        self.assertEqual(ran.returncode, 1, ran.stdout)
        self.assertIn("reason: ERROR_REASON_CALLER_UNKNOWN", ran.stderr)

    def test_what_the_demo_prints_works_as_it_is_pasted(self) -> None:
        calls = self.demo.calls()
        self.assertGreaterEqual(len(calls), 4, self.demo.printed())
        for call in calls:
            with self.subTest(call):
                ran = self.demo.started(["sh", "-c", call])
                self.assertEqual(ran.returncode, 0, ran.stderr)
        first = self.demo.started(["sh", "-c", calls[0]]).stdout
        self.assertIn('"FRESHNESS_STATE_FRESH"', first, "the first call shows stale data")


if __name__ == "__main__":
    unittest.main()
