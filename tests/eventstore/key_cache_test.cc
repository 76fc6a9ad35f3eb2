#include "eventstore/key_cache.h"

#include <gtest/gtest.h>

#include <string>

#include "eventstore/key_store.h"

namespace retrace::eventstore {
namespace {

TEST(KeyCacheTest, IsBoundedAndNeverMixesKeysUp) {
  KeyCache cache(256);
  const auto id_of = [](uint32_t number) {
    std::string id(kKeyIdSize, '\0');
    for (size_t i = 0; i < 4; ++i) id[i] = static_cast<char>(number >> (8 * i));
    return id;
  };
  SecretKey secret{};
  for (uint32_t i = 0; i < 10000; ++i) {
    secret.fill(static_cast<uint8_t>(i * 7));
    cache.Insert(i % 3, id_of(i), secret);
    ASSERT_TRUE(cache.Find(i % 3, id_of(i), secret));
    EXPECT_FALSE(cache.Contains(i % 3 + 1, id_of(i)));
  }
  EXPECT_LE(cache.size(), 256u);
  EXPECT_GT(cache.size(), 200u);
  int found = 0;
  for (uint32_t i = 0; i < 10000; ++i) {
    if (!cache.Find(i % 3, id_of(i), secret)) continue;
    ++found;
    ASSERT_EQ(secret[5], static_cast<uint8_t>(i * 7));
  }
  EXPECT_EQ(static_cast<size_t>(found), cache.size());
}

TEST(KeyCacheTest, KeepsWhatIsUsed) {
  KeyCache cache(32);  // two slots a shard
  const std::string used(kKeyIdSize, '\0');
  cache.Insert(1, used, {});
  SecretKey secret{};
  for (char i = 1; i < 100; ++i) {
    ASSERT_TRUE(cache.Find(1, used, secret));
    std::string other(kKeyIdSize, '\0');
    other[1] = i;
    cache.Insert(1, other, {});
  }
  EXPECT_TRUE(cache.Contains(1, used));
}

TEST(HmacTest, IsHmacSha256) {
  // RFC 4231, test case 2, whose key is shorter: HMAC pads it with zeros, as the array does.
  SecretKey key{'J', 'e', 'f', 'e'};
  const Sha256Digest digest = Hmac(key, "what do ya want for nothing?");
  EXPECT_EQ(digest[0], 0x5b);
  EXPECT_EQ(digest[1], 0xdc);
  EXPECT_EQ(digest[31], 0x43);
}

}  // namespace
}  // namespace retrace::eventstore
