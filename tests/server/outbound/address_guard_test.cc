#include "server/outbound/address_guard.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace retrace::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

IpAddress Ip(const char* text) { return *IpAddress::Parse(text); }

AddressGuard Allowing(const std::vector<std::string>& networks) {
  absl::StatusOr<AddressGuard> guard = AddressGuard::Allowing(networks);
  EXPECT_TRUE(guard.ok()) << guard.status();
  return *guard;
}

Resolver LeadsTo(std::vector<const char*> addresses) {
  return [addresses](const std::string&) -> absl::StatusOr<std::vector<IpAddress>> {
    std::vector<IpAddress> found;
    for (const char* address : addresses) found.push_back(Ip(address));
    return found;
  };
}

TEST(AddressGuardTest, RefusesWhatIsNotPublic) {
  const AddressGuard guard;
  for (const char* address : {"0.0.0.0",
                              "0.1.2.3",
                              "10.0.0.1",
                              "100.64.0.1",
                              "100.100.100.200",
                              "127.0.0.1",
                              "127.9.9.9",
                              "168.63.129.16",
                              "169.254.169.254",
                              "172.16.0.1",
                              "172.31.255.255",
                              "192.0.0.192",
                              "192.0.2.1",
                              "192.168.1.1",
                              "198.18.0.1",
                              "198.19.255.255",
                              "198.51.100.7",
                              "203.0.113.9",
                              "224.0.0.1",
                              "239.255.255.255",
                              "240.0.0.1",
                              "255.255.255.255",
                              "::",
                              "::1",
                              "::7f00:1",
                              "::ffff:127.0.0.1",
                              "::ffff:10.0.0.1",
                              "64:ff9b::7f00:1",
                              "64:ff9b::a9fe:a9fe",
                              "64:ff9b:1::1",
                              "fe80::1",
                              "febf::1",
                              "fec0::1",
                              "fc00::1",
                              "fd00:ec2::254",
                              "ff02::1",
                              "2001::1",
                              "2001:db8::1",
                              "2002:7f00:1::",
                              "3fff::1",
                              "100::1",
                              "4000::1"}) {
    EXPECT_FALSE(guard.Allows(Ip(address))) << address;
  }
}

TEST(AddressGuardTest, AllowsWhatIsPublic) {
  const AddressGuard guard;
  for (const char* address :
       {"1.1.1.1", "8.8.8.8", "11.0.0.1", "100.63.255.255", "100.128.0.1", "126.255.255.255",
        "128.0.0.1", "168.63.129.17", "172.15.255.255", "172.32.0.1", "192.167.255.255",
        "198.17.255.255", "198.20.0.1", "223.255.255.255", "2606:4700::1111", "2a00::1",
        "2001:200::1", "::ffff:8.8.8.8", "64:ff9b::808:808"}) {
    EXPECT_TRUE(guard.Allows(Ip(address))) << address;
  }
}

TEST(AddressGuardTest, AllowsWhatTheOperatorListed) {
  const AddressGuard guard = Allowing({"10.1.0.0/16", "127.0.0.1", "fd00::/8", "192.168.4.0/23"});
  for (const char* address :
       {"10.1.0.0", "10.1.255.255", "127.0.0.1", "::ffff:10.1.2.3", "fd12::1", "192.168.5.1"}) {
    EXPECT_TRUE(guard.IsListed(Ip(address))) << address;
    EXPECT_TRUE(guard.Allows(Ip(address))) << address;
  }
  for (const char* address : {"10.2.0.0", "127.0.0.2", "fc00::1", "192.168.6.1", "::1"}) {
    EXPECT_FALSE(guard.Allows(Ip(address))) << address;
  }
  EXPECT_TRUE(guard.Allows(Ip("8.8.8.8")));
  EXPECT_FALSE(guard.IsListed(Ip("8.8.8.8")));
}

TEST(AddressGuardTest, NamesTheNetworkThatIsNone) {
  for (const char* network : {"", "10.1.0.0/33", "10.1/16", "::/129", "localhost", "10.0.0.0/",
                              "10.0.0.0/-1", "10.0.0.0/8x"}) {
    const absl::Status status = AddressGuard::Allowing({"10.0.0.0/8", network}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << network;
    EXPECT_THAT(std::string(status.message()), HasSubstr(std::string("`") + network + "`"));
  }
}

TEST(WebhookUrlTest, TakesPublicHttps) {
  const AddressGuard guard;
  const Resolver resolve = LeadsTo({"8.8.8.8", "2606:4700::1111"});
  for (const char* url :
       {"https://example.com", "https://example.com/hook?a=b", "https://example.com:8443/",
        "https://8.8.8.8/", "https://[2606:4700::1111]/", "https://例子.公司/"}) {
    EXPECT_TRUE(CheckWebhookUrl(url, guard, resolve).ok()) << url;
  }
}

TEST(WebhookUrlTest, SaysWhatIsWrong) {
  const AddressGuard guard;
  const Resolver resolve = LeadsTo({"8.8.8.8"});
  const auto fault = [&](const std::string& url) {
    return std::string(CheckWebhookUrl(url, guard, resolve).message());
  };
  EXPECT_THAT(fault("http://example.com/"), HasSubstr("https://"));
  EXPECT_THAT(fault("ftp://example.com/"), HasSubstr("https://"));
  EXPECT_THAT(fault("file:///etc/passwd"), HasSubstr("https://"));
  EXPECT_THAT(fault("https://user:secret@example.com/"), HasSubstr("without user"));
  EXPECT_THAT(fault("https://user@example.com/"), HasSubstr("without user"));
  EXPECT_THAT(fault("https://example.com/#part"), HasSubstr("#"));
  EXPECT_THAT(fault("https://example.com:25/"), HasSubstr("Port 25"));
  for (const char* url : {"", "example.com", "https://", "https://a b/", "https://-ö-.\xff/",
                          "https://example.com/\r\nHost: x", "https://example.com:99999/"}) {
    EXPECT_NE(fault(url), "") << url;
  }
  EXPECT_NE(fault("https://example.com/" + std::string(2000, 'a')), "");
}

TEST(WebhookUrlTest, RefusesAHostWhenAnyAddressIsRefused) {
  const AddressGuard guard;
  for (const char* inside : {"127.0.0.1", "10.0.0.1", "169.254.169.254", "::1"}) {
    const absl::Status status =
        CheckWebhookUrl("https://example.com/", guard, LeadsTo({"8.8.8.8", inside}));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr("sends nothing to"));
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr(inside)));
  }
  EXPECT_THAT(std::string(CheckWebhookUrl("https://gone.example/", guard, LeadsTo({})).message()),
              HasSubstr("leads to no address"));
}

// The real name service, which takes all the spellings of numbers.
TEST(WebhookUrlTest, SeesThroughSpellings) {
  const AddressGuard guard;
  for (const char* url :
       {"https://127.0.0.1/", "https://0x7f.1/", "https://2130706433/", "https://017700000001/",
        "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://localhost/", "https://0/"}) {
    EXPECT_FALSE(CheckWebhookUrl(url, guard).ok()) << url;
  }
}

TEST(WebhookUrlTest, TakesHttpAndAnyPortWhereListed) {
  const AddressGuard guard = Allowing({"10.0.0.0/8"});
  EXPECT_TRUE(CheckWebhookUrl("http://crm.internal:81/", guard, LeadsTo({"10.0.0.1"})).ok());
  EXPECT_FALSE(
      CheckWebhookUrl("http://crm.internal/", guard, LeadsTo({"10.0.0.1", "8.8.8.8"})).ok());
}

}  // namespace
}  // namespace retrace::server
