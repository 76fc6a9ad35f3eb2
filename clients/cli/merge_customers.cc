#include <memory>
#include <string>
#include <vector>

#include "clients/cli/app.h"
#include "clients/cli/entity_verbs.h"
#include "clients/cli/operation_start.h"
#include "clients/cli/plans.h"
#include "clients/cli/reflection.h"
#include "retrace/v1/customers.pb.h"

namespace retrace::cli {
namespace {

struct MergeFlags {
  std::string survivor;
  std::vector<std::string> losers;
  std::vector<std::string> take;
  PlanFlags plan;
  bool as_operation = false;
  OperationFlags operation;
};

absl::Status RunMerge(Session& session, const MergeFlags& flags) {
  Exchange exchange = NewExchange("Customers.MergeCustomers");
  auto& request = static_cast<v1::MergeCustomersRequest&>(*exchange.request);
  absl::StatusOr<std::string> name = ResolveName(session, CustomerNoun(), flags.survivor);
  if (!name.ok()) return name.status();
  request.set_name(*name);
  for (const std::string& loser : flags.losers) {
    name = ResolveName(session, CustomerNoun(), loser);
    if (!name.ok()) return name.status();
    request.add_losers(*name);
  }
  for (const std::string& setting : flags.take) {
    const auto choice = SplitSetting(setting);
    if (!choice.ok()) return choice.status();
    name = ResolveName(session, CustomerNoun(), choice->second);
    if (!name.ok()) return name.status();
    auto& field = *request.add_fields();
    field.set_field(choice->first);
    field.set_from(*name);
  }
  if (flags.as_operation) {
    const std::string survivor = request.name();
    request.clear_name();
    return RunAsOperation(session, request, {.names = {survivor}}, flags.operation, flags.plan);
  }
  absl::StatusOr<bool> done = RunCommand(session, exchange, flags.plan);
  if (!done.ok() || !*done) return done.status();
  return PrintCommandReply(session, CustomerNoun(), *exchange.response);
}

}  // namespace

void AddMergeVerb(CLI::App& noun, Session& session) {
  CLI::App* verb = AddVerb(
      noun, "merge", "make customers a part of one that survives; `retrace undo` unmerges them",
      "retrace customers merge 01jd8e6x2k '#12' ext:ACME-2 --take phones='#12' --reason twins");
  auto flags = std::make_shared<MergeFlags>();
  verb->add_option("survivor", flags->survivor, "who survives: id, ext:EXTERNAL_ID or '#NUMBER'")
      ->option_text("SURVIVOR")
      ->required();
  verb->add_option("losers", flags->losers, "who becomes a part of them")
      ->option_text("LOSER...")
      ->required();
  verb->add_option("--take", flags->take,
                   "FIELD=WHO: take this field from one of them, e.g. phones='#12' (what the "
                   "survivor has stands, what it lacks is filled, lists are united)")
      ->option_text("FIELD=WHO")
      ->expected(1)
      ->take_all();
  AddPlanFlags(*verb, flags->plan);
  AddAsOperationFlags(*verb, flags->as_operation, flags->operation);
  verb->callback([&session, flags] {
    session.Choose([&session, flags] { return RunMerge(session, *flags); });
  });
}

}  // namespace retrace::cli
