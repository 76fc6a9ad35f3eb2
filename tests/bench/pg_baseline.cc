// The baseline of a team without Retrace: PostgreSQL with soft delete, an audit trigger and an
// outbox row, and no RPC in front. The same mix as `load mix`, each command one transaction with
// synchronous commit. Prints one line of JSON.
#include <libpq-fe.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "CLI/CLI.hpp"
#include "fmt/format.h"

namespace {

constexpr char kSchema[] = R"(
DROP TABLE IF EXISTS customer, audit, outbox CASCADE;
CREATE TABLE customer(id bigint PRIMARY KEY, number bigserial, display_name text NOT NULL, level text, phone text,
  email text, external_id text UNIQUE, attributes jsonb NOT NULL DEFAULT '{}', deleted_at timestamptz,
  create_time timestamptz NOT NULL DEFAULT now(), update_time timestamptz NOT NULL DEFAULT now());
CREATE INDEX ON customer(display_name text_pattern_ops);
CREATE INDEX ON customer(level);
CREATE INDEX ON customer(phone);
CREATE INDEX ON customer(email);
CREATE TABLE audit(id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), actor text, op text, was jsonb, now jsonb);
CREATE TABLE outbox(id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), kind text, customer bigint);
CREATE OR REPLACE FUNCTION audited() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO audit(actor, op, was, now) VALUES ('bench', TG_OP, CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END, to_jsonb(NEW));
  INSERT INTO outbox(kind, customer) VALUES (TG_OP, NEW.id);
  RETURN NEW;
END $$;
)";
constexpr char kFill[] =
    "INSERT INTO customer(id, display_name, level, phone, email, external_id) SELECT i, 'Customer "
    "'||i, 'gold', "
    "'+1415555'||i, 'c'||i||'@example.com', 'X'||i FROM generate_series(1, {}) i;"
    "CREATE TRIGGER customer_audited AFTER INSERT OR UPDATE ON customer FOR EACH ROW EXECUTE "
    "FUNCTION audited(); ANALYZE;";

struct Close {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
using Connection = std::unique_ptr<PGconn, Close>;

void Must(PGconn* connection, PGresult* result) {
  const ExecStatusType status = PQresultStatus(result);
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
    fmt::print(stderr, "pg_baseline: {}", PQerrorMessage(connection));
    std::exit(1);
  }
  PQclear(result);
}

Connection Connect(const std::string& conninfo) {
  Connection connection(PQconnectdb(conninfo.c_str()));
  if (PQstatus(connection.get()) != CONNECTION_OK) {
    fmt::print(stderr, "pg_baseline: {}", PQerrorMessage(connection.get()));
    std::exit(1);
  }
  Must(connection.get(),
       PQexec(connection.get(), "SET client_min_messages = warning; SET synchronous_commit = on"));
  return connection;
}

void Prepare(PGconn* connection) {
  const std::pair<const char*, const char*> statements[] = {
      {"update",
       "UPDATE customer SET level = $2, update_time = now() WHERE id = $1::bigint AND deleted_at "
       "IS NULL"},
      {"create",
       "INSERT INTO customer(id, display_name, level, phone, email, external_id) VALUES "
       "($1::bigint, 'Customer '||$1::bigint, $2, '+1415555'||$1::bigint, "
       "'c'||$1::bigint||'@example.com', 'X'||$1::bigint)"},
      {"delete", "UPDATE customer SET deleted_at = now() WHERE id = $1::bigint"},
      {"undelete", "UPDATE customer SET deleted_at = NULL WHERE id = $1::bigint"}};
  for (const auto& [name, text] : statements)
    Must(connection, PQprepare(connection, name, text, 0, nullptr));
}

void Work(const std::string& conninfo, int64_t customers, uint64_t seed, std::atomic<int64_t>& next,
          const std::atomic<bool>& stop, std::atomic<int64_t>& done) {
  Connection connection = Connect(conninfo);
  Prepare(connection.get());
  std::mt19937_64 random(seed);
  while (!stop) {
    const uint64_t dice = random() % 10;
    const char* name = dice < 4 ? "update" : dice < 6 ? "create" : dice < 8 ? "delete" : "undelete";
    const int64_t id = dice >= 4 && dice < 6
                           ? ++next
                           : 1 + static_cast<int64_t>(random() % static_cast<uint64_t>(customers));
    const std::string id_text = std::to_string(id),
                      level = "level" + std::to_string(random() % 100);
    const char* values[] = {id_text.c_str(), level.c_str()};
    Must(connection.get(),
         PQexecPrepared(connection.get(), name, dice < 6 ? 2 : 1, values, nullptr, nullptr, 0));
    ++done;
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("PostgreSQL baseline: soft delete with audit and outbox.");
  std::string conninfo;
  int64_t customers = 100'000;
  int threads = 32;
  double seconds = 5;
  app.add_option("--conninfo", conninfo, "libpq connection string")->required();
  app.add_option("--customers", customers, "customers in the table");
  app.add_option("--threads", threads, "connections");
  app.add_option("--seconds", seconds, "how long");
  CLI11_PARSE(app, argc, argv);
  {
    Connection connection = Connect(conninfo);
    Must(connection.get(), PQexec(connection.get(), kSchema));
    const std::string fill = fmt::format(fmt::runtime(kFill), customers);
    Must(connection.get(), PQexec(connection.get(), fill.c_str()));
  }
  std::atomic<int64_t> next = customers, done = 0;
  std::atomic<bool> stop = false;
  std::vector<std::thread> workers;
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < threads; ++i) {
    workers.emplace_back(
        [&, i] { Work(conninfo, customers, static_cast<uint64_t>(i) + 1, next, stop, done); });
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  stop = true;
  for (std::thread& worker : workers) worker.join();
  const double took =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  fmt::print("{{\"commands\": {}, \"seconds\": {:.3f}, \"per_second\": {:.1f}}}\n", done.load(),
             took, done / took);
  return 0;
}
