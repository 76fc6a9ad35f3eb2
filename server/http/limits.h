// What one client, and all of them together, may take of the HTTP server.
#pragma once

#include <cstddef>
#include <string>

#include "absl/time/time.h"

namespace retrace::server::http {

struct Limits {
  size_t header_bytes = 8 << 10;  // request line and headers: 431
  size_t headers = 64;            // 431
  size_t body_bytes = 4 << 20;    // as sent, and again when unpacked: 413
  // Bodies that are held at once, of all connections, and as much again of large replies: 503 (but
  // for the reply of a command, which is done by then).
  size_t all_body_bytes = 64 << 20;
  // What may be read ahead of the next requests while one is answered.
  size_t ahead_bytes = 16 << 10;
  size_t connections = 1024;            // 503
  size_t connections_of_address = 256;  // 503; trusted proxies and the unix socket are exempt
  // From a request's first byte to its last header, and from there to the end of its body: 408.
  absl::Duration header_time = absl::Seconds(10);
  absl::Duration body_time = absl::Seconds(30);
  // Between requests, and before the first one: the connection is closed without a word.
  absl::Duration idle_time = absl::Seconds(60);
  // For a client to take the next piece of what is written to it; and, with as much time as this
  // many bytes a second take, all of it.
  absl::Duration write_time = absl::Seconds(30);
  size_t write_bytes_per_second = 32 << 10;
  absl::Duration handshake_time = absl::Seconds(10);
};

}  // namespace retrace::server::http
