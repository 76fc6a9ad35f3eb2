#include "domain/text_excerpt.h"

#include <string>

#include "gtest/gtest.h"
#include "retrace/v1/notifications.pb.h"

namespace retrace::domain {
namespace {

TEST(TextExcerptTest, WholeUtf8IsAlwaysWhole) {
  EXPECT_EQ(WholeUtf8("", 10), "");
  EXPECT_EQ(WholeUtf8("an error\nof 2 lines", 100), "an error\nof 2 lines");
  EXPECT_EQ(WholeUtf8("备份失败", 12), "备份失败");
  EXPECT_EQ(WholeUtf8("备份失败", 11), "备份失");
  EXPECT_EQ(WholeUtf8("/srv/caf\xe9/x", 100), "/srv/caf?/x");
  EXPECT_EQ(WholeUtf8("\xe5\xa4", 100), "?");
  EXPECT_EQ(WholeUtf8("a\xed\xa0\x80z", 100).find_first_not_of("a?z"), std::string::npos);
}

// What a commit must be: readable as soon as it is written.
TEST(TextExcerptTest, WholeUtf8CanBeReadAgain) {
  std::string text = "ab\xff备份\xe5\x80\xf0\x9f\x92\xbe";
  for (size_t most = 0; most <= text.size(); ++most) {
    v1::Follower::Parked written;
    written.set_fault(WholeUtf8(text, most));
    EXPECT_LE(written.fault().size(), most);
    v1::Follower::Parked read;
    EXPECT_TRUE(read.ParseFromString(written.SerializeAsString())) << most;
  }
}

}  // namespace
}  // namespace retrace::domain
