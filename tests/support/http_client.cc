#include "tests/support/http_client.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace retrace::testing {
namespace {

constexpr int kPatienceMs = 20'000;

int Connected(int family, const sockaddr* address, socklen_t size) {
  const int fd = socket(family, SOCK_STREAM, 0);
  if (connect(fd, address, size) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

}  // namespace

HttpClient::HttpClient(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  fd_ = Connected(AF_INET, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}

HttpClient::HttpClient(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof(address.sun_path) - 1));
  fd_ = Connected(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}

HttpClient::~HttpClient() { Close(); }

bool HttpClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    pollfd writable = {fd_, POLLOUT, 0};
    if (poll(&writable, 1, kPatienceMs) <= 0) return false;
    const ssize_t size = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(size));
  }
  return true;
}

bool HttpClient::Fill() {
  pollfd readable = {fd_, POLLIN, 0};
  char piece[16 << 10];
  if (poll(&readable, 1, kPatienceMs) <= 0) return false;
  const ssize_t size = recv(fd_, piece, sizeof(piece), 0);
  if (size <= 0) return false;
  buffer_.append(piece, static_cast<size_t>(size));
  return true;
}

std::optional<std::string> HttpClient::Until(std::string_view text) {
  while (buffer_.find(text) == std::string::npos) {
    if (!Fill()) return std::nullopt;
  }
  return Take(buffer_.find(text) + text.size());
}

std::optional<std::string> HttpClient::Take(size_t bytes) {
  while (buffer_.size() < bytes) {
    if (!Fill()) return std::nullopt;
  }
  std::string taken = buffer_.substr(0, bytes);
  buffer_.erase(0, bytes);
  return taken;
}

HttpReply HttpClient::ReadHead() {
  HttpReply reply;
  const std::optional<std::string> head = Until("\r\n\r\n");
  if (!head.has_value() || head->size() < 12) return reply;
  for (const absl::string_view line : absl::StrSplit(*head, "\r\n", absl::SkipEmpty())) {
    const size_t colon = line.find(": ");
    if (reply.status == 0) {
      if (!absl::SimpleAtoi(line.substr(9, 3), &reply.status)) return {};
    } else if (colon != absl::string_view::npos) {
      std::string& value = reply.headers[absl::AsciiStrToLower(line.substr(0, colon))];
      value += (value.empty() ? "" : ", ") + std::string(line.substr(colon + 2));
    }
  }
  return reply;
}

std::string HttpClient::ReadChunk() {
  const std::optional<std::string> line = Until("\r\n");
  if (!line.has_value()) return "";
  const size_t size = std::stoul(*line, nullptr, 16);
  const std::optional<std::string> chunk = Take(size + 2);
  return chunk.has_value() ? chunk->substr(0, size) : "";
}

std::string HttpClient::ReadSome() {
  if (buffer_.empty()) Fill();
  return std::exchange(buffer_, {});
}

HttpReply HttpClient::Read(bool head_only) {
  HttpReply reply = ReadHead();
  if (reply.status == 0 || head_only || reply.status == 204 || reply.status == 304) {
    return reply;
  }
  if (reply.status == 100) {
    return reply;
  }
  if (reply.headers.count("transfer-encoding") > 0) {
    for (std::string chunk = ReadChunk(); !chunk.empty(); chunk = ReadChunk()) {
      reply.body += chunk;
    }
    return reply;
  }
  if (reply.headers.count("content-length") == 0) {
    while (Fill()) {
    }
    reply.body.swap(buffer_);
    return reply;
  }
  const std::optional<std::string> body = Take(std::stoul(reply.headers["content-length"]));
  if (!body.has_value()) return {};
  reply.body = *body;
  return reply;
}

bool HttpClient::ReadsEnd() {
  pollfd readable = {fd_, POLLIN, 0};
  char byte = 0;
  return buffer_.empty() && poll(&readable, 1, kPatienceMs) > 0 && recv(fd_, &byte, 1, 0) <= 0;
}

void HttpClient::EndSending() { shutdown(fd_, SHUT_WR); }

void HttpClient::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

void HttpClient::ReadSlowly() {
  const int bytes = 4096;
  setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

std::string HttpRequest(std::string_view method, std::string_view target, std::string_view headers,
                        std::string_view body) {
  return fmt::format("{} {} HTTP/1.1\r\nHost: retrace.test\r\n{}Content-Length: {}\r\n\r\n{}",
                     method, target, headers, body.size(), body);
}

}  // namespace retrace::testing
