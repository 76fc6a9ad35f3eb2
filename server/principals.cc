#include "server/principals.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "absl/strings/escaping.h"
#include "absl/strings/str_join.h"
#include "domain/recipient.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "domain/undo.h"
#include "eventstore/key_store.h"
#include "server/logging.h"
#include "server/roles.h"
#include "server/toml.h"

namespace retrace::server {
namespace {

using domain::kMostPrincipalBytes;
using eventstore::Sha256Digest;

constexpr size_t kMaxFileBytes = 16u << 20;

absl::Status Wrong(const std::string& file, int64_t line, std::string_view what) {
  return absl::FailedPreconditionError(fmt::format("token file {}, line {}: {}", file, line, what));
}

absl::StatusOr<std::string> ReadText(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    return absl::FailedPreconditionError(
        fmt::format("token file {} cannot be read: {}; make one with `retraced token new`", file,
                    std::strerror(errno)));
  }
  std::string text(std::istreambuf_iterator<char>(in), {});
  if (text.size() > kMaxFileBytes) {
    return absl::FailedPreconditionError(
        fmt::format("token file {} has {} bytes, more than {}", file, text.size(), kMaxFileBytes));
  }
  return text;
}

// Reads one [[tokens]] table.
class EntryReader {
 public:
  EntryReader(const std::string& file, const toml::table& entry) : file_(file), entry_(entry) {}

  absl::Status Read(Sha256Digest& hash, Principal& principal) {
    RETRACE_RETURN_IF_ERROR(CheckKeys());
    std::string kind;
    std::string hex;
    RETRACE_RETURN_IF_ERROR(Text("token_hash", true, hex));
    RETRACE_RETURN_IF_ERROR(Text("principal", true, principal.id));
    RETRACE_RETURN_IF_ERROR(Text("kind", true, kind));
    RETRACE_RETURN_IF_ERROR(Text("display_name", false, principal.display_name));
    RETRACE_RETURN_IF_ERROR(Text("email", false, principal.email));
    RETRACE_RETURN_IF_ERROR(Text("language", false, principal.language));
    RETRACE_RETURN_IF_ERROR(Text("team", false, principal.team));
    RETRACE_RETURN_IF_ERROR(TextSet("tenants", principal.tenants));
    RETRACE_RETURN_IF_ERROR(TextSet("roles", principal.roles));
    RETRACE_RETURN_IF_ERROR(TakeHash(hex, hash));
    RETRACE_RETURN_IF_ERROR(TakeKind(kind, principal));
    RETRACE_RETURN_IF_ERROR(TakeTenants(principal));
    return TakeRoles(principal);
  }

 private:
  absl::Status WrongHere(std::string_view key, std::string_view what) const {
    const toml::node* node = entry_.get(key);
    const toml::source_region& place = node != nullptr ? node->source() : entry_.source();
    return Wrong(file_, place.begin.line, what);
  }

  absl::Status CheckKeys() const {
    for (const auto& [key, value] : entry_) {
      static constexpr std::string_view kKnown[] = {"token_hash",   "principal", "kind",
                                                    "display_name", "email",     "language",
                                                    "team",         "tenants",   "roles"};
      if (std::find(std::begin(kKnown), std::end(kKnown), key.str()) == std::end(kKnown)) {
        return WrongHere(key.str(), fmt::format("there is no setting `{}`; known are {}", key.str(),
                                                fmt::join(kKnown, ", ")));
      }
    }
    return absl::OkStatus();
  }

  absl::Status Text(std::string_view key, bool required, std::string& text) const {
    const toml::node* node = entry_.get(key);
    if (node == nullptr) {
      return required ? WrongHere(key, fmt::format("`{}` is missing", key)) : absl::OkStatus();
    }
    if (!node->is_string()) {
      return WrongHere(key, fmt::format("`{}` must be a string", key));
    }
    text = node->as_string()->get();
    if (required && text.empty()) {
      return WrongHere(key, fmt::format("`{}` is empty", key));
    }
    if (text.size() > kMostPrincipalBytes) {
      return WrongHere(key, fmt::format("`{}` is longer than {} bytes", key, kMostPrincipalBytes));
    }
    return absl::OkStatus();
  }

  absl::Status TextSet(std::string_view key, std::set<std::string, std::less<>>& texts) const {
    const toml::node* node = entry_.get(key);
    if (node == nullptr || !node->is_array()) {
      return WrongHere(key, fmt::format("`{}` must be a list of strings", key));
    }
    for (const toml::node& element : *node->as_array()) {
      if (!element.is_string()) {
        return WrongHere(key, fmt::format("`{}` must be a list of strings", key));
      }
      texts.insert(element.as_string()->get());
    }
    return texts.empty() ? WrongHere(key, fmt::format("`{}` is empty", key)) : absl::OkStatus();
  }

  absl::Status TakeHash(const std::string& hex, Sha256Digest& hash) const {
    const bool digits =
        std::all_of(hex.begin(), hex.end(), [](unsigned char c) { return std::isxdigit(c) != 0; });
    if (hex.size() != 2 * hash.size() || !digits) {
      return WrongHere("token_hash",
                       "`token_hash` must be 64 hexadecimal digits, the SHA-256 of "
                       "the token");
    }
    const std::string bytes = absl::HexStringToBytes(hex);
    std::copy(bytes.begin(), bytes.end(), hash.begin());
    return absl::OkStatus();
  }

  absl::Status TakeKind(const std::string& kind, Principal& principal) const {
    if (kind != "HUMAN" && kind != "SERVICE") {
      return WrongHere("kind", "`kind` must be \"HUMAN\" or \"SERVICE\"");
    }
    principal.kind = kind == "HUMAN" ? Principal::Kind::kHuman : Principal::Kind::kService;
    return absl::OkStatus();
  }

  absl::Status TakeTenants(Principal& principal) const {
    principal.every_tenant = principal.tenants.erase("*") != 0;
    for (const std::string& tenant : principal.tenants) {
      if (!domain::IsId(tenant)) {
        return WrongHere("tenants", fmt::format("`{}` is no id of a tenant", tenant));
      }
    }
    return absl::OkStatus();
  }

  absl::Status TakeRoles(Principal& principal) const {
    for (const std::string& name : principal.roles) {
      const Role* role = FindRole(name);
      if (role == nullptr) {
        return WrongHere("roles",
                         fmt::format("there is no role `{}`; `retraced roles` prints them", name));
      }
      principal.permissions.insert(role->permissions.begin(), role->permissions.end());
    }
    // Nobody watches a service for a day; what it did is found out later.
    if (principal.kind == Principal::Kind::kService && principal.Has("history.undo")) {
      principal.permissions.insert(domain::kUndoOld);
    }
    return absl::OkStatus();
  }

  const std::string& file_;
  const toml::table& entry_;
};

std::string_view KindName(Principal::Kind kind) {
  return kind == Principal::Kind::kHuman ? "HUMAN" : "SERVICE";
}

std::string TomlText(const std::string& text) {
  return fmt::format("\"{}\"", absl::Utf8SafeCHexEscape(text));
}

std::string TomlList(const std::vector<std::string>& texts) {
  return fmt::format("[{}]",
                     absl::StrJoin(texts, ", ", [](std::string* out, const std::string& text) {
                       out->append(TomlText(text));
                     }));
}

absl::Status CheckEntry(const TokenEntry& entry) {
  if (entry.principal.empty() || entry.principal.size() > kMostPrincipalBytes) {
    return absl::InvalidArgumentError(
        fmt::format("a principal has 1 to {} bytes", kMostPrincipalBytes));
  }
  for (const std::string* text : {&entry.principal, &entry.display_name}) {
    for (const unsigned char c : *text) {
      if (c < ' ' || c == 0x7F) {
        return absl::InvalidArgumentError("control characters cannot stand in a principal");
      }
    }
  }
  if (entry.roles.empty() || entry.tenants.empty()) {
    return absl::InvalidArgumentError("a token needs at least one role and one tenant");
  }
  for (const std::string& role : entry.roles) {
    if (FindRole(role) == nullptr) {
      return absl::InvalidArgumentError(
          fmt::format("there is no role `{}`; `retraced roles` prints them", role));
    }
  }
  for (const std::string& tenant : entry.tenants) {
    if (tenant != "*" && !domain::IsId(tenant)) {
      return absl::InvalidArgumentError(fmt::format("`{}` is no id of a tenant", tenant));
    }
  }
  return absl::OkStatus();
}

std::string ShowEntry(const TokenEntry& entry, const Sha256Digest& hash) {
  const absl::string_view bytes(reinterpret_cast<const char*>(hash.data()), hash.size());
  std::string text =
      fmt::format("\n[[tokens]]\ntoken_hash = \"{}\"\nprincipal = {}\nkind = \"{}\"\n",
                  absl::BytesToHexString(bytes), TomlText(entry.principal), KindName(entry.kind));
  if (!entry.display_name.empty()) {
    text += fmt::format("display_name = {}\n", TomlText(entry.display_name));
  }
  return text +
         fmt::format("tenants = {}\nroles = {}\n", TomlList(entry.tenants), TomlList(entry.roles));
}

// Appends with one write, so that a reader sees the whole entry or none of it, and syncs.
absl::Status AppendToFile(const std::string& file, const std::string& text) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  const bool written = fd >= 0 &&
                       ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                       ::fsync(fd) == 0;
  const int error = errno;
  if (fd >= 0) {
    ::close(fd);
  }
  return written ? absl::OkStatus()
                 : absl::FailedPreconditionError(fmt::format("token file {} cannot be written: {}",
                                                             file, std::strerror(error)));
}

}  // namespace

absl::StatusOr<Principals::Stamp> Principals::StampOf(const std::string& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) {
    return absl::FailedPreconditionError(fmt::format(
        "token file {}: {}; make one with `retraced token new`", file, std::strerror(errno)));
  }
  if ((status.st_mode & 077) != 0) {
    return absl::FailedPreconditionError(
        fmt::format("token file {} is accessible to others (mode {:03o}); run `chmod 600 {}`", file,
                    status.st_mode & 0777, file));
  }
  return Stamp{status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_size, status.st_ino};
}

absl::StatusOr<Principals::Table> Principals::Read(const std::string& file) {
  RETRACE_ASSIGN(const std::string text, ReadText(file));
  const toml::parse_result parsed = toml::parse(text, std::string_view(file));
  if (!parsed) {
    return Wrong(file, parsed.error().source().begin.line, parsed.error().description());
  }
  Table table;
  for (const auto& [key, value] : parsed.table()) {
    if (key.str() != "tokens" || !value.is_array_of_tables()) {
      return Wrong(file, value.source().begin.line, "only [[tokens]] tables are known");
    }
    for (const toml::node& node : *value.as_array()) {
      Sha256Digest hash{};
      auto principal = std::make_shared<Principal>();
      RETRACE_RETURN_IF_ERROR(EntryReader(file, *node.as_table()).Read(hash, *principal));
      if (!table.emplace(hash, std::move(principal)).second) {
        return Wrong(file, node.source().begin.line, "this token_hash is listed twice");
      }
    }
  }
  return table;
}

absl::StatusOr<std::unique_ptr<Principals>> Principals::Open(std::string file) {
  auto principals = std::unique_ptr<Principals>(new Principals(std::move(file)));
  RETRACE_ASSIGN(const bool read, principals->Refresh());
  static_cast<void>(read);
  return principals;
}

PrincipalPtr Principals::FindByToken(std::string_view token) const {
  return FindByHash(eventstore::Sha256(token));
}

PrincipalPtr Principals::FindByHash(const Sha256Digest& token_hash) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto found = table_->find(token_hash);
  return found == table_->end() ? nullptr : found->second;
}

PrincipalPtr Principals::FindById(std::string_view id, std::string_view tenant,
                                  std::string_view permission) const {
  std::shared_ptr<const Table> table;
  {
    absl::MutexLock lock(&mutex_);
    table = table_;
  }
  std::shared_ptr<Principal> found;
  for (const auto& [hash, principal] : *table) {
    if (principal->id != id || !principal->MayEnter(tenant) || !principal->Has(permission)) {
      continue;
    }
    if (found == nullptr) {
      found = std::make_shared<Principal>(*principal);
      continue;
    }
    const auto lacks = [&other = *principal](const std::string& one) { return !other.Has(one); };
    std::erase_if(found->permissions, lacks);
    if (principal->kind == Principal::Kind::kHuman) {
      found->kind = Principal::Kind::kHuman;  // the policy asks more of people
    }
  }
  return found;
}

std::vector<PrincipalPtr> Principals::Entering(std::string_view tenant) const {
  std::shared_ptr<const Table> table;
  {
    absl::MutexLock lock(&mutex_);
    table = table_;
  }
  std::map<std::string, std::shared_ptr<Principal>> by_id;
  for (const auto& [hash, principal] : *table) {
    if (!principal->MayEnter(tenant)) {
      continue;
    }
    auto& known = by_id[principal->id];
    if (known == nullptr) {
      known = std::make_shared<Principal>(*principal);
      continue;
    }
    known->roles.insert(principal->roles.begin(), principal->roles.end());
    known->permissions.insert(principal->permissions.begin(), principal->permissions.end());
    for (const auto& [mine, other] : {std::pair{&known->email, &principal->email},
                                      std::pair{&known->language, &principal->language},
                                      std::pair{&known->display_name, &principal->display_name}}) {
      if (mine->empty()) *mine = *other;
    }
  }
  std::vector<PrincipalPtr> principals;
  principals.reserve(by_id.size());
  for (auto& [id, principal] : by_id) {
    principals.push_back(std::move(principal));
  }
  return principals;
}

absl::StatusOr<bool> Principals::Refresh() {
  const absl::StatusOr<Stamp> stamp = StampOf(file_);
  const Stamp now = stamp.ok() ? *stamp : Stamp{};
  {
    absl::ReaderMutexLock lock(&mutex_);
    if (table_ != nullptr && stamp.ok() && now == stamp_) {
      return false;
    }
  }
  absl::StatusOr<Table> table = stamp.ok() ? Read(file_) : stamp.status();
  absl::MutexLock lock(&mutex_);
  stamp_ = now;
  if (table.ok()) {
    fault_.clear();
    table_ = std::make_shared<const Table>(*std::move(table));
    return true;
  }
  const bool said = fault_ == table.status().message();
  fault_ = std::string(table.status().message());
  return said ? absl::StatusOr<bool>(false) : table.status();
}

void Principals::Look() {
  const absl::StatusOr<bool> changed = Refresh();
  if (!changed.ok()) {
    const std::string fault(changed.status().message());
    Log(LogLevel::kError, "the token file is not taken; the old one stays in force",
        {{"fault", fault}});
  } else if (*changed) {
    Log(LogLevel::kInfo, "the token file was read again",
        {{"tokens", static_cast<int64_t>(size())}});
  }
}

size_t Principals::size() const {
  absl::ReaderMutexLock lock(&mutex_);
  return table_->size();
}

absl::StatusOr<std::string> AddToken(const std::string& file, const TokenEntry& entry) {
  RETRACE_RETURN_IF_ERROR(CheckEntry(entry));
  if (::access(file.c_str(), F_OK) == 0) {
    RETRACE_ASSIGN(const auto present, Principals::Open(file));
    static_cast<void>(present);
  }
  const std::string token = "rt_" + absl::WebSafeBase64Escape(eventstore::RandomBytes(32));
  RETRACE_RETURN_IF_ERROR(AppendToFile(file, ShowEntry(entry, eventstore::Sha256(token))));
  return token;
}

}  // namespace retrace::server
