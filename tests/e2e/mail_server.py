#!/usr/bin/env python3
"""A real mail server for tests: takes mail and keeps each message as a file.

    mail_server.py DIR [--port-file FILE] [--refuse ADDRESS ...] [--lose-answer EVERY]

Messages lie in DIR as NUMBER.eml with `X-Rcpt-To`. `--refuse` answers 550 5.1.1 to these
recipients; `--lose-answer N` drops the connection after every Nth message was kept, before it is
answered: what the sender then sends again arrives twice, and is counted in DIR/lost.
"""
import argparse
import asyncio
import pathlib
import signal

from aiosmtpd.smtp import SMTP


class Keeper:
    def __init__(self, options):
        self.options = options
        self.kept = 0
        self.lost = 0

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if address in self.options.refuse:
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.kept += 1
        path = self.options.directory / f"{self.kept:06}.eml"
        part = path.with_suffix(".part")
        part.write_bytes(f"X-Rcpt-To: {', '.join(envelope.rcpt_tos)}\r\n".encode()
                         + envelope.original_content)
        part.rename(path)
        if self.options.lose_answer and self.kept % self.options.lose_answer == 0:
            self.lost += 1
            (self.options.directory / "lost").write_text(f"{self.lost}\n")
            server.transport.abort()
        return "250 2.0.0 kept"


async def serve(options):
    loop = asyncio.get_running_loop()
    keeper = Keeper(options)
    server = await loop.create_server(
        lambda: SMTP(keeper, enable_SMTPUTF8=True, loop=loop), "127.0.0.1", options.port)
    port = server.sockets[0].getsockname()[1]
    if options.port_file:
        part = options.port_file.with_suffix(".part")
        part.write_text(f"{port}\n")
        part.rename(options.port_file)
    stopped = asyncio.Event()
    for stop in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(stop, stopped.set)
    await stopped.wait()
    server.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--port-file", type=pathlib.Path)
    parser.add_argument("--refuse", action="append", default=[])
    parser.add_argument("--lose-answer", type=int, default=0)
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    asyncio.run(serve(options))


if __name__ == "__main__":
    main()
