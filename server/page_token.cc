#include "server/page_token.h"

#include <memory>

#include "absl/strings/escaping.h"
#include "domain/refusal.h"
#include "domain/status_macros.h"
#include "eventstore/key_store.h"
#include "eventstore/types.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "openssl/crypto.h"
#include "server/moment.h"

namespace retrace::server {
namespace {

using domain::Refusal;
using google::protobuf::Message;

constexpr std::string_view kPurpose = "page-token";
constexpr size_t kMacSize = 32;

absl::Status Invalid(std::string_view why) {
  return Refusal(v1::INVALID_PAGE_TOKEN, std::string(why))
      .Field("page_token", why)
      .Next("Begin again without a page token.");
}

std::string Deterministic(const Message& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

// SHA-256 over the method and everything in the request that must stay the same from page to page.
std::string RequestHash(const QueryCall& call, const Message& request) {
  std::unique_ptr<Message> copy(request.New());
  copy->CopyFrom(request);
  for (const char* name : {"page_token", "page_size"}) {
    const auto* field = copy->GetDescriptor()->FindFieldByName(name);
    if (field != nullptr) copy->GetReflection()->ClearField(copy.get(), field);
  }
  eventstore::Sha256Hasher hasher;
  hasher.Update(call.method);
  hasher.Update(std::string_view("\0", 1));
  hasher.Update(Deterministic(*copy));
  const eventstore::Sha256Digest digest = hasher.Finish();
  return std::string(digest.begin(), digest.end());
}

absl::StatusOr<std::string> MacOf(Ledger& ledger, const Tenant& tenant, std::string_view bytes) {
  RETRACE_ASSIGN(eventstore::SecretKey key, ledger.keys().MacKey(tenant.number));
  std::string covered(kPurpose);
  covered.push_back('\0');
  covered.append(bytes);
  const eventstore::Sha256Digest mac = eventstore::Hmac(key, covered);
  return std::string(mac.begin(), mac.end());
}

}  // namespace

absl::StatusOr<std::string> SealPageToken(Ledger& ledger, const QueryCall& call,
                                          const Message& request, store::v1::PageToken token) {
  token.set_epoch(ledger.log().epoch());
  token.set_principal(call.principal->id);
  token.set_request_hash(RequestHash(call, request));
  std::string bytes = token.SerializeAsString();
  RETRACE_ASSIGN(std::string mac, MacOf(ledger, *call.tenant, bytes));
  return absl::WebSafeBase64Escape(bytes + mac);
}

absl::StatusOr<store::v1::PageToken> OpenPageToken(Ledger& ledger, const QueryCall& call,
                                                   const Message& request, std::string_view text) {
  std::string bytes;
  if (!absl::WebSafeBase64Unescape(std::string(text), &bytes) || bytes.size() < kMacSize ||
      absl::WebSafeBase64Escape(bytes) != text) {
    return Invalid("The page token is none that this server makes.");
  }
  const std::string mac = bytes.substr(bytes.size() - kMacSize);
  bytes.resize(bytes.size() - kMacSize);
  RETRACE_ASSIGN(std::string expected, MacOf(ledger, *call.tenant, bytes));
  store::v1::PageToken token;
  if (CRYPTO_memcmp(mac.data(), expected.data(), kMacSize) != 0 || !token.ParseFromString(bytes)) {
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
