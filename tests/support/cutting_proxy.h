// A proxy that cuts connections at the worst moment: when the server has answered, and before the
// client has heard it.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace retrace::testing {

// Forwards HTTP/2 between two unix sockets, frame by frame. Every second response is not forwarded:
// its first HEADERS frame ends both sides of the connection instead. Threads of its own; ends them
// when destroyed.
class CuttingProxy {
 public:
  // Listens on `socket`, forwards to `upstream`; both are paths.
  CuttingProxy(std::string socket, std::string upstream);
  ~CuttingProxy();
  CuttingProxy(const CuttingProxy&) = delete;
  CuttingProxy& operator=(const CuttingProxy&) = delete;

  uint64_t cuts() const { return cuts_; }
  uint64_t responses() const { return responses_; }

 private:
  void Accept();
  void Serve(int client);
  // Forwards what came from the server; false when the connection is to be cut.
  bool ForwardFrames(std::string& pending, int client);

  const std::string socket_;
  const std::string upstream_;
  int listener_ = -1;
  std::atomic<bool> stop_ = false;
  std::atomic<uint64_t> responses_ = 0;
  std::atomic<uint64_t> cuts_ = 0;
  std::vector<std::thread> connections_;
  std::thread accepting_;
};

}  // namespace retrace::testing
