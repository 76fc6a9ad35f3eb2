#include "server/list_declarations.h"

namespace retrace::server {
namespace {

using domain::KindNumber;

const ListDeclaration& Customers() {
  static const auto* const kList = new ListDeclaration{
      .kind = KindNumber::kCustomer,
      .filter_fields = {"name", "number", "display_name", "given_name", "family_name",
                        "organization_name", "level", "phones", "emails", "owner", "tags",
                        "external_id", "attributes", "state", "create_time", "update_time"},
      .orders = {{.name = "number"},
                 {.name = "display_name"},
                 {.name = "update_time", .via = ListOrder::Via::kTime},
                 {.name = "create_time", .via = ListOrder::Via::kTime}}};
  return *kList;
}

const ListDeclaration& Records() {
  static const auto* const kList = new ListDeclaration{
      .kind = KindNumber::kRecord,
      .filter_fields = {"name", "kind", "customer", "title", "owner", "amount", "stage",
                        "start_time", "due_time", "close_time", "phones", "emails", "tags",
                        "external_id", "attributes", "state", "create_time", "update_time"},
      .orders = {{.name = "create_time", .via = ListOrder::Via::kId},
                 {.name = "title"},
                 {.name = "close_time", .may_be_unset = true},
                 {.name = "update_time", .via = ListOrder::Via::kTime}}};
  return *kList;
}

const ListDeclaration& Members() {
  static const auto* const kList = new ListDeclaration{
      .kind = KindNumber::kMember,
      .filter_fields = {"name", "display_name", "email", "team", "language", "principal", "lead",
                        "state", "create_time", "update_time"},
      .orders = {{.name = "display_name"},
                 {.name = "create_time", .via = ListOrder::Via::kTime},
                 {.name = "update_time", .via = ListOrder::Via::kTime}}};
  return *kList;
}

const ListDeclaration& Holds() {
  static const auto* const kList =
      new ListDeclaration{.kind = KindNumber::kHold,
                          .filter_fields = {"name", "entity", "collection", "case_number",
                                            "placed_by", "state", "create_time"},
                          .orders = {{.name = "create_time", .via = ListOrder::Via::kId}}};
  return *kList;
}

const ListDeclaration& Webhooks() {
  static const auto* const kList =
      new ListDeclaration{.kind = KindNumber::kWebhook,
                          .filter_fields = {"name", "url", "description", "kinds", "state",
                                            "disable_time", "create_time", "update_time"},
                          .orders = {{.name = "create_time", .via = ListOrder::Via::kId}}};
  return *kList;
}

// What the server itself makes has ids in the order of time, or of nothing.
const ListDeclaration& Notifications() {
  static const auto* const kList =
      new ListDeclaration{.kind = KindNumber::kNotification,
                          .filter_fields = {"name", "kind", "state", "change_set", "actor", "about",
                                            "corrects", "create_time", "update_time"},
                          .orders = {{.name = "name", .via = ListOrder::Via::kId}}};
  return *kList;
}

const ListDeclaration& Deliveries() {
  static const auto* const kList = new ListDeclaration{
      .kind = KindNumber::kDelivery,
      .filter_fields = {"name", "notification", "kind", "channel", "recipient", "principal",
                        "state", "attempt_count", "last_result", "next_attempt_time", "send_time",
                        "read_time", "create_time", "update_time"},
      .orders = {{.name = "name", .via = ListOrder::Via::kId}}};
  return *kList;
}

const ListDeclaration& ContactPoints() {
  static const auto* const kList = new ListDeclaration{
      .kind = KindNumber::kContactPoint,
      .filter_fields = {"name", "recipient", "channel", "suppressed", "create_time", "update_time"},
      .orders = {{.name = "name", .via = ListOrder::Via::kId}}};
  return *kList;
}

const ListDeclaration& Templates() {
  static const auto* const kList =
      new ListDeclaration{.kind = KindNumber::kTemplate,
                          .filter_fields = {"name", "kind", "language", "subject", "state",
                                            "create_time", "update_time"},
                          .orders = {{.name = "key"}}};
  return *kList;
}

}  // namespace

const ListDeclaration* ListOf(KindNumber kind) {
  switch (kind) {
    case KindNumber::kCustomer:
      return &Customers();
    case KindNumber::kRecord:
      return &Records();
    case KindNumber::kMember:
      return &Members();
    case KindNumber::kTemplate:
      return &Templates();
    case KindNumber::kHold:
      return &Holds();
    case KindNumber::kWebhook:
      return &Webhooks();
    case KindNumber::kNotification:
      return &Notifications();
    case KindNumber::kDelivery:
      return &Deliveries();
    case KindNumber::kContactPoint:
      return &ContactPoints();
    default:
      return nullptr;
  }
}

}  // namespace retrace::server
