// TLS in front of the HTTP server: certificates that change while it serves, and what is no TLS.
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/http/server.h"
#include "tests/support/daemon.h"
#include "tests/support/http_client.h"
#include "tests/support/temp_directory.h"

namespace retrace::server::http {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::HttpClient;
using testing::HttpRequest;
using Tcp = net::ip::tcp;

// A connection that trusts any certificate.
class TlsClient {
 public:
  TlsClient(int port, int version = 0) : context_(net::ssl::context::tls_client) {
    SSL_CTX_set_max_proto_version(context_.native_handle(), version);
    constexpr unsigned char kOffered[] = "\x02h2\x08http/1.1";
    SSL_CTX_set_alpn_protos(context_.native_handle(), kOffered, sizeof(kOffered) - 1);
    stream_.emplace(io_, context_);
    error_code error;
    stream_->next_layer().connect(
        Tcp::endpoint(net::ip::address_v4::loopback(), static_cast<uint16_t>(port)), error);
    stream_->handshake(net::ssl::stream_base::client, error);
    shaken_ = !error;
  }
  bool shaken() const { return shaken_; }
  // The common name of the server's certificate.
  std::string Name() {
    char name[100] = {};
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(
        SSL_get1_peer_certificate(stream_->native_handle()), X509_free);
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName, name,
                              sizeof(name));
    return name;
  }
  // What was agreed on of the protocols offered.
  std::string Protocol() {
    const unsigned char* name = nullptr;
    unsigned int size = 0;
    SSL_get0_alpn_selected(stream_->native_handle(), &name, &size);
    return std::string(reinterpret_cast<const char*>(name), size);
  }
  // What comes back until the body `end`.
  std::string Call(const std::string& request, const std::string& end) {
    error_code error;
    net::write(*stream_, net::buffer(request), error);
    std::string got;
    char piece[4096];
    while (!error && got.find(end) == std::string::npos) {
      got.append(piece, stream_->read_some(net::buffer(piece), error));
    }
    return got;
  }

 private:
  net::io_context io_;
  net::ssl::context context_;
  std::optional<net::ssl::stream<Tcp::socket>> stream_;
  bool shaken_ = false;
};

class HttpTlsTest : public ::testing::Test {
 protected:
  std::string cert() const { return directory_.Below("cert.pem"); }
  std::string key() const { return directory_.Below("key.pem"); }

  // Makes a certificate beside those in use, then puts it in their place.
  void Install(const std::string& name) {
    std::string output;
    ASSERT_EQ(
        testing::RunProgram({"/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                             "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                             "/CN=" + name, "-keyout", key() + ".new", "-out", cert() + ".new"},
                            &output),
        0)
        << output;
    fs::rename(key() + ".new", key());
    fs::rename(cert() + ".new", cert());
  }
  absl::Status Start(Limits limits = {}) {
    ServerOptions options;
    options.addresses = {"127.0.0.1:0"};
    options.socket = directory_.Below("http.sock");
    options.tls_cert = cert();
    options.tls_key = key();
    options.limits = limits;
    auto server = Server::Start(std::move(options), [](const ExchangePtr& exchange) {
      const bool large = exchange->request().path == "/large";
      exchange->Send(TextReply(200, large                     ? std::string(3 << 20, 'x') + "end"
                                    : exchange->request().tls ? "sealed"
                                                              : "open"));
    });
    if (server.ok()) server_ = *std::move(server);
    return server.status();
  }
  int port() const { return server_->ports().front(); }

  testing::TempDirectory directory_;
  std::unique_ptr<Server> server_;
};

TEST_F(HttpTlsTest, ServesWithTheCertificateOfTheMoment) {
  Install("one");
  ASSERT_TRUE(Start().ok());
  TlsClient before(port());
  ASSERT_TRUE(before.shaken());
  EXPECT_EQ(before.Name(), "one");
  EXPECT_EQ(before.Protocol(), "http/1.1");
  EXPECT_THAT(before.Call(HttpRequest("GET", "/"), "sealed"), HasSubstr("200 OK"));

  Install("two");
  EXPECT_EQ(TlsClient(port()).Name(), "two");
  // What was open goes on.
  EXPECT_THAT(before.Call(HttpRequest("GET", "/"), "sealed"), HasSubstr("200 OK"));

  std::ofstream(cert()) << "half a certif";
  EXPECT_EQ(TlsClient(port()).Name(), "two");
  Install("three");
  EXPECT_EQ(TlsClient(port()).Name(), "three");
  fs::remove(key());
  EXPECT_EQ(TlsClient(port()).Name(), "three");
}

TEST_F(HttpTlsTest, SendsLargeAnswersAndOldProtocolsNone) {
  Install("one");
  ASSERT_TRUE(Start().ok());
  const std::string got = TlsClient(port()).Call(HttpRequest("GET", "/large"), "end");
  EXPECT_GT(got.size(), 3u << 20);
  EXPECT_FALSE(TlsClient(port(), TLS1_1_VERSION).shaken());
  // The unix socket is this machine's and speaks plainly.
  EXPECT_EQ(HttpClient(directory_.Below("http.sock")).Call(HttpRequest("GET", "/")).body, "open");
}

TEST_F(HttpTlsTest, ClosesWhatIsNoTls) {
  Install("one");
  ASSERT_TRUE(Start({.handshake_time = absl::Seconds(1)}).ok());
  HttpClient plain(port());
  plain.Send(HttpRequest("GET", "/"));
  EXPECT_EQ(plain.Read().status, 0);
  HttpClient silent(port());
  EXPECT_TRUE(silent.ReadsEnd());
  EXPECT_TRUE(TlsClient(port()).shaken());
}

TEST_F(HttpTlsTest, DoesNotStartWithoutAKeyThatFits) {
  const absl::Status missing = Start();
  EXPECT_TRUE(absl::IsFailedPrecondition(missing));
  EXPECT_THAT(std::string(missing.message()), HasSubstr("No such file or directory"));
  Install("one");
  fs::copy_file(key(), directory_.Below("kept"));
  Install("two");
  fs::rename(directory_.Below("kept"), key());
  const absl::Status unfit = Start();
  EXPECT_TRUE(absl::IsFailedPrecondition(unfit));
  EXPECT_THAT(std::string(unfit.message()), HasSubstr("key.pem"));
}

}  // namespace
}  // namespace retrace::server::http
