"""The MPTCP options of a TCP segment, from the bytes of its header (RFC 6824 and RFC 8684, section 3).

    kind 30 | length | subtype, flags or version | ...

Cryptography of both versions stands here too: token and initial data sequence number of a key, the
HMACs of MP_JOIN and ADD_ADDR, the DSS checksum.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import dataclasses
import hashlib
import hmac

KIND = 30
CAPABLE, JOIN, DSS, ADD_ADDR, REMOVE_ADDR, PRIO, FAIL, FASTCLOSE, TCPRST = range(9)


@dataclasses.dataclass
class Option:
    """One option; what it does not carry stays None."""
    subtype: int
    length: int
    version: int = None
    checksum_required: bool = False   # MP_CAPABLE, flag A
    no_join: bool = False             # MP_CAPABLE v1, flag C
    keys: tuple = ()                  # MP_CAPABLE: of the sender, of the receiver
    backup: bool = None               # MP_JOIN SYN and SYN/ACK, MP_PRIO
    address_id: int = None
    token: int = None
    nonce: bytes = None
    hmac: bytes = None
    data_ack: int = None
    ack_bits: int = 0                 # 32 or 64
    dsn: int = None
    dsn_bits: int = 0
    ssn: int = None                   # relative to the subflow's initial sequence number
    data_length: int = None
    checksum: int = None
    fin: bool = False
    echo: bool = False
    address: bytes = None
    port: int = None
    ids: tuple = ()
    reason: int = None


def number(data):
    return int.from_bytes(data, "big")


def _capable(o, flags, body):
    o.version = flags & 0x0F
    o.checksum_required, o.no_join = bool(body[0] & 0x80), bool(body[0] & 0x20) and o.version > 0
    o.keys = tuple(body[at:at + 8] for at in (1, 9) if len(body) >= at + 8)
    if len(body) >= 19:
        o.dsn_bits, o.ssn, o.data_length = 64, 1, number(body[17:19])
    if len(body) >= 21:
        o.checksum = number(body[19:21])


def _join(o, flags, body):
    o.backup, o.address_id = bool(flags & 1), body[0]
    if o.length == 12:
        o.token, o.nonce = number(body[1:5]), body[5:9]
    elif o.length == 16:
        o.hmac, o.nonce = body[1:9], body[9:13]
    elif o.length == 24:
        o.hmac, o.backup, o.address_id = body[1:21], None, None


def _dss(o, _flags, body):
    bits, at = body[0], 1
    o.fin = bool(bits & 0x10)
    if bits & 1:
        o.ack_bits = 64 if bits & 2 else 32
        o.data_ack = number(body[at:at + o.ack_bits // 8])
        at += o.ack_bits // 8
    if bits & 4:
        o.dsn_bits = 64 if bits & 8 else 32
        o.dsn = number(body[at:at + o.dsn_bits // 8])
        at += o.dsn_bits // 8
        o.ssn, o.data_length = number(body[at:at + 4]), number(body[at + 4:at + 6])
        if len(body) >= at + 8:
            o.checksum = number(body[at + 6:at + 8])


def _add_addr(o, flags, body):
    # v0 has the IP version (4 or 6) where v1 has the echo flag.
    o.version = 0 if flags in (4, 6) else 1
    o.echo, o.address_id = o.version == 1 and bool(flags & 1), body[0]
    rest = body[1:]
    size = 16 if len(rest) >= 16 + (8 if o.version and not o.echo else 0) else 4
    o.address, rest = rest[:size], rest[size:]
    if len(rest) in (2, 10):
        o.port, rest = number(rest[:2]), rest[2:]
    if len(rest) == 8:
        o.hmac = rest


def _remove_addr(o, _flags, body):
    o.ids = tuple(body)


def _prio(o, flags, body):
    o.backup = bool(flags & 1)
    o.address_id = body[0] if body else None


def _fail(o, _flags, body):
    o.dsn = number(body[1:9])


def _fastclose(o, _flags, body):
    o.keys = (body[1:9],)


def _tcprst(o, _flags, body):
    o.reason = body[0]


READERS = (_capable, _join, _dss, _add_addr, _remove_addr, _prio, _fail, _fastclose, _tcprst)


def options(data):
    """The MPTCP options among the bytes of a TCP header's options, in their order."""
    at, found = 0, []
    while at < len(data) and data[at] != 0:
        if data[at] == 1:
            at += 1
            continue
        length = data[at + 1] if at + 1 < len(data) else 0
        if length < 2 or at + length > len(data):
            break
        if data[at] == KIND and length >= 3 and data[at + 2] >> 4 < len(READERS):
            option = Option(data[at + 2] >> 4, length)
            try:
                READERS[option.subtype](option, data[at + 2] & 0x0F, data[at + 3:at + length])
                found.append(option)
            except IndexError:
                pass
        at += length
    return found


def _hash(version):
    return hashlib.sha1 if version == 0 else hashlib.sha256


def token(version, key):
    return number(_hash(version)(key).digest()[:4])


def idsn(version, key):
    return number(_hash(version)(key).digest()[-8:])


def join_hmac(version, keys, nonces):
    """Sender's before the receiver's."""
    return hmac.new(keys[0] + keys[1], nonces[0] + nonces[1], _hash(version)).digest()


def add_addr_hmac(keys, option):
    message = bytes([option.address_id]) + option.address + (option.port or 0).to_bytes(2, "big")
    return hmac.new(keys[0] + keys[1], message, hashlib.sha256).digest()[-8:]


def dss_sum(dsn, ssn, data_length, checksum, data):
    """Zero when the checksum is right: the one's complement sum over pseudo-header and data."""
    everything = (dsn.to_bytes(8, "big") + ssn.to_bytes(4, "big") + data_length.to_bytes(2, "big")
                  + checksum.to_bytes(2, "big") + data + bytes(len(data) % 2))
    return -number(everything) % 0xFFFF  # 2^16 is 1 modulo 0xFFFF
