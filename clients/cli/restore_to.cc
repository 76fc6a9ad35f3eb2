#include <memory>
#include <string>

#include "clients/cli/app.h"
#include "clients/cli/history_streams.h"
#include "clients/cli/plans.h"
#include "clients/cli/reflection.h"
#include "clients/cli/row_output.h"
#include "retrace/v1/customers.pb.h"
#include "retrace/v1/history.pb.h"

namespace retrace::cli {
namespace {

struct RestoreToFlags {
  std::string name;
  PlanFlags plan;
};

// The resource in an Any, of whatever type of the API it is; null when this release has no such.
std::unique_ptr<google::protobuf::Message> Unpack(const google::protobuf::Any& any) {
  std::string name;
  if (!google::protobuf::Any::ParseAnyTypeUrl(any.type_url(), &name)) return nullptr;
  const auto* type =
      google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(name);
  if (type == nullptr) return nullptr;
  std::unique_ptr<google::protobuf::Message> message(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
  return any.UnpackTo(message.get()) ? std::move(message) : nullptr;
}

absl::Status RunRestoreTo(Session& session, const RestoreToFlags& flags) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  if (session.flags.as_of.empty()) {
    return absl::InvalidArgumentError("--as-of says to which moment");
  }
  // The name means what it means now.
  std::string moment;
  moment.swap(session.flags.as_of);
  const absl::StatusOr<std::string> name = ResolveAnyName(session, flags.name);
  moment.swap(session.flags.as_of);
  if (!name.ok()) return name.status();
  Exchange exchange = NewExchange("History.RestoreTo");
  static_cast<v1::RestoreToRequest&>(*exchange.request).set_name(*name);
  absl::StatusOr<bool> done = RunCommand(session, exchange, flags.plan);
  if (!done.ok() || !*done) return done.status();
  const auto& reply = static_cast<const v1::RestoreToResponse&>(*exchange.response);
  if (const auto entity = Unpack(reply.entity())) PrintMessage(*entity, *style, session.out());
  session.NoteOutcome(reply.outcome());
  return absl::OkStatus();
}

}  // namespace

void AddHistoryRestoreTo(CLI::App& noun, Session& session) {
  CLI::App* verb = AddVerb(noun, "restore-to", "give one entity back the state of a moment",
                           "retrace history restore-to customers/01jd8e6x2k --as-of 2026-03-31 "
                           "--reason \"as before the import\"");
  auto flags = std::make_shared<RestoreToFlags>();
  verb->add_option("name", flags->name, "e.g. customers/ID")->option_text("NAME")->required();
  AddPlanFlags(*verb, flags->plan);
  verb->callback([&session, flags] {
    session.Choose([&session, flags] { return RunRestoreTo(session, *flags); });
  });
}

}  // namespace retrace::cli
