// A gRPC load client as thin as it can be: nghttp2 over non-blocking sockets, one thread, so that
// on a machine that client and server share the client's own cost stays small (about a tenth of a
// gRPC C++ client's).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace retrace::bench {

// One call: the method's path and the serialised request. `tag` comes back with the reply.
struct Call {
  std::string path;     // "/retrace.v1.Customers/GetCustomer"
  std::string message;  // serialised, without the gRPC prefix
  uint64_t tag = 0;
};

struct Reply {
  uint64_t tag = 0;
  int grpc_status = -1;  // -1: the stream ended without one
  std::string message;   // serialised
  int64_t latency_ns = 0;
};

struct LoadOptions {
  std::string target;  // "host:port" or "unix:/path"
  std::string token;   // sent as Bearer; may be empty
  int connections = 8;
  int streams = 32;  // calls in flight per connection
};

// Keeps `connections` x `streams` calls in flight. `next` gives the next call, or false when there
// is none now (it is asked again after the next reply); `reply` takes each reply; both run on the
// calling thread. Returns when nothing is in flight and `next` gave none. Aborts the process with a
// message when a connection fails.
void RunLoad(const LoadOptions& options, const std::function<bool(Call&)>& next,
             const std::function<void(Reply)>& reply);

}  // namespace retrace::bench
