// Puts load on a server and prints one line of JSON with what it measured.
//
// clang-format off
//   load echo --target T --seconds S            the yardstick: echoes of a message of a usual size
//   load fill --target T --token K --count N    creates customers, 500 a commit
//   load mix  --target T --token K --seconds S  40 % update of one indexed field, 20 % create,
//                                               delete, undelete each
//   load page|get|search|get-as-of|page-as-of ...   single calls, one after the other
// clang-format on
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "fmt/format.h"
#include "retrace/v1/customers.pb.h"
#include "retrace/v1/history.pb.h"
#include "tests/bench/h2_client.h"

namespace retrace::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Settings {
  LoadOptions load;
  std::string tenant = "bench";
  double seconds = 5;
  int64_t count = 0;  // calls, or customers of `fill`; 0: as many as fit into `seconds`
  int64_t customers = 100'000;
  int64_t as_of = 0;
  std::string query, order_by, filter;
  bool show_deleted = false;
  int page_size = 50;
  uint64_t seed = 1;
  int batch = 500;
};

// What a run measured.
class Figures {
 public:
  void Add(const Reply& reply) {
    latencies_.push_back(reply.latency_ns);
    ++statuses_[reply.grpc_status];
  }
  void Print(double seconds, const std::string& more = "") {
    std::sort(latencies_.begin(), latencies_.end());
    auto at = [this](double share) {
      return latencies_.empty()
                 ? 0.0
                 : latencies_[static_cast<size_t>(share * (latencies_.size() - 1))] / 1e3;
    };
    std::string statuses;
    for (const auto& [status, count] : statuses_) {
      statuses += fmt::format("{}\"{}\": {}", statuses.empty() ? "" : ", ", status, count);
    }
    fmt::print(
        "{{\"calls\": {}, \"seconds\": {:.3f}, \"per_second\": {:.1f}, \"p50_us\": {:.1f}, "
        "\"p99_us\": {:.1f}, "
        "\"p999_us\": {:.1f}, \"max_us\": {:.1f}, \"statuses\": {{{}}}{}}}\n",
        latencies_.size(), seconds, latencies_.size() / seconds, at(0.5), at(0.99), at(0.999),
        at(1), statuses, more);
  }

 private:
  std::vector<int64_t> latencies_;
  std::map<int, int64_t> statuses_;
};

constexpr std::array kGiven = {"Ann",   "Bernd", "Chloé", "Dmitri", "Eszter",
                               "Farid", "Grace", "Hana",  "Ivo",    "Jürgen"};
constexpr std::array kFamily = {"Callahan", "Ferrell", "Horn",  "Shepard", "Watson",
                                "Okafor",   "Nguyen",  "Rossi", "Kim",     "Díaz"};
constexpr std::array kPlaces = {"北京", "上海", "广州", "深圳", "杭州",
                                "南京", "成都", "武汉", "西安", "苏州"};
constexpr std::array kTrades = {"科技", "贸易", "食品", "机械", "电子",
                                "服装", "建材", "医药", "物流", "传媒"};
constexpr std::array kLevels = {"gold", "silver", "bronze", "iron"};

// The same customer for the same number: usual in size and in what is indexed. One in ten has a
// Chinese name.
v1::Customer CustomerOf(int64_t number) {
  std::mt19937_64 random(static_cast<uint64_t>(number) * 0x9E3779B97F4A7C15u + 1);
  v1::Customer customer;
  if (number % 10 == 3) {
    customer.set_organization_name(
        fmt::format("{}{}{}有限公司", kPlaces[random() % 10], kTrades[random() % 10], number));
  } else {
    customer.set_given_name(fmt::format("{}{}", kGiven[random() % 10], random() % 1000));
    customer.set_family_name(fmt::format("{}{}", kFamily[random() % 10], number));
  }
  customer.set_level(kLevels[random() % 4]);
  customer.add_phones()->set_raw(fmt::format("+1 415 555 {:04}", number % 10000));
  customer.add_emails(fmt::format("c{}@example.com", number));
  customer.set_external_id(fmt::format("X{}", number));
  customer.add_addresses()->set_region_code("US");
  return customer;
}

// Never the same in two runs, whatever their seed.
std::string RequestId() {
  static std::mt19937_64 random(std::random_device{}());
  return fmt::format("{:016x}{:016x}", random(), random());
}

// Runs calls made by `make` until time or count is over.
template <typename Make, typename Take>
double Drive(const Settings& settings, Make make, Take take) {
  const auto begin = Clock::now();
  const auto end = begin + std::chrono::duration_cast<Clock::duration>(
                               std::chrono::duration<double>(settings.seconds));
  int64_t made = 0;
  RunLoad(
      settings.load,
      [&](Call& call) {
        if (settings.count > 0 ? made >= settings.count : Clock::now() >= end) return false;
        if (!make(call)) return false;
        ++made;
        return true;
      },
      take);
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

void Echo(const Settings& settings) {
  v1::CreateCustomerRequest request;
  request.set_parent("tenants/bench");
  *request.mutable_customer() = CustomerOf(1);
  const std::string message = request.SerializeAsString();
  Figures figures;
  const double seconds = Drive(
      settings,
      [&](Call& call) {
        call = {.path = "/retrace.bench.Echo/Echo", .message = message};
        return true;
      },
      [&](const Reply& reply) { figures.Add(reply); });
  figures.Print(seconds);
}

void Fill(Settings settings) {
  int64_t next = 0;
  const int64_t customers = settings.count;
  settings.count = (customers + settings.batch - 1) / settings.batch;
  Figures figures;
  const double seconds = Drive(
      settings,
      [&](Call& call) {
        v1::BatchCreateCustomersRequest request;
        request.set_parent("tenants/" + settings.tenant);
        request.mutable_options()->set_request_id(RequestId());
        for (int i = 0; i < settings.batch && next < customers; ++i) {
          *request.add_requests()->mutable_customer() = CustomerOf(next++);
        }
        call = {.path = "/retrace.v1.Customers/BatchCreateCustomers",
                .message = request.SerializeAsString()};
        return true;
      },
      [&](const Reply& reply) { figures.Add(reply); });
  figures.Print(seconds, fmt::format(", \"customers\": {}, \"customers_per_second\": {:.0f}", next,
                                     next / seconds));
}

// The names of the first `count` customers, by number.
std::vector<std::string> ListNames(const Settings& settings, int64_t count) {
  std::vector<std::string> names;
  std::string token;
  LoadOptions one = settings.load;
  one.connections = one.streams = 1;
  bool asked = false, more = true;
  RunLoad(
      one,
      [&](Call& call) {
        if (asked || !more || static_cast<int64_t>(names.size()) >= count) return false;
        v1::ListCustomersRequest request;
        request.set_parent("tenants/" + settings.tenant);
        request.set_page_size(1000);
        request.set_page_token(token);
        call = {.path = "/retrace.v1.Customers/ListCustomers",
                .message = request.SerializeAsString()};
        asked = true;
        return true;
      },
      [&](const Reply& reply) {
        asked = false;
        v1::ListCustomersResponse response;
        if (reply.grpc_status != 0 || !response.ParseFromString(reply.message)) {
          fmt::print(stderr, "load: listing failed with status {}\n", reply.grpc_status);
          std::exit(1);
        }
        for (const v1::Customer& customer : response.customers()) names.push_back(customer.name());
        token = response.next_page_token();
        more = !token.empty();
      });
  return names;
}

// 40 % update of one indexed field, 20 % create, 20 % delete, 20 % undelete; every command has a
// request id and its target is in the state that it needs.
class Mix {
 public:
  Mix(const Settings& settings, std::vector<std::string> names)
      : settings_(settings),
        random_(settings.seed),
        live_(names.begin(), names.end()),
        next_(settings.customers + static_cast<int64_t>(settings.seed) * 10'000'000) {}

  bool Make(Call& call) {
    const uint64_t dice = random_() % 10;
    if (dice < 4 && !live_.empty())
      Update(call);
    else if (dice < 6)
      Create(call);
    else if ((dice < 8 || deleted_.empty()) && !live_.empty())
      Delete(call);
    else if (!deleted_.empty())
      Undelete(call);
    else
      Create(call);
    return true;
  }

  void Take(const Reply& reply) {
    auto it = moving_.find(reply.tag);
    if (it == moving_.end()) return;
    (it->second.to_bin ? deleted_ : live_).push_back(std::move(it->second.name));
    moving_.erase(it);
  }

 private:
  struct Moving {
    std::string name;
    bool to_bin;
  };

  static std::string Pick(std::deque<std::string>& names) {
    std::string name = std::move(names.front());
    names.pop_front();
    return name;
  }
  void Options(v1::CommandOptions& options) { options.set_request_id(RequestId()); }

  void Update(Call& call) {
    v1::UpdateCustomerRequest request;
    std::string name = Pick(live_);
    request.mutable_customer()->set_name(name);
    request.mutable_customer()->set_level(
        fmt::format("{}{}", kLevels[random_() % 4], random_() % 100));
    request.mutable_update_mask()->add_paths("level");
    Options(*request.mutable_options());
    Send(call, "UpdateCustomer", request, std::move(name), false);
  }
  void Create(Call& call) {
    v1::CreateCustomerRequest request;
    request.set_parent("tenants/" + settings_.tenant);
    *request.mutable_customer() = CustomerOf(next_++);
    Options(*request.mutable_options());
    call = {.path = "/retrace.v1.Customers/CreateCustomer",
            .message = request.SerializeAsString(),
            .tag = 0};
  }
  void Delete(Call& call) {
    v1::DeleteCustomerRequest request;
    std::string name = Pick(live_);
    request.set_name(name);
    request.mutable_related()->set_all(v1::RelatedRecords::DELETE);
    Options(*request.mutable_options());
    request.mutable_options()->set_reason("bench");
    Send(call, "DeleteCustomer", request, std::move(name), true);
  }
  void Undelete(Call& call) {
    v1::UndeleteCustomerRequest request;
    std::string name = Pick(deleted_);
    request.set_name(name);
    Options(*request.mutable_options());
    request.mutable_options()->set_reason("bench");
    Send(call, "UndeleteCustomer", request, std::move(name), false);
  }
  template <typename Request>
  void Send(Call& call, const char* method, const Request& request, std::string name, bool to_bin) {
    moving_[++tag_] = {std::move(name), to_bin};
    call = {.path = fmt::format("/retrace.v1.Customers/{}", method),
            .message = request.SerializeAsString(),
            .tag = tag_};
  }

  const Settings& settings_;
  std::mt19937_64 random_;
  std::deque<std::string> live_, deleted_;
  std::map<uint64_t, Moving> moving_;
  uint64_t tag_ = 0;
  int64_t next_;
};

void RunMix(const Settings& settings) {
  std::vector<std::string> names = ListNames(settings, settings.customers);
  std::shuffle(names.begin(), names.end(), std::mt19937_64(settings.seed));
  Mix mix(settings, std::move(names));
  Figures figures;
  const double seconds = Drive(
      settings, [&](Call& call) { return mix.Make(call); },
      [&](const Reply& reply) {
        figures.Add(reply);
        mix.Take(reply);
      });
  figures.Print(seconds);
}

// Updates of one field of one customer after another: the latency of a single command.
void RunUpdates(const Settings& settings) {
  const std::vector<std::string> names = ListNames(settings, 1000);
  std::mt19937_64 random(settings.seed);
  Figures figures;
  const double seconds = Drive(
      settings,
      [&](Call& call) {
        v1::UpdateCustomerRequest request;
        request.mutable_customer()->set_name(names[random() % names.size()]);
        request.mutable_customer()->set_level(fmt::format("l{}", random() % 1000));
        request.mutable_update_mask()->add_paths("level");
        request.mutable_options()->set_request_id(RequestId());
        call = {.path = "/retrace.v1.Customers/UpdateCustomer",
                .message = request.SerializeAsString()};
        return true;
      },
      [&](const Reply& reply) { figures.Add(reply); });
  figures.Print(seconds);
}

void RunGets(const Settings& settings) {
  const std::vector<std::string> names = ListNames(settings, 20'000);
  std::mt19937_64 random(settings.seed);
  Figures figures;
  const double seconds = Drive(
      settings,
      [&](Call& call) {
        v1::GetCustomerRequest request;
        request.set_name(names[random() % names.size()]);
        if (settings.as_of > 0) request.mutable_as_of()->set_position(settings.as_of);
        call = {.path = "/retrace.v1.Customers/GetCustomer",
                .message = request.SerializeAsString()};
        return true;
      },
      [&](const Reply& reply) { figures.Add(reply); });
  figures.Print(seconds);
}

// First pages, or with a Chinese query that draws two characters at random.
void RunPages(const Settings& settings) {
  std::mt19937_64 random(settings.seed);
  Figures figures;
  int64_t rows = 0;
  const double seconds = Drive(
      settings,
      [&](Call& call) {
        v1::ListCustomersRequest request;
        request.set_parent("tenants/" + settings.tenant);
        request.set_page_size(settings.page_size);
        request.set_order_by(settings.order_by);
        request.set_filter(settings.filter);
        request.set_show_deleted(settings.show_deleted);
        request.set_query(settings.query == "chinese" ? kTrades[random() % 10] : settings.query);
        if (settings.as_of > 0) request.mutable_as_of()->set_position(settings.as_of);
        call = {.path = "/retrace.v1.Customers/ListCustomers",
                .message = request.SerializeAsString()};
        return true;
      },
      [&](const Reply& reply) {
        v1::ListCustomersResponse response;
        if (response.ParseFromString(reply.message)) rows += response.customers_size();
        figures.Add(reply);
      });
  figures.Print(seconds, fmt::format(", \"rows\": {}", rows));
}

}  // namespace
}  // namespace retrace::bench

int main(int argc, char** argv) {
  using namespace retrace::bench;
  Settings settings;
  CLI::App app("Puts load on a Retrace server and prints what it measured as JSON.");
  app.require_subcommand(1);
  app.fallthrough();
  app.add_option("--target", settings.load.target, "host:port or unix:/path")->required();
  app.add_option("--token", settings.load.token, "token of the principal");
  app.add_option("--tenant", settings.tenant, "tenant id");
  app.add_option("--connections", settings.load.connections, "connections");
  app.add_option("--streams", settings.load.streams, "calls in flight per connection");
  app.add_option("--seconds", settings.seconds, "how long");
  app.add_option("--count", settings.count, "how many calls (fill: customers) instead of how long");
  app.add_option("--customers", settings.customers, "customers that the tenant has");
  app.add_option("--as-of", settings.as_of, "position to read as of");
  app.add_option("--order-by", settings.order_by, "order of pages");
  app.add_option("--filter", settings.filter, "filter of pages");
  app.add_option("--query", settings.query, "search of pages; `chinese` draws two characters");
  app.add_option("--page-size", settings.page_size, "size of pages");
  app.add_option("--seed", settings.seed, "seed of everything random");
  app.add_option("--batch", settings.batch, "customers per commit of fill");
  app.add_flag("--show-deleted", settings.show_deleted, "deleted customers, too");
  app.add_subcommand("echo", "the yardstick")->callback([&] { Echo(settings); });
  app.add_subcommand("fill", "create customers in batches")->callback([&] { Fill(settings); });
  app.add_subcommand("mix", "the mix of commands")->callback([&] { RunMix(settings); });
  app.add_subcommand("update", "updates of one indexed field")->callback([&] {
    RunUpdates(settings);
  });
  app.add_subcommand("get", "gets")->callback([&] { RunGets(settings); });
  app.add_subcommand("page", "first pages")->callback([&] { RunPages(settings); });
  CLI11_PARSE(app, argc, argv);
  return 0;
}
