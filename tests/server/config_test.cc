#include "server/config.h"

#include <fstream>
#include <map>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/exit_codes.h"
#include "server/outbox_options.h"
#include "tests/support/temp_directory.h"

namespace retrace::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ConfigTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& text) {
    const std::string file = directory_.Below("retraced.toml");
    std::ofstream(file) << text;
    return file;
  }
  static absl::Status Environ(const std::map<std::string, std::string>& variables, Config& config) {
    return ApplyEnvironment(
        [&](const char* name) -> const char* {
          const auto found = variables.find(name);
          return found == variables.end() ? nullptr : found->second.c_str();
        },
        config);
  }

  testing::TempDirectory directory_;
  Config config_;
};

TEST_F(ConfigTest, TheEnvironmentGoesBeforeTheFile) {
  ASSERT_TRUE(ApplyFile(Write("data_dir = \"file\"\ncache_mib = 64\nlog_level = \"warn\"\n"
                              "listen = [\"127.0.0.1:1\", \"127.0.0.1:2\"]\n"),
                        config_)
                  .ok());
  ASSERT_TRUE(
      Environ({{"RETRACED_CACHE_MIB", "128"}, {"RETRACED_LISTEN", "127.0.0.1:3"}}, config_).ok());
  EXPECT_EQ(config_.data_dir, "file");
  EXPECT_EQ(config_.cache_mib, 128);
  EXPECT_EQ(config_.log_level, "warn");
  EXPECT_THAT(config_.listen, ElementsAre("127.0.0.1:3"));
}

TEST_F(ConfigTest, NamesLineAndSettingOfAFault) {
  for (const char* text : {"\ndata_dri = \"x\"", "\ncache_mib = \"many\"", "\nlisten = [1]",
                           "\nlisten = 7", "\nlog_level = 1", "\ndata_dir = \"x"}) {
    const absl::Status status = ApplyFile(Write(text), config_);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr("line 2")) << text;
  }
  EXPECT_THAT(std::string(ApplyFile(directory_.Below("missing"), config_).message()),
              HasSubstr("cannot be read"));
  EXPECT_THAT(std::string(Environ({{"RETRACED_CACHE_MIB", "8x"}}, config_).message()),
              HasSubstr("RETRACED_CACHE_MIB"));
}

TEST_F(ConfigTest, CompletesPathsFromTheDataDirectory) {
  config_.data_dir = "d";
  config_.token_file = "elsewhere";
  config_.socket = "none";
  config_.metrics_file = "none";
  config_.listen = {"none"};
  config_.Complete();
  EXPECT_EQ(config_.witness_dir, "d/witness");
  EXPECT_EQ(config_.token_file, "elsewhere");
  EXPECT_EQ(config_.master_key_file, "d/master.key");
  EXPECT_EQ(config_.socket, "");
  EXPECT_EQ(config_.metrics_file, "");
  EXPECT_TRUE(config_.listen.empty());
}

// Where gRPC takes no TCP, HTTP takes none unless it is told to.
TEST_F(ConfigTest, ServesHttpBesideGrpc) {
  config_.data_dir = "d";
  Config local = config_;
  config_.Complete();
  EXPECT_EQ(config_.http_listen, std::vector<std::string>{"127.0.0.1:7234"});
  EXPECT_EQ(config_.http_socket, "d/http.sock");
  local.listen = {"none"};
  Config told = local;
  local.Complete();
  EXPECT_TRUE(local.http_listen.empty());
  told.http_listen = {"127.0.0.1:0"};
  told.Complete();
  EXPECT_EQ(told.http_listen, std::vector<std::string>{"127.0.0.1:0"});
}

TEST_F(ConfigTest, SaysWhatIsWrongWithHttp) {
  const auto message = [this](auto Config::*setting, auto value) {
    Config config = config_;
    config.*setting = value;
    return std::string(config.Check().message());
  };
  using List = std::vector<std::string>;
  EXPECT_THAT(message(&Config::http_listen, List{"none", "127.0.0.1:1"}), HasSubstr("http_listen"));
  EXPECT_THAT(message(&Config::http_tls_cert, "cert.pem"), HasSubstr("http_tls_key"));
  EXPECT_THAT(message(&Config::http_origins, List{"crm.example.com"}),
              HasSubstr("crm.example.com"));
  for (const std::string wrong :
       {"https://a.b/", "https://a.b:443", "http://a.b:80", "https://A.b", "https://a b"}) {
    EXPECT_THAT(message(&Config::http_origins, List{wrong}), HasSubstr(wrong));
  }
  EXPECT_EQ(message(&Config::http_origins, List{"https://a.b:8443", "http://a.b"}), "");
  EXPECT_THAT(message(&Config::http_trusted_proxies, List{"nginx"}), HasSubstr("nginx"));
  EXPECT_THAT(message(&Config::http_connections, int64_t{0}), HasSubstr("http_connections"));
}

TEST_F(ConfigTest, PrintsAFileThatSaysTheSame) {
  config_.data_dir = "with \"quotes\" and \\";
  config_.listen = {"127.0.0.1:1", "[::1]:2"};
  config_.cache_mib = 99;
  Config again;
  ASSERT_TRUE(ApplyFile(Write(config_.AsToml()), again).ok());
  EXPECT_EQ(again.AsToml(), config_.AsToml());
}

TEST_F(ConfigTest, ServesReflectionToThisMachineOnly) {
  EXPECT_TRUE(config_.ServesReflection());
  config_.listen = {"127.0.0.1:1", "0.0.0.0:1"};
  EXPECT_FALSE(config_.ServesReflection());
  config_.reflection = "on";
  EXPECT_TRUE(config_.ServesReflection());
  config_.listen = {"[::1]:1"};
  config_.reflection = "off";
  EXPECT_FALSE(config_.ServesReflection());
}

TEST_F(ConfigTest, ChecksValues) {
  EXPECT_TRUE(config_.Check().ok());
  config_.cache_mib = 1;
  EXPECT_FALSE(config_.Check().ok());
  config_ = {};
  config_.reflection = "maybe";
  EXPECT_FALSE(config_.Check().ok());
  config_ = {};
  config_.query_threads = 0;
  EXPECT_FALSE(config_.Check().ok());
  config_ = {};
  config_.data_dir = "";
  EXPECT_FALSE(config_.Check().ok());
}

TEST_F(ConfigTest, ChecksTheScheduleOfBackups) {
  config_.backup_every = 0;
  ASSERT_TRUE(config_.Check().ok()) << config_.Check();
  for (const auto setting :
       {&Config::backup_every, &Config::backup_keep, &Config::key_backup_keep}) {
    for (const int64_t wrong : {-1, 100'000}) {
      Config config = config_;
      config.*setting = wrong;
      EXPECT_THAT(std::string(config.Check().message()), HasSubstr("backup_")) << wrong;
    }
  }
  // One at least, or the last good one would go.
  config_.backup_keep = 0;
  EXPECT_FALSE(config_.Check().ok());
}

TEST_F(ConfigTest, ChecksWhatGoesOutside) {
  config_.smtp_url = "smtp://mail.example.com:587";
  config_.mail_from = "Retrace <crm@example.com>";
  config_.public_url = "https://crm.example.com";
  config_.webhook_allow = {"10.0.0.0/8"};
  ASSERT_TRUE(config_.Check().ok()) << config_.Check();
  const auto fault = [&](std::string Config::*setting, const std::string& value) {
    Config wrong = config_;
    wrong.*setting = value;
    return std::string(wrong.Check().message());
  };
  EXPECT_THAT(fault(&Config::smtp_url, "mail.example.com"), HasSubstr("`smtp_url`"));
  EXPECT_THAT(fault(&Config::smtp_url, "smtp://me:pw@mail.example.com"), HasSubstr("`smtp_url`"));
  for (const std::string url : {"smtp://", "smtp://:25", "smtp://127.0.0.1:", "smtp:///name"}) {
    EXPECT_THAT(fault(&Config::smtp_url, url), HasSubstr("`smtp_url`")) << url;
  }
  EXPECT_THAT(fault(&Config::smtp_tls, "yes"), HasSubstr("`smtp_tls`"));
  EXPECT_THAT(fault(&Config::smtp_user, "me"), HasSubstr("`smtp_user`"));
  EXPECT_THAT(fault(&Config::mail_from, ""), HasSubstr("`mail_from`"));
  EXPECT_THAT(fault(&Config::mail_from, "a@b\r\nBcc: c@d"), HasSubstr("`mail_from`"));
  EXPECT_THAT(fault(&Config::mail_reply_to, "nobody"), HasSubstr("`mail_reply_to`"));
  EXPECT_THAT(fault(&Config::public_url, "http://crm.example.com"), HasSubstr("`public_url`"));
  for (const std::string url : {"https://crm.example.com/", "https://crm.例子.com"}) {
    EXPECT_THAT(fault(&Config::public_url, url), HasSubstr("`public_url`"));
  }
  EXPECT_THAT(fault(&Config::public_url, "https://" + std::string(300, 'a')),
              HasSubstr("`public_url`"));
  config_.webhook_allow = {"10.0.0.0/40"};
  EXPECT_THAT(std::string(config_.Check().message()), HasSubstr("`webhook_allow`"));
}

TEST_F(ConfigTest, MakesSettingsIntoWhatSends) {
  EXPECT_TRUE(OutboxOptionsOf(config_)->mail.url.empty());
  config_.smtp_url = "smtp://mail.example.com";
  config_.mail_from = "Retrace <crm@example.com>";
  config_.mail_reply_to = "sales@example.com";
  config_.smtp_user = "me";
  config_.smtp_password_file = directory_.Below("password");
  EXPECT_THAT(std::string(OutboxOptionsOf(config_).status().message()),
              HasSubstr("`smtp_password_file`"));
  std::ofstream(config_.smtp_password_file) << "secret\n";
  const absl::StatusOr<OutboxOptions> options = OutboxOptionsOf(config_);
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->mail.password, "secret");
  EXPECT_EQ(options->mail.sender.from.name, "Retrace");
  EXPECT_EQ(options->mail.sender.reply_to->address, "sales@example.com");
  EXPECT_EQ(options->mail.tls, MailTls::kRequired);
  config_.smtp_tls = "if-offered";
  EXPECT_FALSE(config_.Check().ok()) << "the password could be read on the way";
  config_.smtp_tls = "never";
  EXPECT_FALSE(config_.Check().ok()) << "the password could be read on the way";
  for (const std::string host : {"localhost", "127.0.0.1:25/crm", "[::1]:25"}) {
    config_.smtp_url = "smtp://" + host;
    EXPECT_TRUE(config_.Check().ok()) << host << config_.Check();
  }
  config_.smtp_url = "smtp://localhost.example.com";
  EXPECT_FALSE(config_.Check().ok());
}

TEST(ExitCodeTest, TellsThePartsApart) {
  const PartPlaces places{"d/keys", "d/master.key", "d/rows"};
  const auto code = [&](const absl::Status& status) { return ExitCodeOf(status, places); };
  EXPECT_EQ(code(absl::OkStatus()), ExitCode::kOk);
  EXPECT_EQ(code(absl::DataLossError("opening the log in d/log: damaged")), ExitCode::kLog);
  EXPECT_EQ(code(absl::FailedPreconditionError("differ; see retraced accept-loss")),
            ExitCode::kWitness);
  EXPECT_EQ(code(absl::FailedPreconditionError("master key file d/master.key: no")),
            ExitCode::kKeys);
  EXPECT_EQ(code(absl::DataLossError("keys in d/keys: damaged")), ExitCode::kKeys);
  EXPECT_EQ(code(absl::UnavailableError("rows in d/rows: failed")), ExitCode::kRows);
  EXPECT_EQ(code(absl::FailedPreconditionError("d/log: another process has it open")),
            ExitCode::kInUse);
  EXPECT_EQ(code(absl::ResourceExhaustedError("the disk is full")), ExitCode::kDisk);
}

}  // namespace
}  // namespace retrace::server
