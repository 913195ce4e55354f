"""Generates the client's code from proto/ into stubs/. Run it again when the proto changes."""

from __future__ import annotations

import shutil
import sys
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

HERE = Path(__file__).resolve().parent
PROTO = HERE.parent.parent / "proto"
STUBS = HERE / "stubs"


def main() -> int:
    shutil.rmtree(STUBS, ignore_errors=True)
    STUBS.mkdir()
    arguments = [
        "protoc",
        f"--proto_path={PROTO}",
        # The types that every installation of protobuf knows, such as Timestamp.
        f"--proto_path={files('grpc_tools') / '_proto'}",
        f"--python_out={STUBS}",
        f"--pyi_out={STUBS}",
        f"--grpc_python_out={STUBS}",
        *sorted(str(it) for it in PROTO.glob("sharehub/v1/*.proto")),
    ]
    return int(protoc.main(arguments))


if __name__ == "__main__":
    sys.exit(main())
