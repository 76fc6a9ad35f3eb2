#include "clients/cli/customer_page.h"

#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "clients/cli/entity_verbs.h"
#include "clients/cli/money_text.h"
#include "retrace/v1/customers.pb.h"
#include "retrace/v1/records.pb.h"

namespace retrace::cli {
namespace {

using google::protobuf::Message;

constexpr int kLatest = 5;
constexpr int kContacts = 100;

// What the customer has of one kind.
struct KindOfRecord {
  std::string kind;
  int64_t count = 0;
  // By currency, in minor units.
  std::map<std::string, int64_t> sums;
  std::vector<v1::Record> latest;
};

struct CustomerPage {
  v1::Customer customer;
  v1::Answered answered;
  std::vector<v1::Record> contacts;
  std::vector<KindOfRecord> kinds;
};

absl::StatusOr<std::vector<v1::Record>> RecordsOf(Session& session, const std::string& customer,
                                                  const std::string& kind,
                                                  const std::string& order_by, int limit) {
  ListFlags flags;
  flags.filter = absl::StrCat("customer = ", FilterText(customer), " AND kind = ", kind);
  flags.order_by = order_by;
  flags.limit = limit;
  // Inactive ones are counted as well, and belong to the page.
  flags.show_inactive = true;
  std::vector<v1::Record> records;
  const absl::Status status =
      ForEachListed(session, RecordNoun(), flags, [&](const Message& record) {
        records.push_back(static_cast<const v1::Record&>(record));
        return true;
      });
  if (!status.ok()) return status;
  return records;
}

absl::StatusOr<std::vector<KindOfRecord>> Kinds(Session& session, const std::string& customer) {
  v1::SummarizeRequest request;
  request.set_name(customer);
  const auto reply = session.Ask<v1::SummarizeResponse>("Customers.Summarize", request);
  if (!reply.ok()) return reply.status();
  std::vector<KindOfRecord> kinds;
  for (const auto& group : reply->groups()) {
    v1::Record::Kind known;
    if (group.state() == "DELETED" || !v1::Record::Kind_Parse(group.kind(), &known)) continue;
    if (kinds.empty() || kinds.back().kind != group.kind()) kinds.push_back({group.kind()});
    kinds.back().count += group.count();
    if (!group.currency().empty()) {
      kinds.back().sums[group.currency()] += group.sum_minor_units();
    }
  }
  return kinds;
}

absl::StatusOr<CustomerPage> ReadPage(Session& session, const std::string& name) {
  v1::GetCustomerRequest get;
  get.set_name(name);
  auto customer = session.Ask<v1::GetCustomerResponse>("Customers.GetCustomer", get);
  if (!customer.ok()) return customer.status();
  CustomerPage page{.customer = customer->customer(), .answered = customer->answered()};
  session.PinTo(page.answered.position());
  auto kinds = Kinds(session, name);
  if (!kinds.ok()) return kinds.status();
  page.kinds = *std::move(kinds);
  auto contacts = RecordsOf(session, name, "CONTACT", "title", kContacts);
  if (!contacts.ok()) return contacts.status();
  page.contacts = *std::move(contacts);
  for (KindOfRecord& kind : page.kinds) {
    if (kind.kind == "CONTACT") continue;
    auto latest = RecordsOf(session, name, kind.kind, "create_time desc", kLatest);
    if (!latest.ok()) return latest.status();
    kind.latest = *std::move(latest);
  }
  return page;
}

std::string SumsText(const KindOfRecord& kind) {
  return absl::StrJoin(kind.sums, ", ", [](std::string* out, const auto& sum) {
    absl::StrAppend(out, MinorUnitsText(sum.second, sum.first), " ", sum.first);
  });
}

void PrintRecords(const std::vector<v1::Record>& records, std::vector<Column> columns,
                  const OutputStyle& style, std::ostream& out) {
  RowOutput rows(style, std::move(columns), *v1::Record::descriptor(), out);
  for (const v1::Record& record : records) rows.Add(record);
  rows.Finish();
}

void PrintPage(Session& session, const CustomerPage& page, const OutputStyle& style) {
  std::ostream& out = session.out();
  PrintMessage(page.customer, style, out);
  if (!page.contacts.empty()) {
    out << '\n'
        << Styled(absl::StrCat("Contacts: ", page.contacts.size()), "1;4", style.table.color)
        << '\n';
    PrintRecords(page.contacts,
                 {{"ID", "name"}, {"NAME", "title"}, {"PHONES", "phones"}, {"E-MAILS", "emails"}},
                 style, out);
  }
  for (const KindOfRecord& kind : page.kinds) {
    if (kind.kind == "CONTACT") continue;
    const std::string sums = SumsText(kind);
    out << '\n'
        << Styled(absl::StrCat(kind.kind, ": ", kind.count,
                               sums.empty() ? "" : absl::StrCat(", in sum ", sums)),
                  "1;4", style.table.color)
        << '\n';
    PrintRecords(kind.latest,
                 {{"ID", "name"},
                  {"TITLE", "title"},
                  {"STAGE", "stage"},
                  {"AMOUNT", "amount"},
                  {"OWNER", "owner"},
                  {"BEGUN", "start_time"},
                  {"CLOSED", "close_time"}},
                 style, out);
    const int64_t more = kind.count - static_cast<int64_t>(kind.latest.size());
    if (more > 0) out << "and " << more << " older\n";
  }
}

nlohmann::json Json(const Message& message) { return nlohmann::json::parse(ToJson(message)); }

nlohmann::json PageJson(const CustomerPage& page) {
  nlohmann::json json = {{"customer", Json(page.customer)}, {"answered", Json(page.answered)}};
  json["contacts"] = nlohmann::json::array();
  json["kinds"] = nlohmann::json::array();
  for (const v1::Record& contact : page.contacts) json["contacts"].push_back(Json(contact));
  for (const KindOfRecord& kind : page.kinds) {
    nlohmann::json entry = {{"kind", kind.kind},
                            {"count", kind.count},
                            {"sums_minor_units", kind.sums},
                            {"latest", nlohmann::json::array()}};
    for (const v1::Record& record : kind.latest) entry["latest"].push_back(Json(record));
    json["kinds"].push_back(std::move(entry));
  }
  return json;
}

}  // namespace

absl::Status ShowCustomer(Session& session, const std::string& id) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  if (style->format == OutputFormat::kCsv) {
    return absl::InvalidArgumentError(
        "a page is no table: show has no csv; see `customers get` and `records list -o csv`");
  }
  absl::StatusOr<std::string> name = ResolveName(session, CustomerNoun(), id);
  if (!name.ok()) return name.status();
  absl::StatusOr<CustomerPage> page = ReadPage(session, *name);
  if (!page.ok()) return page.status();
  if (style->format == OutputFormat::kTable) {
    PrintPage(session, *page, *style);
  } else {
    const bool lines = style->format == OutputFormat::kJson;
    session.out() << PageJson(*page).dump(lines ? 2 : -1) << '\n';
  }
  return absl::OkStatus();
}

}  // namespace retrace::cli
