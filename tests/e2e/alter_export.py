#!/usr/bin/env python3
"""Alters an export of commits as somebody would who knows its format: sums and hashes fit again.

    alter_export.py FROM TO OLD NEW     puts NEW for the first OLD, which must be as long
"""
import hashlib
import sys


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 & -(crc & 1))
    return crc ^ 0xFFFFFFFF


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def main():
    source, target, old, new = sys.argv[1:]
    data = open(source, "rb").read()
    old, new = old.encode(), new.encode()
    assert len(old) == len(new) and old in data
    data = data.replace(old, new, 1)
    records, at = [], 8
    while at < len(data):
        size = int.from_bytes(data[at:at + 4], "little")
        records.append(data[at + 8:at + 8 + size])
        at += 8 + size
    history, last = bytes(32), b""
    for record in records[1:-1]:
        assert record[0] == 0x12  # field 2: a commit
        size, begin = varint(record, 1)
        last = hashlib.sha256(record[begin:begin + size]).digest()
        history = hashlib.sha256(history + last).digest()
    # The hash of the whole stands last in the end, that of the last commit last in the header.
    records[0] = records[0][:-32] + last
    records[-1] = records[-1][:-32] + history
    with open(target, "wb") as out:
        out.write(data[:8])
        for record in records:
            out.write(len(record).to_bytes(4, "little") + crc32c(record).to_bytes(4, "little"))
            out.write(record)


if __name__ == "__main__":
    main()
