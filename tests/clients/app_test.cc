// The command line as a person meets it: help, errors, exit codes, contexts, completion.
#include "clients/cli/app.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <mutex>
#include <sstream>
#include <thread>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "clients/cli/completion.h"
#include "clients/cli/config_file.h"
#include "clients/cli/nouns.h"
#include "tests/clients/fake_retrace.h"
#include "tests/support/daemon.h"
#include "tests/support/temp_directory.h"

namespace retrace::cli {
namespace {

using ::testing::ElementsAre;
using testing::FakeRetrace;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Refusal;

class AppTest : public ::testing::Test {
 protected:
  AppTest() {
    for (const char* name :
         {"RETRACE_ENDPOINT", "RETRACE_TENANT", "RETRACE_TOKEN", "RETRACE_CONTEXT", "NO_COLOR"}) {
      unsetenv(name);
    }
    setenv("RETRACE_CONFIG", directory_.Below("retrace/config.toml").c_str(), 1);
  }

  // Runs the tool with the fake server behind it.
  ExitCode Run(std::vector<std::string> words) {
    out_.str("");
    err_.str("");
    session_ = std::make_unique<Session>(out_, err_);
    if (with_server_) {
      session_->UseClient(std::make_unique<client::Client>(
          fake_.Channel(), client::ClientOptions{.timeout = timeout_}));
    }
    words.insert(words.begin(), "retrace");
    std::vector<const char*> argv;
    for (const std::string& word : words) argv.push_back(word.c_str());
    return RunTool(static_cast<int>(argv.size()), argv.data(), *session_);
  }

  testing::TempDirectory directory_;
  FakeRetrace fake_;
  bool with_server_ = true;
  absl::Duration timeout_ = absl::Seconds(30);
  std::ostringstream out_, err_;
  std::unique_ptr<Session> session_;
};

TEST_F(AppTest, WithoutArgumentsListsItsNounsOnOneScreen) {
  EXPECT_EQ(Run({}), ExitCode::kOk);
  for (const Noun& noun : Nouns()) EXPECT_THAT(out_.str(), HasSubstr(noun.name));
  const std::string screen = out_.str();
  EXPECT_LE(std::count(screen.begin(), screen.end(), '\n'), 40);
}

std::string NounOf(const CLI::App& app) {
  const CLI::App* noun = &app;
  while (noun->get_parent()->get_parent() != nullptr) noun = noun->get_parent();
  return noun->get_name();
}

void ExpectHelp(const CLI::App& app) {
  if (app.get_subcommands({}).empty()) {
    EXPECT_THAT(app.get_footer(), HasSubstr("Example:\n  ")) << app.get_name();
    EXPECT_THAT(app.get_footer(), HasSubstr("retrace ")) << app.get_name();
  }
  for (const CLI::App* sub : app.get_subcommands({})) {
    EXPECT_NE(sub->get_description(), "") << sub->get_name();
    EXPECT_THAT(sub->get_footer(), HasSubstr(absl::StrCat("retrace ", NounOf(*sub)))) << "its own";
    ExpectHelp(*sub);
  }
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional() || option->get_name() == "-h,--help") continue;
    EXPECT_FALSE(option->get_lnames().empty()) << app.get_name() << ' ' << option->get_name();
  }
}

TEST_F(AppTest, EveryVerbHasAnExampleAndLongFlags) {
  Session session(out_, err_);
  CLI::App app;
  BuildApp(app, session);
  ExpectHelp(app);
}

TEST_F(AppTest, HelpDocumentsExitCodes) {
  EXPECT_EQ(Run({"--version"}), ExitCode::kOk);
  EXPECT_THAT(out_.str(), ::testing::MatchesRegex("retrace [0-9.]+\n"));
  EXPECT_EQ(Run({"--help"}), ExitCode::kOk);
  EXPECT_THAT(out_.str(), HasSubstr("Exit codes:"));
  EXPECT_EQ(Run({"customers", "delete", "--help"}), ExitCode::kOk);
  EXPECT_THAT(out_.str(), HasSubstr("--related"));
}

TEST_F(AppTest, WrongWordsAreExplained) {
  EXPECT_EQ(Run({"custmers", "list"}), ExitCode::kUsage);
  EXPECT_THAT(err_.str(), HasSubstr("did you mean `customers`"));
  EXPECT_EQ(Run({"customers", "lst"}), ExitCode::kUsage);
  EXPECT_THAT(err_.str(), HasSubstr("did you mean `list`"));
  EXPECT_EQ(Run({"customers", "list", "--fliter", "x"}), ExitCode::kUsage);
  EXPECT_THAT(err_.str(), HasSubstr("did you mean `--filter`"));
  EXPECT_EQ(Run({"admin", "nothing"}), ExitCode::kUsage);
  EXPECT_THAT(err_.str(), HasSubstr("there are status, backup, backups, advance-clock, verify"));
  EXPECT_EQ(Run({"history", "commit", "abc", "--tenant", "acme"}), ExitCode::kUsage);
  EXPECT_THAT(err_.str(), HasSubstr("number: `abc` is no number"));
  EXPECT_EQ(Run({"customers", "get"}), ExitCode::kUsage);
  EXPECT_EQ(Run({"customers", "list", "-o", "yaml"}), ExitCode::kUsage);
  EXPECT_EQ(Run({"customers", "list"}), ExitCode::kUsage);
  EXPECT_THAT(err_.str(), HasSubstr("--tenant"));
}

TEST_F(AppTest, ExitCodesFollowTheServersAnswer) {
  const std::pair<grpc::StatusCode, ExitCode> cases[] = {
      {grpc::StatusCode::UNAVAILABLE, ExitCode::kUnavailable},
      {grpc::StatusCode::DEADLINE_EXCEEDED, ExitCode::kUnavailable},
      {grpc::StatusCode::INVALID_ARGUMENT, ExitCode::kInvalid},
      {grpc::StatusCode::NOT_FOUND, ExitCode::kNotFound},
      {grpc::StatusCode::ALREADY_EXISTS, ExitCode::kConflict},
      {grpc::StatusCode::ABORTED, ExitCode::kConflict},
      {grpc::StatusCode::FAILED_PRECONDITION, ExitCode::kPrecondition},
      {grpc::StatusCode::UNAUTHENTICATED, ExitCode::kNotAllowed},
      {grpc::StatusCode::PERMISSION_DENIED, ExitCode::kNotAllowed},
      {grpc::StatusCode::RESOURCE_EXHAUSTED, ExitCode::kExhausted},
      {grpc::StatusCode::INTERNAL, ExitCode::kFailed}};
  for (const auto& [code, expected] : cases) {
    fake_.fault = [code = code](const std::string&) { return Refusal(code, "SOME_REASON", "no"); };
    // Only this one is tried again until then.
    if (code == grpc::StatusCode::UNAVAILABLE) timeout_ = absl::Milliseconds(500);
    EXPECT_EQ(Run({"customers", "get", "x", "--tenant", "acme"}), expected) << code;
    // Under load that time may be over before the server says anything.
    if (code != grpc::StatusCode::UNAVAILABLE) {
      EXPECT_THAT(err_.str(), HasSubstr("SOME_REASON"));
    }
    timeout_ = absl::Seconds(30);
  }
}

TEST_F(AppTest, CreatesListsAndUpdates) {
  ASSERT_EQ(Run({"customers", "create", "--tenant", "acme", "--organization-name", "王氏公司",
                 "--emails", "a@x.org;b@x.org", "--set", "attributes.sector=retail"}),
            ExitCode::kOk)
      << err_.str();
  EXPECT_THAT(err_.str(), HasSubstr("committed at position"));
  ASSERT_EQ(Run({"customers", "update", "id1", "--tenant", "acme", "--add-tag", "vip", "--set",
                 "level=gold", "--reason", "asked"}),
            ExitCode::kOk)
      << err_.str();
  const v1::Customer& customer = fake_.customers.at("tenants/acme/customers/id1");
  EXPECT_EQ(customer.level(), "gold");
  EXPECT_EQ(customer.tags(0), "vip");
  EXPECT_EQ(customer.emails_size(), 2);
  ASSERT_EQ(Run({"customers", "list", "--tenant", "acme", "-o", "csv", "--all"}), ExitCode::kOk);
  EXPECT_THAT(out_.str(), HasSubstr("tenants/acme/customers/id1"));
  ASSERT_EQ(Run({"customers", "get", "id1", "--tenant", "acme"}), ExitCode::kOk);
  EXPECT_THAT(out_.str(), HasSubstr("王氏公司"));
}

TEST_F(AppTest, RacesOverTagsAreRunAgain) {
  ASSERT_EQ(Run({"customers", "create", "--tenant", "acme", "--display-name", "A"}), ExitCode::kOk);
  int races = 2;
  fake_.fault = [&](const std::string& method) {
    return method == "UpdateCustomer" && races-- > 0
               ? Refusal(grpc::StatusCode::ABORTED, "ETAG_MISMATCH", "changed meanwhile")
               : grpc::Status::OK;
  };
  EXPECT_EQ(Run({"customers", "update", "id1", "--tenant", "acme", "--add-tag", "x"}),
            ExitCode::kOk);
  races = 1;
  EXPECT_EQ(
      Run({"customers", "update", "id1", "--tenant", "acme", "--add-tag", "y", "--etag", "old"}),
      ExitCode::kConflict);
}

TEST_F(AppTest, FindsCustomersByExternalIdAndNumber) {
  for (const char* external_id : {"A-1", "A-2", "A-3"}) {
    ASSERT_EQ(Run({"customers", "create", "--tenant", "acme", "--display-name", "A",
                   "--external-id", external_id}),
              ExitCode::kOk);
  }
  ASSERT_EQ(Run({"customers", "get", "ext:A-3", "--tenant", "acme"}), ExitCode::kOk) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("tenants/acme/customers/id3"));
  EXPECT_EQ(Run({"customers", "get", "ext:none", "--tenant", "acme"}), ExitCode::kNotFound);
  // In references, too.
  ASSERT_EQ(Run({"records", "create", "--tenant", "acme", "--kind", "NOTE", "--title", "T",
                 "--customer", "ext:A-2"}),
            ExitCode::kOk)
      << err_.str();
  EXPECT_EQ(fake_.records.begin()->second.customer(), "tenants/acme/customers/id2");
  Run({"customers", "get", "42", "--number", "--tenant", "acme"});
  EXPECT_EQ(fake_.filters.back(), "number = 42");
  EXPECT_EQ(Run({"customers", "get", "#x", "--tenant", "acme"}), ExitCode::kUsage);
}

TEST_F(AppTest, SendsToOneOrToManyButNotToBoth) {
  const auto run = [this](std::vector<std::string> words) {
    words.insert(words.end(), {"--tenant", "acme"});
    return Run(words);
  };
  EXPECT_EQ(run({"customers", "deactivate"}), ExitCode::kUsage);
  EXPECT_THAT(err_.str(), HasSubstr("which? Say an ID, --filter FILTER or --ids-file FILE"));
  EXPECT_EQ(run({"customers", "deactivate", "id1", "--filter", "number = 1"}), ExitCode::kUsage);
  EXPECT_THAT(err_.str(), HasSubstr("say only one of"));
  EXPECT_EQ(run({"records", "delete", "--filter", "*", "--etag", "e1"}), ExitCode::kUsage);
  EXPECT_EQ(run({"members", "update", "id1", "--set", "team=West", "--plan"}), ExitCode::kUsage);
  EXPECT_THAT(err_.str(), HasSubstr("a plan is of --filter or --ids-file"));
  for (const std::string flag : {"--add-tag", "--remove-tag", "--attribute", "--clear"}) {
    EXPECT_EQ(run({"customers", "update", "--filter", "*", flag, "attributes.x=y"}),
              ExitCode::kUsage);
    EXPECT_THAT(err_.str(), HasSubstr("only whole fields")) << flag;
  }
  EXPECT_EQ(run({"customers", "delete", "--ids-file", directory_.path()}), ExitCode::kFile);
  EXPECT_EQ(run({"customers", "delete", "--ids-file", "/dev/null"}), ExitCode::kUsage);
  EXPECT_THAT(err_.str(), HasSubstr("no ids are given"));
  EXPECT_EQ(run({"customers", "delete", "--filter", "*", "--on-drift", "wait"}), ExitCode::kUsage);
  EXPECT_THAT(fake_.methods, ElementsAre()) << "nothing was sent";
}

TEST_F(AppTest, AnOperationOnTheBinSaysOnWhat) {
  for (const std::string verb : {"purge", "restore"}) {
    EXPECT_EQ(Run({"bin", verb, "--operation", "--reason", "r", "--tenant", "acme"}),
              ExitCode::kUsage);
    EXPECT_THAT(err_.str(), HasSubstr("which? Say names, --kind KIND or --filter FILTER"));
  }
  EXPECT_THAT(fake_.methods, ElementsAre()) << "nothing was sent";
}

TEST_F(AppTest, OutputThatCannotBeWrittenIsAFileError) {
  out_.setstate(std::ios::badbit);
  session_ = std::make_unique<Session>(out_, err_);
  const char* const argv[] = {"retrace", "context", "list"};
  EXPECT_EQ(RunTool(3, argv, *session_), ExitCode::kFile);
  EXPECT_THAT(err_.str(), HasSubstr("cannot write the output"));
}

TEST_F(AppTest, AsOfATimeIsReadInTheTenantsZoneAndSaidSo) {
  Run({"customers", "create", "--tenant", "acme", "--display-name", "A"});
  ASSERT_EQ(Run({"customers", "get", "id1", "--tenant", "acme", "--as-of", "2026-03-31 18:00"}),
            ExitCode::kOk)
      << err_.str();
  EXPECT_THAT(err_.str(), HasSubstr("as of 2026-03-31T18:00:00+08:00 (Asia/Shanghai)"));
  EXPECT_EQ(Run({"customers", "get", "id1", "--tenant", "acme", "--as-of", "someday"}),
            ExitCode::kUsage);
}

TEST_F(AppTest, ContextsAreKeptPrivatelyAndChosenByPrecedence) {
  with_server_ = false;
  ASSERT_EQ(Run({"context", "set", "home", "--endpoint", "127.0.0.1:1", "--tenant", "acme",
                 "--token", "a-very-secret-token"}),
            ExitCode::kOk)
      << err_.str();
  ASSERT_EQ(Run({"context", "set", "work", "--endpoint", "127.0.0.1:2", "--tenant", "big"}),
            ExitCode::kOk);
  struct stat file {};
  ASSERT_EQ(stat(ConfigurationPath().c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600u);
  ASSERT_EQ(Run({"context", "show"}), ExitCode::kOk);
  EXPECT_THAT(out_.str(), HasSubstr("127.0.0.1:1"));
  EXPECT_THAT(out_.str(), Not(HasSubstr("secret")));
  Run({"context", "list"});
  EXPECT_THAT(out_.str(), Not(HasSubstr("secret")));
  setenv("RETRACE_TENANT", "from-env", 1);
  Run({"context", "show"});
  EXPECT_THAT(out_.str(), HasSubstr("from-env")) << "environment before file";
  Run({"context", "show", "--tenant", "from-flag"});
  EXPECT_THAT(out_.str(), HasSubstr("from-flag")) << "flag before environment";
  Run({"context", "show", "--context", "work"});
  EXPECT_THAT(out_.str(), HasSubstr("big")) << "a named context is a flag";
  ASSERT_EQ(Run({"context", "use", "work"}), ExitCode::kOk);
  Run({"context", "show"});
  EXPECT_THAT(out_.str(), HasSubstr("127.0.0.1:2"));
  EXPECT_EQ(Run({"context", "use", "nowhere"}), ExitCode::kNotFound);
  EXPECT_EQ(Run({"context", "show", "--context", "nowhere"}), ExitCode::kUsage);
  std::ofstream(ConfigurationPath()) << "current = \n";
  EXPECT_EQ(Run({"context", "show"}), ExitCode::kUsage);
  EXPECT_THAT(err_.str(), HasSubstr("line 1"));
  EXPECT_EQ(Run({"context", "set", "x", "--token-file", "a", "--token", "b"}), ExitCode::kUsage);
  std::ofstream(ConfigurationPath(), std::ios::trunc);
  EXPECT_EQ(Run({"context", "set", "x"}), ExitCode::kUsage);
  EXPECT_THAT(err_.str(), HasSubstr("nothing to keep"));
}

TEST_F(AppTest, MissingTokenFileIsAFileError) {
  with_server_ = false;
  EXPECT_EQ(
      Run({"customers", "list", "--tenant", "acme", "--token-file", directory_.Below("nothing")}),
      ExitCode::kFile);
  EXPECT_THAT(err_.str(), HasSubstr("nothing"));
  EXPECT_EQ(Run({"customers", "list", "--tenant", "acme", "--token-file", directory_.path()}),
            ExitCode::kFile);
  EXPECT_THAT(err_.str(), HasSubstr("Is a directory"));
  std::ofstream(directory_.Below("words")) << "no token at all\n";
  EXPECT_EQ(
      Run({"customers", "list", "--tenant", "acme", "--token-file", directory_.Below("words")}),
      ExitCode::kUsage);
  EXPECT_THAT(err_.str(), HasSubstr("is no token"));
}

TEST_F(AppTest, SaysSoonThatThereIsNoServer) {
  with_server_ = false;
  const std::string endpoint = "unix:" + directory_.Below("nobody.sock");
  EXPECT_EQ(Run({"customers", "list", "--tenant", "acme", "--endpoint", endpoint, "--timeout", "9h",
                 "--connect-timeout", "50ms"}),
            ExitCode::kUnavailable);
  EXPECT_THAT(err_.str(), HasSubstr("no server answers at " + endpoint));
  EXPECT_THAT(err_.str(), HasSubstr("is the server running"));
  EXPECT_EQ(Run({"watch", "--tenant", "acme", "--endpoint", endpoint, "--timeout", "50ms"}),
            ExitCode::kUnavailable);
  EXPECT_EQ(Run({"customers", "list", "--tenant", "acme", "--connect-timeout", "soon"}),
            ExitCode::kUsage);
  EXPECT_THAT(err_.str(), HasSubstr("--connect-timeout: `soon`"));
}

// A server that goes away when it is first called, and is back after a while.
class RestartingServer {
 public:
  RestartingServer(const std::string& socket, absl::Duration away)
      : server_(std::make_unique<FakeRetrace>(socket)) {
    server_->fault = [this](const std::string&) {
      reached_ = true;
      Leave();
      return grpc::Status(grpc::StatusCode::UNAVAILABLE, "cut");
    };
    restart_ = std::thread([this, socket, away] {
      leave_.WaitForNotification();
      server_->Shutdown();
      ids_before_ = server_->request_ids;
      server_.reset();
      if (reached_) absl::SleepFor(away);
      server_ = std::make_unique<FakeRetrace>(socket);
    });
  }
  ~RestartingServer() { End(); }

  // When nobody calls any more. False when nobody ever did.
  bool End() {
    Leave();
    if (restart_.joinable()) restart_.join();
    return reached_;
  }
  // After End.
  const FakeRetrace& now() const { return *server_; }
  const std::vector<std::string>& ids_before() const { return ids_before_; }

 private:
  void Leave() {
    std::call_once(left_, [this] { leave_.Notify(); });
  }

  std::once_flag left_;
  absl::Notification leave_;
  std::atomic<bool> reached_ = false;
  std::vector<std::string> ids_before_;
  std::unique_ptr<FakeRetrace> server_;
  std::thread restart_;
};

TEST_F(AppTest, WaitsForAServerThatItHasReached) {
  with_server_ = false;
  bool reached = false;
  // On a machine that is busy with other things, connecting takes its time, too.
  for (auto patience = absl::Milliseconds(100); !reached && patience < absl::Seconds(20);
       patience *= 3) {
    const std::string socket = directory_.Below(absl::FormatDuration(patience));
    RestartingServer server(socket, 3 * patience);
    const ExitCode code = Run({"customers", "create", "--tenant", "acme", "--display-name", "A",
                               "--endpoint", "unix:" + socket, "--connect-timeout",
                               absl::FormatDuration(patience), "--timeout", "5m"});
    reached = server.End();
    EXPECT_EQ(code, reached ? ExitCode::kOk : ExitCode::kUnavailable) << err_.str();
    if (!reached) continue;
    EXPECT_THAT(server.now().request_ids, ElementsAre(server.ids_before().at(0)))
        << "the same command";
    EXPECT_EQ(server.now().customers.size(), 1u);
  }
  EXPECT_TRUE(reached);
}

TEST_F(AppTest, AWatchOfTheInboxOutlastsCutsHoweverQuietItWas) {
  fake_.cuts = 2;
  timeout_ = absl::Seconds(1);
  fake_.quiet = 2 * timeout_;
  ASSERT_EQ(Run({"notifications", "watch", "--tenant", "acme", "--limit", "1"}), ExitCode::kOk)
      << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("Customer “A” was deleted"));
  EXPECT_EQ(err_.str(), "0 unread\n0 unread\n0 unread\n1 unread\n");
  // What came in between is told.
  EXPECT_THAT(fake_.watched_from, ElementsAre(0, 2, 3));
}

std::string Read(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// A small tree whose scripts are kept in full.
std::unique_ptr<CLI::App> SmallTree() {
  auto app = std::make_unique<CLI::App>("a small tool");
  app->name("small");
  app->set_help_flag("-h,--help", "help");
  app->add_option_function<std::string>(
      "-o,--output", [](const std::string&) {}, "format");
  CLI::App* noun = app->add_subcommand("things", "what there is");
  CLI::App* list = noun->add_subcommand("list", "lists things, isn't it");
  list->add_flag_function(
      "--all", [](int64_t) {}, "all of them");
  noun->add_subcommand("get", "one thing")
      ->add_option_function<std::string>(
          "--file", [](const std::string&) {}, "where");
  app->add_subcommand("version", "which one");
  return app;
}

TEST(Completion, ScriptsAreAsKept) {
  const auto app = SmallTree();
  const std::string data = testing::ProgramDirectory() + "/../testdata/clients/completion";
  const std::pair<const char*, std::string> scripts[] = {{".bash", BashCompletion(*app)},
                                                         {".zsh", ZshCompletion(*app)},
                                                         {".fish", FishCompletion(*app)}};
  for (const auto& [ending, script] : scripts) {
    // Run once with RETRACE_UPDATE_GOLDEN=1 after a change that is meant, and read the difference.
    if (std::getenv("RETRACE_UPDATE_GOLDEN") != nullptr) std::ofstream(data + ending) << script;
    EXPECT_EQ(script, Read(data + ending));
  }
}

TEST(Completion, BashCompletesTheRealTree) {
  testing::TempDirectory directory;
  std::ostringstream out, err;
  Session session(out, err);
  CLI::App app;
  BuildApp(app, session);
  std::ofstream(directory.Below("retrace.bash")) << BashCompletion(app);
  const auto complete = [&](const std::string& words, int at) {
    const std::string command = "bash -c 'set -e; source " + directory.Below("retrace.bash") +
                                "; COMP_WORDS=(" + words + "); COMP_CWORD=" + std::to_string(at) +
                                "; _retrace; echo \"${COMPREPLY[@]}\"' > " + directory.Below("out");
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
    return Read(directory.Below("out"));
  };
  EXPECT_EQ(complete("retrace cust", 1), "customers\n");
  EXPECT_EQ(complete("retrace customers undel", 2), "undelete\n");
  EXPECT_EQ(complete("retrace customers list --show-d", 3), "--show-deleted\n");
  EXPECT_EQ(complete("retrace customers list --as", 3), "--as-of\n");
  EXPECT_EQ(complete("retrace -o js", 2), "json jsonl\n");
  EXPECT_EQ(complete("retrace --tenant demo cust", 3), "customers\n");
  EXPECT_EQ(complete("retrace --tenant = customers rec", 4), "records\n");
  EXPECT_EQ(complete("retrace --no-color customers undel", 3), "undelete\n");
  EXPECT_EQ(complete("retrace customers delete x --related k", 5), "keep\n");
  EXPECT_EQ(complete("retrace operations c", 2), "cancel\n");
  EXPECT_EQ(complete("retrace undo 7 --operation --on-drift s", 5), "stop skip\n");
}

}  // namespace
}  // namespace retrace::cli
