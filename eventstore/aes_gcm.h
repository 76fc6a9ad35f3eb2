// AES-256-GCM, the one cipher of key store and sealing.
#pragma once

#include <string>
#include <string_view>

#include "eventstore/key_store.h"

namespace retrace::eventstore {

inline constexpr size_t kNonceSize = 12;
inline constexpr size_t kTagSize = 16;

// Ciphertext, then tag. `nonce` is kNonceSize bytes, never used twice with one key; `bound` is not
// encrypted but must be the same on opening. Aborts when OpenSSL cannot.
std::string Encrypt(const SecretKey& key, std::string_view nonce, std::string_view bound,
                    std::string_view plaintext);

// The plaintext into `plaintext`; false, and nothing in it, when key, nonce, bound or ciphertext
// are not those that belong together.
bool Decrypt(const SecretKey& key, std::string_view nonce, std::string_view bound,
             std::string_view ciphertext, std::string& plaintext);

// Appends the length of `bytes` (4 bytes, big endian) and `bytes`: whatever follows, no other
// sequence of pieces gives the same whole.
void AppendPiece(std::string_view bytes, std::string& whole);
// The same of a number.
void AppendPiece(uint32_t number, std::string& whole);

}  // namespace retrace::eventstore
