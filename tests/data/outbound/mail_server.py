#!/usr/bin/env python3
"""A mail server (aiosmtpd) that does what the recipient's name says. Prints its port, then a line of
JSON for each message that it takes, as a receiver reads it.

With --keep DIR, each message is a file NUMBER.eml there instead, with `X-Rcpt-To`, and nothing more is
printed. --lose-answer N drops the connection after every Nth message was kept, before it is answered:
what the sender then sends again arrives twice; DIR/lost counts them.
"""

import argparse
import asyncio
import email
import email.policy
import json
import logging
import pathlib
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

RECIPIENT_REPLIES = {
    "nobody": "550 5.1.1 no such user here",
    "busy": "451 4.7.1 greylisted, come back later",
    "plain": "550 no such user here",
}
MESSAGE_REPLIES = {
    "toolarge": "552 5.3.4 too large",
    "spam": "554 5.7.1 we do not like this",
    "later": "452 4.3.1 no room now",
    "closing": "421 4.3.2 shutting down",
}


def local_part(address):
    return address.partition("@")[0]


class Teller:
    """Prints what it takes."""

    def take(self, server, session, envelope):
        tell(describe(session, envelope))


class Keeper:
    """Keeps what it takes as files."""

    def __init__(self, directory, lose_every):
        self.directory = directory
        self.lose_every = lose_every
        directory.mkdir(parents=True, exist_ok=True)
        self.kept = len(list(directory.glob("*.eml")))  # by a server before this one
        self.lost = 0

    def take(self, server, session, envelope):
        self.kept += 1
        path = self.directory / f"{self.kept:06}.eml"
        part = path.with_suffix(".part")
        part.write_bytes(f"X-Rcpt-To: {', '.join(envelope.rcpt_tos)}\r\n".encode()
                         + envelope.original_content)
        part.rename(path)
        if self.lose_every and self.kept % self.lose_every == 0:
            self.lost += 1
            (self.directory / "lost").write_text(f"{self.lost}\n")
            server.transport.abort()


class Handler:
    def __init__(self, receiver):
        self.receiver = receiver

    async def handle_RCPT(self, server, session, envelope, address, options):
        if local_part(address) in RECIPIENT_REPLIES:
            return RECIPIENT_REPLIES[local_part(address)]
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_MAIL(self, server, session, envelope, address, options):
        if local_part(address) == "unwanted":
            return "550 5.7.1 sender refused"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_DATA(self, server, session, envelope):
        recipient = local_part(envelope.rcpt_tos[0])
        if recipient in MESSAGE_REPLIES:
            return MESSAGE_REPLIES[recipient]
        if recipient == "vanish":
            server.transport.abort()
            return "250 never sent"
        if recipient == "slow":
            tell({"waiting": envelope.rcpt_tos[0]})
            await asyncio.sleep(3600)
        self.receiver.take(server, session, envelope)
        return "250 2.0.0 taken"


def describe(session, envelope):
    message = email.message_from_bytes(envelope.content, policy=email.policy.default)
    parts = {part.get_content_type(): part.get_content().replace("\r\n", "\n")
             for part in message.iter_parts()}
    sender = message["From"].addresses[0]
    to = message["To"].addresses[0]
    return {
        "peer": session.peer[1],
        "hello": session.host_name,
        "tls": session.ssl is not None,
        "user": session.auth_data,
        "options": envelope.mail_options,
        "mail_from": envelope.mail_from,
        "rcpt_to": envelope.rcpt_tos,
        "subject": str(message["Subject"]),
        "from_name": sender.display_name,
        "to_name": to.display_name,
        "to_address": to.addr_spec,
        "headers": sorted(message.keys()),
        "message_id": str(message["Message-ID"]),
        "auto_submitted": str(message["Auto-Submitted"]),
        "list_unsubscribe": str(message["List-Unsubscribe"]),
        "list_unsubscribe_post": str(message["List-Unsubscribe-Post"]),
        "defects": [str(defect) for defect in message.defects],
        "longest_line": max(len(line) for line in envelope.content.split(b"\r\n")),
        "bare_line_ends": envelope.content.replace(b"\r\n", b"").count(b"\n"),
        "text": parts.get("text/plain"),
        "html": parts.get("text/html"),
    }


def tell(what):
    # Headers of UTF-8 are read as bytes that came through ASCII.
    line = json.dumps(what, ensure_ascii=False).encode("utf-8", "surrogateescape")
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def authenticate(server, session, envelope, mechanism, auth_data):
    user, password = auth_data.login.decode(), auth_data.password.decode()
    if (user, password) != ("retrace", "secret"):
        return AuthResult(success=False, handled=False)
    return AuthResult(success=True, auth_data=user)


async def serve(arguments):
    context = None
    if arguments.certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(arguments.certificate, arguments.key)
    receiver = Keeper(arguments.keep, arguments.lose_answer) if arguments.keep else Teller()
    handler = Handler(receiver)
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(handler, hostname="mail.test", tls_context=context,
                     require_starttls=arguments.require_tls, auth_required=arguments.require_user,
                     authenticator=authenticate, enable_SMTPUTF8=arguments.utf8),
        "127.0.0.1", arguments.port)
    tell({"port": server.sockets[0].getsockname()[1]})
    await server.serve_forever()


logging.getLogger("mail.log").setLevel(logging.CRITICAL + 1)
parser = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--keep", type=pathlib.Path, metavar="DIR")
parser.add_argument("--lose-answer", type=int, default=0, metavar="N")
parser.add_argument("--certificate")
parser.add_argument("--key")
parser.add_argument("--require-tls", action="store_true")
parser.add_argument("--require-user", action="store_true")
parser.add_argument("--utf8", action="store_true")
asyncio.run(serve(parser.parse_args()))
