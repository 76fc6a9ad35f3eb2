#include "tests/support/cutting_proxy.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>

namespace retrace::testing {
namespace {

constexpr size_t kFrameHeader = 9;
constexpr uint8_t kHeaders = 1;

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  return address;
}

bool SendAll(int fd, const char* bytes, size_t size) {
  while (size > 0) {
    const ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes += sent;
    size -= static_cast<size_t>(sent);
  }
  return true;
}

size_t FrameSize(const std::string& bytes) {
  const auto at = [&](size_t i) { return static_cast<size_t>(static_cast<uint8_t>(bytes[i])); };
  return kFrameHeader + (at(0) << 16 | at(1) << 8 | at(2));
}

}  // namespace

CuttingProxy::CuttingProxy(std::string socket, std::string upstream)
    : socket_(std::move(socket)), upstream_(std::move(upstream)) {
  listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_un address = AddressOf(socket_);
  if (bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(listener_, 64) != 0) {
    std::abort();
  }
  accepting_ = std::thread([this] { Accept(); });
}

CuttingProxy::~CuttingProxy() {
  stop_ = true;
  accepting_.join();
  for (std::thread& connection : connections_) connection.join();
  close(listener_);
}

void CuttingProxy::Accept() {
  while (!stop_) {
    pollfd waiting{.fd = listener_, .events = POLLIN, .revents = 0};
    if (poll(&waiting, 1, 50) <= 0) continue;
    const int client = accept(listener_, nullptr, nullptr);
    if (client >= 0) connections_.emplace_back([this, client] { Serve(client); });
  }
}

bool CuttingProxy::ForwardFrames(std::string& pending, int client) {
  while (pending.size() >= kFrameHeader && pending.size() >= FrameSize(pending)) {
    const size_t size = FrameSize(pending);
    // The first HEADERS of a response has no END_STREAM (0x1) flag; trailers have.
    const bool answer =
        static_cast<uint8_t>(pending[3]) == kHeaders && (static_cast<uint8_t>(pending[4]) & 1) == 0;
    if (answer && ++responses_ % 2 == 1) {
      ++cuts_;
      return false;
    }
    if (!SendAll(client, pending.data(), size)) return false;
    pending.erase(0, size);
  }
  return true;
}

void CuttingProxy::Serve(int client) {
  const int server = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_un address = AddressOf(upstream_);
  bool open = connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  std::string pending;
  char buffer[65536];
  while (open && !stop_) {
    pollfd sides[] = {{.fd = client, .events = POLLIN, .revents = 0},
                      {.fd = server, .events = POLLIN, .revents = 0}};
    if (poll(sides, 2, 50) <= 0) continue;
    if (sides[0].revents != 0) {
      const ssize_t size = recv(client, buffer, sizeof(buffer), 0);
      open = size > 0 && SendAll(server, buffer, static_cast<size_t>(size));
    }
    if (open && sides[1].revents != 0) {
      const ssize_t size = recv(server, buffer, sizeof(buffer), 0);
      if (size > 0) pending.append(buffer, static_cast<size_t>(size));
      open = size > 0 && ForwardFrames(pending, client);
    }
  }
  close(server);
  close(client);
}

}  // namespace retrace::testing
