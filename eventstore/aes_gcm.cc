#include "eventstore/aes_gcm.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace retrace::eventstore {
namespace {

// OpenSSL fails here only for want of memory or when it is broken; nothing sensible can go on then.
void Must(bool done) {
  if (done) return;
  std::fputs("AES-256-GCM failed inside OpenSSL\n", stderr);
  std::abort();
}

// Looking the algorithm up costs more than using it, so it is done once. Never freed: threads may
// encrypt while the process ends.
const EVP_CIPHER* Algorithm() {
  static const EVP_CIPHER* const algorithm = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  return algorithm;
}

// A thread's context, cleared of the key after use.
class Context {
 public:
  Context() : context_(OfThread()) {}
  ~Context() { Must(EVP_CIPHER_CTX_reset(context_) == 1); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  EVP_CIPHER_CTX* get() const { return context_; }

 private:
  struct Owned {
    ~Owned() { EVP_CIPHER_CTX_free(context); }
    EVP_CIPHER_CTX* const context = EVP_CIPHER_CTX_new();
  };
  static EVP_CIPHER_CTX* OfThread() {
    thread_local Owned owned;
    Must(owned.context != nullptr);
    return owned.context;
  }
  EVP_CIPHER_CTX* const context_;
};

const unsigned char* Bytes(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
unsigned char* Bytes(std::string& bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }

}  // namespace

std::string Encrypt(const SecretKey& key, std::string_view nonce, std::string_view bound,
                    std::string_view plaintext) {
  Must(nonce.size() == kNonceSize);
  const Context context;
  Must(EVP_EncryptInit_ex2(context.get(), Algorithm(), key.data(), Bytes(nonce), nullptr) == 1);
  int size = 0;
  Must(EVP_EncryptUpdate(context.get(), nullptr, &size, Bytes(bound),
                         static_cast<int>(bound.size())) == 1);
  std::string ciphertext(plaintext.size() + kTagSize, '\0');
  Must(EVP_EncryptUpdate(context.get(), Bytes(ciphertext), &size, Bytes(plaintext),
                         static_cast<int>(plaintext.size())) == 1);
  Must(EVP_EncryptFinal_ex(context.get(), Bytes(ciphertext) + size, &size) == 1);
  Must(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kTagSize,
                           ciphertext.data() + plaintext.size()) == 1);
  return ciphertext;
}

bool Decrypt(const SecretKey& key, std::string_view nonce, std::string_view bound,
             std::string_view ciphertext, std::string& plaintext) {
  plaintext.clear();
  if (nonce.size() != kNonceSize || ciphertext.size() < kTagSize) return false;
  std::string tag(ciphertext.substr(ciphertext.size() - kTagSize));
  ciphertext.remove_suffix(kTagSize);
  const Context context;
  Must(EVP_DecryptInit_ex2(context.get(), Algorithm(), key.data(), Bytes(nonce), nullptr) == 1);
  int size = 0;
  Must(EVP_DecryptUpdate(context.get(), nullptr, &size, Bytes(bound),
                         static_cast<int>(bound.size())) == 1);
  plaintext.resize(ciphertext.size());
  Must(EVP_DecryptUpdate(context.get(), Bytes(plaintext), &size, Bytes(ciphertext),
                         static_cast<int>(ciphertext.size())) == 1);
  Must(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kTagSize, tag.data()) == 1);
  if (EVP_DecryptFinal_ex(context.get(), Bytes(plaintext) + size, &size) == 1) return true;
  OPENSSL_cleanse(plaintext.data(), plaintext.size());
  plaintext.clear();
  return false;
}

void AppendPiece(uint32_t number, std::string& whole) {
  for (int shift = 24; shift >= 0; shift -= 8) whole.push_back(static_cast<char>(number >> shift));
}

void AppendPiece(std::string_view bytes, std::string& whole) {
  AppendPiece(static_cast<uint32_t>(bytes.size()), whole);
  whole.append(bytes);
}

}  // namespace retrace::eventstore
