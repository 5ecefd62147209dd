"""Devices of older versions of the protocol: they had another checksum, so they are asked apart to be named."""

import binascii

from s2nn_hw.hw.link.protocol import DELIMITER, Damaged, Reply, Request, stuff, unstuff

START = 0xFFFF  # of CRC-16/IBM-3740
SEQUENCE, VERSION = 1, 2
IDENTITY_BYTES = {1: 32, 2: 36}  # by version


def identity_request() -> bytes:
    """Return the bytes on the wire that ask a device of version 1 or 2 for its identity."""
    body = bytes((Request.IDENTITY, SEQUENCE, VERSION))
    return stuff(body + binascii.crc_hqx(body, START).to_bytes(2, "big")) + bytes((DELIMITER,))


def version_of(piece: bytes) -> int | None:
    """Return the version that the bytes ``piece`` between two delimiters tell, or None if they are no such identity."""
    try:
        body = unstuff(piece)
    except Damaged:
        return None
    if len(body) < 5 or body[0] != Reply.IDENTITY or binascii.crc_hqx(body, START):
        return None
    return body[2] if len(body) == IDENTITY_BYTES.get(body[2], 0) + 4 else None
