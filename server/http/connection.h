// One HTTP/1.1 connection: reads requests, one at a time, and writes their answers.
//
// It answers by itself what never becomes a request: 400 (malformed, a header twice that must stand
// once, half a body), 408, 413, 417, 431, 501, 503 (too much at once, or draining), 505; then it
// closes, after reading on for a moment so that the answer arrives. While a request is answered it
// reads on, so that it notices a client that goes away; what it reads ahead is bounded. A client
// that ends its sending (half-closes) while it waits for its answer counts as gone: it gets none.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "server/http/asio.h"
#include "server/http/exchange.h"
#include "server/http/limits.h"

namespace retrace::server::http {

class Server;

// Lives while anything is under way on it. But for Post, everything is called on its strand.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Socket = net::generic::stream_protocol::socket;
  using Strand = net::strand<net::io_context::executor_type>;

  struct Peer {
    std::string address;     // see Request::peer
    std::string counted_as;  // see NetworkOf; empty: it has no bound
    bool refused = false;    // it is one too many: answered 503
  };

  // `tls`: null for plain text. `server` must outlive it.
  Connection(Server& server, Socket socket, Strand strand, Peer peer,
             std::shared_ptr<net::ssl::context> tls);
  ~Connection();

  // Thread-safe: runs the work on the strand; not at all once the connection is closed but for what
  // must hear of it.
  void Post(std::function<void(Connection&)> work);

  void Start();
  // Closes when idle, refuses a request that is not whole yet (503), or closes after the answer
  // under way.
  void Drain();
  void Close();

  // For Exchange.
  void SendReply(Reply reply, std::shared_ptr<HeldBytes> held);
  void BeginStream(Reply head);
  void WriteStream(std::string bytes, std::function<void(bool ok)> done);
  void EndStream();

  const Peer& peer() const { return peer_; }

 private:
  enum class State {
    kReading,    // a request, or nothing yet
    kAnswering,  // a request is with its handler, or its answer is being written
    kLingering,  // the last answer was sent; what comes is thrown away
    kClosed,
  };
  struct Outgoing {
    std::string bytes;
    std::function<void(bool ok)> done;
    size_t written = 0;
    size_t timed = 0;                              // up to where the time for writing counts
    absl::Time deadline = absl::InfiniteFuture();  // of all of it
  };
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;

  void BeginRequest();
  void ReadMore();
  void OnRead(error_code error, size_t bytes);
  void OnEnd(error_code error);
  void Parse();
  // One step of the parser; false when it cannot go on now.
  bool ParseStep();
  // False when the request is refused already.
  bool TakeHeaders();
  bool CheckHeaders();
  bool TakeBodySoFar();
  void Dispatch();
  void RefuseParse(error_code error);
  // Answers by itself and closes.
  void Refuse(int status, std::string_view code, std::string_view message);

  void WriteOut(std::string bytes, std::function<void(bool ok)> done);
  void WriteFront();
  void OnWritten(error_code error, size_t size);
  // Tells all but the first so many that they will not be written.
  void TellUnwritten(size_t but);
  void OnAnswered();
  void Linger();

  // Calls OnTime unless it is armed again or disarmed before.
  void Arm(absl::Duration time);
  void Disarm() { ++alarm_; }
  void OnTime();

  Server& server_;
  Socket socket_;
  const Strand strand_;
  const Peer peer_;
  const std::shared_ptr<net::ssl::context> tls_context_;
  std::optional<net::ssl::stream<Socket&>> tls_;
  net::steady_timer timer_;
  uint64_t alarm_ = 0;

  State state_ = State::kReading;
  std::array<char, 16 << 10> incoming_;  // what the read under way reads into
  boost::beast::flat_buffer buffer_;     // what was read and not parsed yet
  std::optional<Parser> parser_;
  Request request_;
  size_t header_bytes_ = 0;
  HeldBytes body_bytes_;
  bool reading_ = false;
  bool handshaking_ = false;
  size_t thrown_away_ = 0;

  std::weak_ptr<Exchange> exchange_;
  std::deque<Outgoing> outgoing_;
  bool close_after_ = false;  // this answer
  bool head_only_ = false;    // the request was HEAD
  bool chunked_ = false;      // the stream is
};

}  // namespace retrace::server::http
