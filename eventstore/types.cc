#include "eventstore/types.h"

#include <openssl/evp.h>

#include <cstdlib>
#include <vector>

namespace retrace::eventstore {
namespace {

// Looking the algorithm up costs more than hashing a small commit, so it is done once. Never freed:
// threads may hash while the process ends.
const EVP_MD* Algorithm() {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return algorithm;
}

// Contexts for reuse, per thread: making one costs an allocation and a lock.
class ContextPool {
 public:
  ~ContextPool() {
    for (EVP_MD_CTX* context : free_) EVP_MD_CTX_free(context);
  }
  EVP_MD_CTX* Take() {
    if (free_.empty()) return EVP_MD_CTX_new();
    EVP_MD_CTX* context = free_.back();
    free_.pop_back();
    return context;
  }
  void Return(EVP_MD_CTX* context) { free_.push_back(context); }

 private:
  std::vector<EVP_MD_CTX*> free_;
};

ContextPool& Contexts() {
  thread_local ContextPool pool;
  return pool;
}

// SHA-256 cannot fail but for want of memory or a broken OpenSSL; nothing sensible can go on then.
void MustBeOne(int result) {
  if (result != 1) std::abort();
}

}  // namespace

Sha256Hasher::Sha256Hasher() : context_(Contexts().Take()) {
  MustBeOne(context_ != nullptr ? 1 : 0);
  MustBeOne(EVP_DigestInit_ex(static_cast<EVP_MD_CTX*>(context_), Algorithm(), nullptr));
}

Sha256Hasher::~Sha256Hasher() { Contexts().Return(static_cast<EVP_MD_CTX*>(context_)); }

void Sha256Hasher::Update(std::string_view bytes) {
  MustBeOne(EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(context_), bytes.data(), bytes.size()));
}

Sha256Digest Sha256Hasher::Finish() {
  Sha256Digest digest;
  unsigned int size = digest.size();
  MustBeOne(EVP_DigestFinal_ex(static_cast<EVP_MD_CTX*>(context_), digest.data(), &size));
  return digest;
}

Sha256Digest Sha256(std::string_view bytes) {
  Sha256Hasher hasher;
  hasher.Update(bytes);
  return hasher.Finish();
}

}  // namespace retrace::eventstore
