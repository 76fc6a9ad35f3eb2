#include "tests/server/outbound/outbound_fixture.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace retrace::server {

Certificate MakeCertificate(const testing::TempDirectory& directory, const std::string& name) {
  const Certificate made{directory.Below(name + ".pem"), directory.Below(name + ".key")};
  testing::ChildProcess openssl({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                                 "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                                 "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                                 "-keyout", made.key, "-out", made.file});
  while (openssl.ReadLine().has_value()) {
  }
  return made;
}

std::string HelperFile(const std::string& name) {
  const auto program = std::filesystem::read_symlink("/proc/self/exe");
  return (program.parent_path() / "../testdata/outbound" / name).string();
}

int ClosedPort() {
  // Kept, though nobody listens there: or another test would get the port.
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    std::abort();
  }
  return ntohs(address.sin_port);
}

}  // namespace retrace::server
