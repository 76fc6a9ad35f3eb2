#include "server/http/connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "server/http/server.h"

namespace retrace::server::http {
namespace {

namespace beast_http = boost::beast::http;

// A client that takes this much within the time for writing is not given up.
constexpr size_t kWrittenAtOnce = 64 << 10;
// How much and how long is read on behind the last answer.
constexpr size_t kMaxThrownAway = 1 << 20;
constexpr absl::Duration kLingerTime = absl::Seconds(2);

// Headers that decide something, so that two of them would mean two requests.
constexpr std::array<std::string_view, 8> kOnce = {
    "authorization", "content-encoding",         "content-type",  "expect", "connect-timeout-ms",
    "host",          "connect-content-encoding", "content-length"};

std::string_view ViewOf(boost::beast::string_view text) { return {text.data(), text.size()}; }

std::string HttpDate() {
  return absl::FormatTime("%a, %d %b %E4Y %H:%M:%S GMT", absl::Now(), absl::UTCTimeZone());
}

}  // namespace

Connection::Connection(Server& server, Socket socket, Strand strand, Peer peer,
                       std::shared_ptr<net::ssl::context> tls)
    : server_(server),
      socket_(std::move(socket)),
      strand_(std::move(strand)),
      peer_(std::move(peer)),
      tls_context_(std::move(tls)),
      timer_(strand_) {
  if (tls_context_ != nullptr) {
    tls_.emplace(socket_, *tls_context_);
  }
}

Connection::~Connection() { server_.Forget(*this); }

void Connection::Post(std::function<void(Connection&)> work) {
  net::post(strand_, [self = shared_from_this(), work = std::move(work)] { work(*self); });
}

void Connection::Start() {
  if (tls_.has_value()) {
    handshaking_ = true;
    Arm(server_.limits().handshake_time);
    tls_->async_handshake(net::ssl::stream_base::server,
                          [self = shared_from_this()](error_code error) {
                            self->handshaking_ = false;
                            if (error || self->state_ == State::kClosed) {
                              self->Close();
                            } else {
                              self->BeginRequest();
                            }
                          });
    return;
  }
  BeginRequest();
}

void Connection::Drain() {
  close_after_ = true;
  const bool begun = header_bytes_ > 0 || buffer_.size() > 0;
  if (state_ == State::kReading && begun && !handshaking_) {
    Refuse(503, "unavailable", "The server stops; nothing was done.");
  } else if (state_ == State::kReading) {
    Close();
  }
}

void Connection::Close() {
  if (state_ == State::kClosed) {
    return;
  }
  state_ = State::kClosed;
  Disarm();
  timer_.cancel();
  error_code ignored;
  socket_.close(ignored);
  if (const ExchangePtr exchange = exchange_.lock()) {
    exchange->Gone();
  }
  TellUnwritten(1);  // what is being written is told by its own end
}

void Connection::BeginRequest() {
  if (peer_.refused) {
    Refuse(503, "unavailable", "Too many connections are open; try again in a moment.");
    return;
  }
  state_ = State::kReading;
  parser_.emplace();
  parser_->header_limit(static_cast<uint32_t>(server_.limits().header_bytes));
  parser_->body_limit(server_.limits().body_bytes);
  request_ = Request();
  request_.peer = peer_.address;
  request_.tls = tls_.has_value();
  header_bytes_ = 0;
  head_only_ = false;
  if (buffer_.size() > 0) {
    Arm(server_.limits().header_time);
    Parse();
  } else if (server_.draining()) {
    Close();
  } else {
    Arm(server_.limits().idle_time);
    ReadMore();
  }
}

void Connection::ReadMore() {
  const bool full = state_ == State::kAnswering && buffer_.size() >= server_.limits().ahead_bytes;
  if (reading_ || full || state_ == State::kClosed) {
    return;
  }
  reading_ = true;
  // Not into buffer_: while a request is answered, the next one is parsed out of it.
  const auto space = net::buffer(incoming_);
  const auto done = [self = shared_from_this()](error_code error, size_t bytes) {
    self->OnRead(error, bytes);
  };
  if (tls_.has_value()) {
    tls_->async_read_some(space, done);
  } else {
    socket_.async_read_some(space, done);
  }
}

void Connection::OnRead(error_code error, size_t bytes) {
  reading_ = false;
  if (state_ == State::kClosed) {
    return;
  }
  if (error) {
    OnEnd(error);
    return;
  }
  const bool first = state_ == State::kReading && header_bytes_ == 0 && buffer_.size() == 0;
  buffer_.commit(net::buffer_copy(buffer_.prepare(bytes), net::buffer(incoming_.data(), bytes)));
  if (state_ == State::kReading) {
    if (first) {
      Arm(server_.limits().header_time);
    }
    Parse();
  } else if (state_ == State::kLingering) {
    thrown_away_ += buffer_.size();
    buffer_.consume(buffer_.size());
    if (thrown_away_ > kMaxThrownAway) {
      Close();
    } else {
      ReadMore();
    }
  } else {
    ReadMore();
  }
}

void Connection::OnEnd(error_code error) {
  const bool ended = error == net::error::eof || error == net::ssl::error::stream_truncated;
  const bool begun = header_bytes_ > 0 || buffer_.size() > 0;
  if (ended && state_ == State::kReading && begun) {
    Refuse(400, "invalid_argument", "The request ended before it was whole.");
  } else {
    Close();
  }
}

void Connection::Parse() {
  while (state_ == State::kReading && ParseStep()) {
  }
}

bool Connection::ParseStep() {
  if (parser_->is_done()) {
    Dispatch();
    return false;
  }
  if (buffer_.size() == 0) {
    ReadMore();
    return false;
  }
  const bool in_header = !parser_->is_header_done();
  error_code error;
  const size_t used = parser_->put(buffer_.data(), error);
  buffer_.consume(used);
  if (in_header) {
    header_bytes_ += used;
    // The parser counts again from each line that it has taken. A body that is announced to be too
    // large ends its work before the header counts as done: what is pending then is that body.
    const bool header_done = parser_->is_header_done() || error == beast_http::error::body_limit;
    const size_t pending = header_done ? 0 : buffer_.size();
    if (header_bytes_ + pending > server_.limits().header_bytes) {
      error = beast_http::error::header_limit;
    }
  }
  const bool more = error == beast_http::error::need_more;
  if (more && buffer_.size() > server_.limits().ahead_bytes) {
    Refuse(431, "resource_exhausted", "The body's chunks have too long headers or trailers.");
    return false;
  }
  if (error && !more) {
    RefuseParse(error);
    return false;
  }
  const bool taken = in_header && parser_->is_header_done() ? TakeHeaders() : TakeBodySoFar();
  if (taken && more) {
    ReadMore();
  }
  return taken && !more;
}

bool Connection::TakeHeaders() {
  const auto& message = parser_->get();
  request_.method = ViewOf(message.method_string());
  const std::string target = OriginForm(ViewOf(message.target()));
  const size_t question = target.find('?');
  request_.path = target.substr(0, question);
  if (question != std::string_view::npos) {
    request_.query = target.substr(question + 1);
  }
  for (const auto& field : message) {
    const std::string_view value = ViewOf(field.value());
    request_.headers.emplace_back(absl::AsciiStrToLower(absl::string_view(
                                      field.name_string().data(), field.name_string().size())),
                                  value);
  }
  close_after_ = !parser_->keep_alive();
  head_only_ = request_.method == "HEAD";
  if (!CheckHeaders()) {
    return false;
  }
  if (!parser_->is_done()) {
    Arm(server_.limits().body_time);
    if (!request_.Header("expect").empty() && buffer_.size() == 0) {
      WriteOut("HTTP/1.1 100 Continue\r\n\r\n", nullptr);
    }
  }
  return true;
}

bool Connection::CheckHeaders() {
  const auto refuse = [this](int status, std::string_view message) {
    Refuse(status, status == 431 ? "resource_exhausted" : "invalid_argument", message);
    return false;
  };
  if (request_.headers.size() > server_.limits().headers) {
    return refuse(431, fmt::format("The request has {} headers; {} are the most that are read.",
                                   request_.headers.size(), server_.limits().headers));
  }
  for (const std::string_view name : kOnce) {
    const auto is_it = [&](const auto& header) { return header.first == name; };
    if (std::count_if(request_.headers.begin(), request_.headers.end(), is_it) > 1) {
      return refuse(400, fmt::format("The header {} stands there more than once.", name));
    }
  }
  const bool http11 = parser_->get().version() >= 11;
  if (http11 && !request_.Has("host")) {
    return refuse(400, "The request has no Host.");
  }
  if (request_.path.empty() || request_.path.front() != '/') {
    return refuse(400, "The request's target is no path.");
  }
  if (request_.Has("transfer-encoding") &&
      (!http11 ||
       !absl::EqualsIgnoreCase(std::string(request_.Header("transfer-encoding")), "chunked"))) {
    return refuse(501, "The only transfer encoding read here is chunked.");
  }
  const std::string expect(request_.Header("expect"));
  if (!expect.empty() && !absl::EqualsIgnoreCase(expect, "100-continue")) {
    return refuse(417, "The only expectation met here is 100-continue.");
  }
  return true;
}

bool Connection::TakeBodySoFar() {
  if (!body_bytes_.GrowTo(server_.bodies(), parser_->get().body().size())) {
    Refuse(503, "unavailable", "Too many large requests are under way; try again in a moment.");
    return false;
  }
  return true;
}

void Connection::Dispatch() {
  Disarm();
  state_ = State::kAnswering;
  request_.body = std::move(parser_->get().body());
  if (server_.draining()) {
    close_after_ = true;
  }
  server_.Handle(std::move(request_), std::move(body_bytes_), shared_from_this(), exchange_);
  ReadMore();  // to notice when the client goes away
}

void Connection::RefuseParse(error_code error) {
  if (error == beast_http::error::header_limit) {
    Refuse(
        431, "resource_exhausted",
        fmt::format("Request line and headers may have {} bytes.", server_.limits().header_bytes));
  } else if (error == beast_http::error::body_limit) {
    Refuse(413, "resource_exhausted",
           fmt::format("The body may have {} bytes.", server_.limits().body_bytes));
  } else if (error == beast_http::error::bad_version) {
    Refuse(505, "unimplemented", "HTTP/1.1 is spoken here.");
  } else {
    Refuse(400, "invalid_argument", fmt::format("This is no HTTP: {}.", error.message()));
  }
}

void Connection::Refuse(int status, std::string_view code, std::string_view message) {
  Disarm();
  state_ = State::kAnswering;
  close_after_ = true;
  Reply reply = ErrorReply(status, code, message);
  if (status == 503) {
    reply.With("Retry-After", "1");
  }
  SendReply(std::move(reply), nullptr);
}

void Connection::SendReply(Reply reply, std::shared_ptr<HeldBytes> held) {
  if (state_ != State::kAnswering) {
    return;
  }
  close_after_ = close_after_ || server_.draining();
  reply.With("Date", HttpDate()).With("Connection", close_after_ ? "close" : "keep-alive");
  if (reply.status != 204 && reply.status != 304) {
    reply.With("Content-Length", fmt::format("{}", reply.body.size()));
  }
  if (head_only_ || reply.body.empty()) {
    WriteOut(Head(reply), [this](bool) { OnAnswered(); });
    return;
  }
  std::string head = Head(reply);
  if (held == nullptr) {
    head += reply.body;
    WriteOut(std::move(head), [this](bool) { OnAnswered(); });
    return;
  }
  WriteOut(std::move(head), nullptr);
  WriteOut(std::move(reply.body), [this, held = std::move(held)](bool) { OnAnswered(); });
}

void Connection::BeginStream(Reply head) {
  if (state_ != State::kAnswering) {
    return;
  }
  const bool sized = std::any_of(head.headers.begin(), head.headers.end(), [](const auto& header) {
    return header.first == "Content-Length";
  });
  // HTTP/1.0 knows no chunks: there the end of the connection is the end of the body.
  chunked_ = !sized && parser_->get().version() >= 11;
  close_after_ = close_after_ || server_.draining() || !(sized || chunked_);
  head.With("Date", HttpDate()).With("Connection", close_after_ ? "close" : "keep-alive");
  if (chunked_) {
    head.With("Transfer-Encoding", "chunked");
  }
  WriteOut(Head(head), nullptr);
}

void Connection::WriteStream(std::string bytes, std::function<void(bool ok)> done) {
  if (state_ != State::kAnswering) {
    done(false);
    return;
  }
  WriteOut(chunked_ ? fmt::format("{:x}\r\n", bytes.size()) + bytes + "\r\n" : std::move(bytes),
           std::move(done));
}

void Connection::EndStream() {
  if (state_ == State::kAnswering) {
    WriteOut(chunked_ ? "0\r\n\r\n" : "", [this](bool) { OnAnswered(); });
  }
}

void Connection::WriteOut(std::string bytes, std::function<void(bool ok)> done) {
  outgoing_.push_back({std::move(bytes), std::move(done)});
  if (outgoing_.size() == 1) {
    WriteFront();
  }
}

void Connection::WriteFront() {
  Outgoing& front = outgoing_.front();
  // Once for each piece, not for each byte that a slow client takes of it.
  if (state_ == State::kAnswering && front.written >= front.timed) {
    const Limits& limits = server_.limits();
    const absl::Time now = absl::Now();
    if (front.timed == 0) {
      front.deadline = now + limits.write_time +
                       absl::Seconds(static_cast<double>(front.bytes.size()) /
                                     static_cast<double>(limits.write_bytes_per_second));
    }
    front.timed = front.written + kWrittenAtOnce;
    Arm(std::min(limits.write_time, front.deadline - now));
  }
  const auto bytes = net::buffer(front.bytes.data() + front.written,
                                 std::min(front.bytes.size() - front.written, kWrittenAtOnce));
  const auto written = [self = shared_from_this()](error_code error, size_t size) {
    self->OnWritten(error, size);
  };
  if (tls_.has_value()) {
    tls_->async_write_some(bytes, written);
  } else {
    socket_.async_write_some(bytes, written);
  }
}

void Connection::OnWritten(error_code error, size_t size) {
  outgoing_.front().written += size;
  const bool ok = !error && state_ != State::kClosed;
  if (ok && outgoing_.front().written < outgoing_.front().bytes.size()) {
    WriteFront();
    return;
  }
  const Outgoing front = std::move(outgoing_.front());
  outgoing_.pop_front();
  if (!ok) {
    Close();
    TellUnwritten(0);
  } else if (!outgoing_.empty()) {
    WriteFront();
  } else if (state_ == State::kAnswering) {
    Disarm();
  }
  if (front.done != nullptr) {
    front.done(ok);
  }
}

void Connection::TellUnwritten(size_t but) {
  while (outgoing_.size() > but) {
    const Outgoing last = std::move(outgoing_.back());
    outgoing_.pop_back();
    if (last.done != nullptr) last.done(false);
  }
}

void Connection::OnAnswered() {
  if (state_ != State::kAnswering) {
    return;
  }
  exchange_.reset();
  if (close_after_) {
    Linger();
  } else {
    BeginRequest();
  }
}

// Closing at once would take back an answer that the client has not read yet, if it still sends.
void Connection::Linger() {
  state_ = State::kLingering;
  Arm(kLingerTime);
  thrown_away_ = buffer_.size();
  buffer_.consume(buffer_.size());
  if (tls_.has_value()) {
    tls_->async_shutdown([self = shared_from_this()](error_code) { self->Close(); });
  } else {
    error_code ignored;
    socket_.shutdown(Socket::shutdown_send, ignored);
  }
  ReadMore();
}

void Connection::Arm(absl::Duration time) {
  const uint64_t alarm = ++alarm_;
  timer_.expires_after(absl::ToChronoNanoseconds(time));
  timer_.async_wait([self = shared_from_this(), alarm](error_code error) {
    if (!error && self->alarm_ == alarm) {
      self->OnTime();
    }
  });
}

void Connection::OnTime() {
  const bool begun = header_bytes_ > 0 || buffer_.size() > 0;
  if (state_ == State::kReading && begun && !handshaking_) {
    Refuse(408, "deadline_exceeded", "The request did not arrive in time.");
  } else {
    Close();
  }
}

}  // namespace retrace::server::http
