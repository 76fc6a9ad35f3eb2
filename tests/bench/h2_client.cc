#include "tests/bench/h2_client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unordered_map>

namespace retrace::bench {
namespace {

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "load: %s\n", what.c_str());
  std::exit(1);
}

int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

int Connect(const std::string& target) {
  int fd = -1;
  if (target.rfind("unix:", 0) == 0) {
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    target.copy(address.sun_path, sizeof(address.sun_path) - 1, 5);
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0)
      Die("cannot connect to " + target);
  } else {
    const size_t colon = target.rfind(':');
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(std::atoi(target.c_str() + colon + 1)));
    inet_pton(AF_INET, target.substr(0, colon).c_str(), &address.sin_addr);
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0)
      Die("cannot connect to " + target);
    const int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  }
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  return fd;
}

// A call in flight.
struct Stream {
  Call call;
  std::string body;  // with the gRPC prefix
  size_t sent = 0;
  std::string received;
  int grpc_status = -1;
  int64_t begin_ns = 0;
};

class Connection {
 public:
  Connection(const LoadOptions& options, std::function<void(Reply)> reply)
      : options_(options), reply_(std::move(reply)), fd_(Connect(options.target)) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, OnHeader);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, OnData);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, OnClose);
    nghttp2_session_client_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                                               {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 16u << 20}};
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, 2);
    nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, 64 << 20);
  }
  ~Connection() {
    nghttp2_session_del(session_);
    close(fd_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int fd() const { return fd_; }
  size_t in_flight() const { return streams_.size(); }

  void Submit(Call call) {
    auto stream = std::make_unique<Stream>();
    const uint32_t size = htonl(static_cast<uint32_t>(call.message.size()));
    stream->body.assign(1, '\0');
    stream->body.append(reinterpret_cast<const char*>(&size), 4);
    stream->body.append(call.message);
    stream->call = std::move(call);
    stream->begin_ns = NowNs();
    const std::string authorization = "Bearer " + options_.token;
    const nghttp2_nv headers[] = {Header(":method", "POST"),
                                  Header(":scheme", "http"),
                                  Header(":path", stream->call.path),
                                  Header(":authority", "localhost"),
                                  Header("content-type", "application/grpc"),
                                  Header("te", "trailers"),
                                  Header("authorization", authorization)};
    nghttp2_data_provider provider{.source = {.ptr = stream.get()}, .read_callback = ReadBody};
    const int32_t id = nghttp2_submit_request(session_, nullptr, headers, std::size(headers),
                                              &provider, stream.get());
    if (id < 0) Die(nghttp2_strerror(id));
    streams_[id] = std::move(stream);
  }

  void Receive() {
    char buffer[65536];
    while (true) {
      const ssize_t size = recv(fd_, buffer, sizeof(buffer), 0);
      if (size < 0 && errno == EAGAIN) return;
      if (size <= 0) Die("the server closed a connection");
      if (nghttp2_session_mem_recv(session_, reinterpret_cast<uint8_t*>(buffer),
                                   static_cast<size_t>(size)) < 0) {
        Die("the server broke the HTTP/2 protocol");
      }
    }
  }

  void Flush() {
    while (true) {
      if (out_sent_ == out_.size()) {
        out_.clear();
        out_sent_ = 0;
        const uint8_t* chunk = nullptr;
        ssize_t size = 0;
        while (out_.size() < 65536 && (size = nghttp2_session_mem_send(session_, &chunk)) > 0) {
          out_.append(reinterpret_cast<const char*>(chunk), static_cast<size_t>(size));
        }
        if (out_.empty()) return;
      }
      const ssize_t sent =
          send(fd_, out_.data() + out_sent_, out_.size() - out_sent_, MSG_NOSIGNAL);
      if (sent < 0 && errno == EAGAIN) return;
      if (sent < 0) Die("cannot send");
      out_sent_ += static_cast<size_t>(sent);
    }
  }

 private:
  static nghttp2_nv Header(std::string_view name, std::string_view value) {
    return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
            reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
            NGHTTP2_NV_FLAG_NONE};
  }

  static ssize_t ReadBody(nghttp2_session*, int32_t, uint8_t* out, size_t length, uint32_t* flags,
                          nghttp2_data_source* source, void*) {
    auto* stream = static_cast<Stream*>(source->ptr);
    const size_t size = std::min(length, stream->body.size() - stream->sent);
    std::memcpy(out, stream->body.data() + stream->sent, size);
    stream->sent += size;
    if (stream->sent == stream->body.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(size);
  }

  static int OnHeader(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name,
                      size_t name_size, const uint8_t* value, size_t value_size, uint8_t, void*) {
    auto* stream =
        static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, frame->hd.stream_id));
    if (stream != nullptr &&
        std::string_view(reinterpret_cast<const char*>(name), name_size) == "grpc-status") {
      stream->grpc_status =
          std::atoi(std::string(reinterpret_cast<const char*>(value), value_size).c_str());
    }
    return 0;
  }

  static int OnData(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* bytes,
                    size_t size, void*) {
    auto* stream = static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, id));
    if (stream != nullptr) stream->received.append(reinterpret_cast<const char*>(bytes), size);
    return 0;
  }

  static int OnClose(nghttp2_session*, int32_t id, uint32_t, void* user) {
    auto* connection = static_cast<Connection*>(user);
    auto it = connection->streams_.find(id);
    if (it == connection->streams_.end()) return 0;
    std::unique_ptr<Stream> stream = std::move(it->second);
    connection->streams_.erase(it);
    Reply reply{.tag = stream->call.tag,
                .grpc_status = stream->grpc_status,
                .latency_ns = NowNs() - stream->begin_ns};
    if (stream->received.size() > 5) reply.message = stream->received.substr(5);
    connection->reply_(std::move(reply));
    return 0;
  }

  const LoadOptions& options_;
  const std::function<void(Reply)> reply_;
  const int fd_;
  nghttp2_session* session_ = nullptr;
  std::unordered_map<int32_t, std::unique_ptr<Stream>> streams_;
  std::string out_;
  size_t out_sent_ = 0;
};

}  // namespace

void RunLoad(const LoadOptions& options, const std::function<bool(Call&)>& next,
             const std::function<void(Reply)>& reply) {
  std::vector<std::unique_ptr<Connection>> connections;
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  for (int i = 0; i < options.connections; ++i) {
    connections.push_back(std::make_unique<Connection>(options, reply));
    epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLET,
                      .data = {.ptr = connections.back().get()}};
    epoll_ctl(epoll, EPOLL_CTL_ADD, connections.back()->fd(), &event);
  }
  auto fill = [&](Connection& connection) {
    Call call;
    while (connection.in_flight() < static_cast<size_t>(options.streams) && next(call))
      connection.Submit(std::move(call));
    connection.Flush();
  };
  for (auto& connection : connections) fill(*connection);
  std::vector<epoll_event> events(connections.size());
  while (true) {
    size_t in_flight = 0;
    for (auto& connection : connections) in_flight += connection->in_flight();
    if (in_flight == 0) break;
    const int ready = epoll_wait(epoll, events.data(), static_cast<int>(events.size()), 10'000);
    if (ready == 0) Die("no reply for 10 s");
    for (int i = 0; i < ready; ++i) {
      auto& connection = *static_cast<Connection*>(events[i].data.ptr);
      if (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) connection.Receive();
      fill(connection);
    }
  }
  close(epoll);
}

}  // namespace retrace::bench
