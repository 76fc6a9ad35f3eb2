#include "server/page_token.h"

#include <memory>

#include "domain/refusal.h"
#include "domain/serialize.h"
#include "domain/status_macros.h"
#include "server/moment.h"
#include "server/sealed_token.h"

namespace retrace::server {
namespace {

using domain::Refusal;
using google::protobuf::Message;

constexpr std::string_view kPurpose = "page-token";

absl::Status Invalid(std::string_view why) {
  return Refusal(v1::INVALID_PAGE_TOKEN, std::string(why))
      .Field("page_token", why)
      .Next("Begin again without a page token.");
}

// SHA-256 over the method and everything in the request that must stay the same from page to page.
std::string RequestHash(const QueryCall& call, const Message& request) {
  std::unique_ptr<Message> copy(request.New());
  copy->CopyFrom(request);
  for (const char* name : {"page_token", "page_size"}) {
    const auto* field = copy->GetDescriptor()->FindFieldByName(name);
    if (field != nullptr) copy->GetReflection()->ClearField(copy.get(), field);
  }
  return HashOfCall(call.method, domain::SerializeDeterministically(*copy));
}

}  // namespace

absl::StatusOr<std::string> SealPageToken(Ledger& ledger, const QueryCall& call,
                                          const Message& request, store::v1::PageToken token) {
  token.set_epoch(ledger.log().epoch());
  token.set_principal(call.principal->id);
  token.set_request_hash(RequestHash(call, request));
  return SealToken(ledger.keys(), call.tenant->number, kPurpose, token.SerializeAsString());
}

absl::StatusOr<store::v1::PageToken> OpenPageToken(Ledger& ledger, const QueryCall& call,
                                                   const Message& request, std::string_view text) {
  RETRACE_ASSIGN(std::optional<std::string> bytes,
                 OpenToken(ledger.keys(), call.tenant->number, kPurpose, text));
  store::v1::PageToken token;
  if (!bytes.has_value() || !token.ParseFromString(*bytes)) {
    return Invalid("The page token was changed, or made by another server or for another tenant.");
  }
  if (token.principal() != call.principal->id)
    return Invalid("The page token was made for another caller.");
  if (token.request_hash() != RequestHash(call, request)) {
    return Invalid(
        "The page token was made for another request: all fields but page_size must stay as they "
        "were.");
  }
  if (token.epoch() != ledger.log().epoch())
    return EpochChanged(ledger, *call.tenant, token.epoch());
  if (token.position() > call.tenant->visible)
    return Invalid("The page token names a position that is not there yet.");
  return token;
}

}  // namespace retrace::server
