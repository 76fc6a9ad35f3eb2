// Webhooks: endpoints of the tenant that are told of what happens. Commands are declared in
// commands.h.
//
//   (new) -> ACTIVE <-> PAUSED, each of them -> DISABLED -> ACTIVE; each of them -> the bin and
//   back
//
// A webhook holds no secret: its secrets are made from the tenant's key, the webhook's id and the
// secret's, so neither log nor rows nor history ever show one (server/webhooks.h).
#pragma once

#include <string_view>

#include "domain/decider.h"
#include "domain/kind.h"
#include "retrace/v1/webhooks.pb.h"

namespace retrace::domain {

// The index of webhooks by state, e.g. "ACTIVE".
inline constexpr uint8_t kWebhookStateIndex = 1;

Kind WebhookKind();

// What is sent to try a webhook.
inline constexpr std::string_view kWebhookTested = "webhooks.tested";

// Whether a webhook is to be told of a kind of notifications: live, active, and it wants the kind;
// a try goes to any live one.
bool Takes(const Row& webhook, std::string_view notification_kind);

}  // namespace retrace::domain
