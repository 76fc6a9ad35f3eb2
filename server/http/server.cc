#include "server/http/server.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "absl/time/clock.h"
#include "domain/status_macros.h"
#include "server/logging.h"

namespace retrace::server::http {
namespace {

constexpr size_t kMaxSocketPath = 107;
// Connections above the bound that are told so; the rest are closed without a word.
constexpr size_t kMaxRefusing = 64;
// How long accepting rests when the process has no descriptor left.
constexpr absl::Duration kAcceptRest = absl::Milliseconds(100);

using Tcp = net::ip::tcp;
using Local = net::local::stream_protocol;

absl::Status CannotHave(std::string_view address, const error_code& error) {
  return absl::UnavailableError(
      fmt::format("the address {} cannot be had for HTTP: {}", address, error.message()));
}

std::string PeerOf(const Tcp::socket& socket) {
  error_code error;
  const Tcp::endpoint peer = socket.remote_endpoint(error);
  if (error) {
    return "";
  }
  const net::ip::address address = peer.address();
  const bool mapped = address.is_v6() && address.to_v6().is_v4_mapped();
  return (mapped ? net::ip::make_address_v4(net::ip::v4_mapped, address.to_v6()) : address)
      .to_string();
}

std::string PeerOf(const Local::socket&) { return "unix"; }

}  // namespace

// Takes connections on one address for as long as it is open, whatever goes wrong with any of them.
class Server::Acceptor {
 public:
  virtual ~Acceptor() = default;
  virtual void Accept() = 0;
  virtual void Close() = 0;

  template <typename Protocol>
  class On;
};

template <typename Protocol>
class Server::Acceptor::On final : public Server::Acceptor,
                                   public std::enable_shared_from_this<On<Protocol>> {
 public:
  On(Server& server, typename Protocol::acceptor acceptor)
      : server_(server), acceptor_(std::move(acceptor)), rest_(acceptor_.get_executor()) {}

  void Accept() override {
    Connection::Strand strand = net::make_strand(*server_.io_);
    acceptor_.async_accept(strand, [self = this->shared_from_this(), strand](
                                       error_code error, typename Protocol::socket socket) {
      if (error == net::error::operation_aborted) {
        return;
      }
      if (error) {
        self->Rest();
        return;
      }
      std::string peer = PeerOf(socket);
      self->server_.Accepted(Connection::Socket(std::move(socket)), strand, std::move(peer));
      self->Accept();
    });
  }

  void Close() override {
    net::post(acceptor_.get_executor(), [self = this->shared_from_this()] {
      error_code ignored;
      self->acceptor_.close(ignored);
      self->rest_.cancel();
    });
  }

 private:
  void Rest() {
    rest_.expires_after(absl::ToChronoNanoseconds(kAcceptRest));
    rest_.async_wait([self = this->shared_from_this()](error_code error) {
      if (!error && self->acceptor_.is_open()) {
        self->Accept();
      }
    });
  }

  Server& server_;
  typename Protocol::acceptor acceptor_;  // on a strand of its own
  net::steady_timer rest_;
};

Server::Server(ServerOptions options, Handler handler)
    : options_(std::move(options)),
      handler_(std::move(handler)),
      bodies_(options_.limits.all_body_bytes),
      replies_(options_.limits.all_body_bytes),
      io_(std::make_unique<net::io_context>(options_.threads)) {}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(ServerOptions options, Handler handler) {
  auto server = std::unique_ptr<Server>(new Server(std::move(options), std::move(handler)));
  RETRACE_RETURN_IF_ERROR(server->Listen());
  for (const auto& acceptor : server->acceptors_) {
    acceptor->Accept();
  }
  for (int i = 0; i < server->options_.threads; ++i) {
    server->threads_.emplace_back([io = server->io_.get()] {
      const auto work = net::make_work_guard(*io);
      io->run();
    });
  }
  return server;
}

absl::Status Server::Listen() {
  if (!options_.tls_cert.empty()) {
    certificate_.emplace(options_.tls_cert, options_.tls_key);
    RETRACE_RETURN_IF_ERROR(certificate_->Refresh());
  }
  for (const std::string& address : options_.addresses) {
    RETRACE_RETURN_IF_ERROR(ListenOn(address));
  }
  return options_.socket.empty() ? absl::OkStatus() : ListenOnSocket();
}

absl::Status Server::ListenOn(const std::string& address) {
  const size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  error_code error = net::error::invalid_argument;
  Tcp::endpoint endpoint;
  if (colon != std::string::npos && !host.empty()) {
    Tcp::resolver resolver(*io_);
    const auto found =
        resolver.resolve(host, address.substr(colon + 1),
                         Tcp::resolver::passive | Tcp::resolver::numeric_service, error);
    if (!error) endpoint = found.begin()->endpoint();
  }
  Tcp::acceptor acceptor(net::make_strand(*io_));
  if (!error) acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(Tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(net::socket_base::max_listen_connections, error);
  if (error) {
    return CannotHave(address, error);
  }
  ports_.push_back(acceptor.local_endpoint(error).port());
  acceptors_.push_back(std::make_shared<Acceptor::On<Tcp>>(*this, std::move(acceptor)));
  return absl::OkStatus();
}

absl::Status Server::ListenOnSocket() {
  const std::string& path = options_.socket;
  if (path.size() > kMaxSocketPath) {
    return absl::UnavailableError(fmt::format(
        "the path of the socket for HTTP, {}, is longer than the {} bytes that the system takes; "
        "set `http_socket` to a shorter one, or to none",
        path, kMaxSocketPath));
  }
  struct stat state = {};
  if (::lstat(path.c_str(), &state) == 0 && !S_ISSOCK(state.st_mode)) {
    return absl::UnavailableError(fmt::format(
        "{}, where `http_socket` is to be, is there already and no socket; it stays", path));
  }
  ::unlink(path.c_str());  // what an earlier daemon left: the data directory's lock is ours
  error_code error;
  Local::acceptor acceptor(net::make_strand(*io_));
  acceptor.open(Local(), error);
  const mode_t mask = ::umask(0177);  // the socket is its owner's only
  if (!error) acceptor.bind(Local::endpoint(path), error);
  ::umask(mask);
  if (!error) acceptor.listen(net::socket_base::max_listen_connections, error);
  if (error) {
    return CannotHave(path, error);
  }
  acceptors_.push_back(std::make_shared<Acceptor::On<Local>>(*this, std::move(acceptor)));
  return absl::OkStatus();
}

void Server::Accepted(Connection::Socket socket, Connection::Strand strand, std::string address) {
  const bool is_unix = address == "unix";
  Connection::Peer peer;
  if (!is_unix && !options_.trusted_proxies.Trusts(address)) {
    peer.counted_as = NetworkOf(address);
  }
  peer.address = std::move(address);
  const bool tls = !is_unix && certificate_.has_value();
  {
    absl::MutexLock lock(&mutex_);
    const bool full = connections_.size() - refusing_ >= limits().connections;
    const auto of_address = of_address_.find(peer.counted_as);
    peer.refused = full || (!peer.counted_as.empty() && of_address != of_address_.end() &&
                            of_address->second >= limits().connections_of_address);
    if (peer.refused) {
      ++refused_;
      // A handshake would cost more than the answer is worth.
      if (tls || refusing_ >= kMaxRefusing) return;
      ++refusing_;
    } else if (!peer.counted_as.empty()) {
      ++of_address_[peer.counted_as];
    }
  }
  if (!is_unix) {
    error_code ignored;
    socket.set_option(Tcp::no_delay(true), ignored);
  }
  const auto connection =
      std::make_shared<Connection>(*this, std::move(socket), std::move(strand), std::move(peer),
                                   tls ? certificate_->Current() : nullptr);
  {
    absl::MutexLock lock(&mutex_);
    connections_[connection.get()] = connection;
  }
  connection->Post([](Connection& on) { on.Start(); });
}

void Server::Forget(const Connection& connection) {
  absl::MutexLock lock(&mutex_);
  connections_.erase(&connection);
  const Connection::Peer& peer = connection.peer();
  if (peer.refused) {
    --refusing_;
  } else if (!peer.counted_as.empty()) {
    const auto of_address = of_address_.find(peer.counted_as);
    if (--of_address->second == 0) of_address_.erase(of_address);
  }
}

void Server::Handle(Request request, HeldBytes body, const std::shared_ptr<Connection>& connection,
                    std::weak_ptr<Exchange>& exchange) {
  ++requests_;
  const auto held = std::make_shared<Exchange>(std::move(request), std::move(body), connection,
                                               replies_, exchanges_);
  exchange = held;
  handler_(held);
}

ServerCounts Server::counts() const {
  absl::MutexLock lock(&mutex_);
  return {
      .connections = connections_.size(), .requests = requests_, .refused_connections = refused_};
}

std::vector<std::shared_ptr<Connection>> Server::Open() const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::shared_ptr<Connection>> open;
  for (const auto& [raw, weak] : connections_) {
    if (std::shared_ptr<Connection> connection = weak.lock()) {
      open.push_back(std::move(connection));
    }
  }
  return open;
}

void Server::Stop(absl::Time deadline) {
  if (threads_.empty()) {
    return;
  }
  draining_ = true;
  for (const auto& acceptor : acceptors_) {
    acceptor->Close();
  }
  for (const auto& connection : Open()) {
    connection->Post([](Connection& on) { on.Drain(); });
  }
  {
    const auto none = [this]()
                          ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return connections_.empty(); };
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithDeadline(absl::Condition(&none), deadline);
  }
  for (const auto& connection : Open()) {
    connection->Post([](Connection& on) { on.Close(); });
  }
  exchanges_.AwaitNone();
  io_->stop();
  for (std::thread& thread : threads_) {
    thread.join();
  }
  threads_.clear();
  acceptors_.clear();
  if (!options_.socket.empty()) {
    ::unlink(options_.socket.c_str());
  }
}

Server::~Server() { Stop(absl::Now()); }

}  // namespace retrace::server::http
