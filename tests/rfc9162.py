"""Checks Merkle proofs by RFC 9162 alone: one JSON object on each line of standard input, byte strings in base64.

An inclusion proof has `record`, `leaf_index`, `size`, `path`, `root`; it is checked as section 2.1.3.2 says.
A consistency proof has `first`, `second`, `path`, `first_root`, `second_root`; it is checked as section 2.1.4.2 says.
"""

import json
import sys
from base64 import b64decode
from hashlib import sha256


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def inclusion_holds(entry: bytes, leaf_index: int, tree_size: int, path: list[bytes], root: bytes) -> bool:
    if leaf_index >= tree_size:
        return False
    fn, sn = leaf_index, tree_size - 1
    r = leaf_hash(entry)
    for p in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            if not fn & 1:
                while fn and not fn & 1:
                    fn >>= 1
                    sn >>= 1
        else:
            r = node_hash(r, p)
        fn >>= 1
        sn >>= 1
    return sn == 0 and r == root


def consistency_holds(first: int, second: int, path: list[bytes], first_hash: bytes, second_hash: bytes) -> bool:
    if first == second:
        return not path and first_hash == second_hash
    if not 0 < first < second or not path:
        return False
    if first & (first - 1) == 0:
        path = [first_hash, *path]
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn >>= 1
        sn >>= 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr = node_hash(c, fr)
            sr = node_hash(c, sr)
            if not fn & 1:
                while fn and not fn & 1:
                    fn >>= 1
                    sn >>= 1
        else:
            sr = node_hash(sr, c)
        fn >>= 1
        sn >>= 1
    return sn == 0 and fr == first_hash and sr == second_hash


def holds(proof: dict) -> bool:
    path = [b64decode(it) for it in proof["path"]]
    if "record" in proof:
        record, root = b64decode(proof["record"]), b64decode(proof["root"])
        return inclusion_holds(record, int(proof["leaf_index"]), int(proof["size"]), path, root)
    roots = b64decode(proof["first_root"]), b64decode(proof["second_root"])
    return consistency_holds(int(proof["first"]), int(proof["second"]), path, *roots)


def main() -> int:
    results = [holds(json.loads(line)) for line in sys.stdin if line.strip()]
    wrong = results.count(False)
    print(f"{results.count(True)} hold")
    if wrong:
        print(f"{wrong} do not hold")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
