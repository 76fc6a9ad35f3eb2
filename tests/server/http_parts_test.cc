// The small grammars of the HTTP edge: headers, forms, proxies, gzip, Connect's bytes, file names.
#include <fstream>
#include <string>
#include <vector>

#include "domain/refusal.h"
#include "gmock/gmock.h"
#include "google/protobuf/api.pb.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "server/http/connect.h"
#include "server/http/connect_wire.h"
#include "server/http/form.h"
#include "server/http/gzip.h"
#include "server/http/message.h"
#include "server/http/proxies.h"
#include "server/http/static_files.h"
#include "server/status.h"

namespace retrace::server::http {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Message, ReadsMediaTypes) {
  EXPECT_EQ(MediaType(" Application/JSON ; charset=utf-8"), "application/json");
  EXPECT_EQ(MediaParameter("multipart/form-data; boundary=\"a b\"; x=y", "boundary"), "a b");
  EXPECT_EQ(MediaParameter("multipart/form-data; boundary=\"a b\"; x=y", "X"), "y");
  EXPECT_EQ(MediaParameter("text/plain", "charset"), "");
  EXPECT_EQ(MediaParameter("text/plain; charset", "charset"), "");
  EXPECT_EQ(MediaParameter("a/b; c=\"", "c"), "");
}

TEST(Message, ReadsCodings) {
  EXPECT_TRUE(AcceptsCoding("br, gzip;q=0.5", "gzip"));
  EXPECT_FALSE(AcceptsCoding("br, gzip;q=0.0", "gzip"));
  EXPECT_FALSE(AcceptsCoding("br", "gzip"));
  EXPECT_FALSE(AcceptsCoding("", "gzip"));
}

TEST(Message, DecodesPercents) {
  EXPECT_EQ(PercentDecode("a%20b+c%2f"), "a b+c/");
  EXPECT_EQ(PercentDecode("a+b", true), "a b");
  EXPECT_EQ(PercentDecode("%E5%8C%97"), "北");
  for (const std::string malformed : {"%", "%1", "%1g", "a%%20"}) {
    EXPECT_FALSE(PercentDecode(malformed).has_value()) << malformed;
  }
}

// What comes from elsewhere (a token in a header, an entity's name) cannot end a header early.
TEST(Message, KeepsHeadersInTheirLines) {
  const std::string head = Head(TextReply(200, "").With("X", "a\r\nSet-Cookie: b\x01\n"));
  EXPECT_THAT(head, HasSubstr("X: aSet-Cookie: b\r\n"));
  EXPECT_THAT(head, Not(HasSubstr("\nSet-Cookie")));
}

TEST(Message, CountsDigits) {
  EXPECT_EQ(ParseDigits("0012", 10), 12);
  EXPECT_EQ(ParseDigits("9999999999", 10), 9'999'999'999);
  for (const std::string wrong : {"", "-1", "+1", " 1", "1e3", "10000000000"}) {
    EXPECT_FALSE(ParseDigits(wrong, 10).has_value()) << wrong;
  }
}

TEST(Form, ReadsWhatMailProgramsPost) {
  const Form one_click = {{"List-Unsubscribe", "One-Click"}};
  EXPECT_EQ(ParseForm("application/x-www-form-urlencoded", "List-Unsubscribe=One-Click"),
            one_click);
  EXPECT_EQ(ParseForm("application/x-www-form-urlencoded; charset=utf-8",
                      "List-Unsubscribe=One-Click\r\n"),
            one_click);
  const std::string part =
      "--xyz\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n";
  EXPECT_EQ(ParseForm("multipart/form-data; boundary=xyz", part + "--xyz--\r\n"), one_click);
  EXPECT_EQ(ParseForm("multipart/form-data; boundary=\"xyz\"",
                      "preamble\r\n" + part +
                          "--xyz\r\nContent-Type: text/plain\r\ncontent-disposition: form-data; "
                          "name=action\r\n\r\n\r\n--xyz--"),
            (Form{{"List-Unsubscribe", "One-Click"}, {"action", ""}}));
  EXPECT_EQ(ParseForm("application/x-www-form-urlencoded", "a=%E5%8C%97+b&a=c&d"),
            (Form{{"a", "北 b"}, {"d", ""}}));
}

TEST(Form, RefusesTheRest) {
  const std::string type = "multipart/form-data; boundary=xyz";
  EXPECT_FALSE(ParseForm("application/json", "{}").has_value());
  EXPECT_FALSE(ParseForm("", "a=b").has_value());
  EXPECT_FALSE(ParseForm("application/x-www-form-urlencoded", "a=%zz").has_value());
  EXPECT_FALSE(ParseForm("multipart/form-data", "--xyz--").has_value());
  EXPECT_FALSE(ParseForm(type, "").has_value());
  EXPECT_FALSE(ParseForm(type, "--xyz\r\n\r\n\r\n--xyz--").has_value());
  EXPECT_FALSE(
      ParseForm(type, "--xyz\r\nContent-Disposition: form-data; name=a\r\n\r\nhalf").has_value());
  EXPECT_FALSE(ParseForm(type, "--xyzContent-Disposition: form-data; name=a\r\n\r\na\r\n--xyz--")
                   .has_value());
}

Request From(const std::string& peer, Headers headers) {
  Request request;
  request.peer = peer;
  request.headers = std::move(headers);
  return request;
}

TEST(Proxies, AreBelievedOnlyWhenTrusted) {
  const Proxies proxies = *Proxies::Parse({"10.0.0.0/8", "::1", "unix", "192.0.2.7"});
  const Headers forwarded = {{"x-forwarded-for", "203.0.113.9, 198.51.100.2, 10.1.1.1"}};
  EXPECT_EQ(proxies.ClientOf(From("11.0.0.1", forwarded)), "11.0.0.1");
  EXPECT_EQ(proxies.ClientOf(From("10.0.0.1", forwarded)), "198.51.100.2");
  EXPECT_EQ(proxies.ClientOf(From("192.0.2.7", forwarded)), "198.51.100.2");
  EXPECT_EQ(proxies.ClientOf(From("192.0.2.8", forwarded)), "192.0.2.8");
  EXPECT_EQ(proxies.ClientOf(From("unix", forwarded)), "198.51.100.2");
  EXPECT_EQ(proxies.ClientOf(From("::1", {{"x-real-ip", "2001:db8::1"}})), "2001:db8::1");
  EXPECT_EQ(proxies.ClientOf(
                From("10.0.0.1", {{"x-forwarded-for", "1.2.3.4"}, {"x-forwarded-for", "5.6.7.8"}})),
            "5.6.7.8");
  EXPECT_EQ(proxies.ClientOf(From("10.0.0.1", {{"x-forwarded-for", "1.2.3.4, <script>"}})),
            "10.0.0.1");
  EXPECT_EQ(proxies.ClientOf(From("10.0.0.1", {})), "10.0.0.1");
  EXPECT_EQ(Proxies().ClientOf(From("unix", forwarded)), "unix");
}

TEST(Proxies, SaysWhatIsNoNetwork) {
  for (const std::string wrong :
       {"", "nginx", "10.0.0.0/33", "::/129", "10.0.0.0/", "1.2.3.4/-1"}) {
    EXPECT_FALSE(Proxies::Parse({wrong}).ok()) << wrong;
  }
}

TEST(Proxies, CountConnectionsByWhatOneCustomerHas) {
  EXPECT_EQ(NetworkOf("192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(NetworkOf("2001:db8:1:2:3:4:5:6"), NetworkOf("2001:db8:1:2::1"));
  EXPECT_NE(NetworkOf("2001:db8:1:3::1"), NetworkOf("2001:db8:1:2::1"));
}

TEST(Gzip, UnpacksWithinItsBound) {
  const std::string text(100'000, 'a');
  const std::string packed = Gzip(text);
  EXPECT_LT(packed.size(), 1000u);
  EXPECT_EQ(Gunzip(packed, text.size()).bytes, text);
  EXPECT_EQ(Gunzip(packed, text.size() - 1).fault, GunzipFault::kTooLarge);
  EXPECT_EQ(Gunzip(packed.substr(0, packed.size() - 1), 1 << 20).fault, GunzipFault::kMalformed);
  EXPECT_EQ(Gunzip(packed + "x", 1 << 20).fault, GunzipFault::kMalformed);
  EXPECT_EQ(Gunzip("no gzip", 1 << 20).fault, GunzipFault::kMalformed);
  EXPECT_EQ(Gunzip(Gzip(""), 0).bytes, "");
}

// A bomb costs what its bound says, not what it would become.
TEST(Gzip, StopsABomb) {
  const std::string bomb = Gzip(std::string(64 << 20, '\0'));
  const Gunzipped unpacked = Gunzip(bomb, 1 << 20);
  EXPECT_EQ(unpacked.fault, GunzipFault::kTooLarge);
  EXPECT_LT(unpacked.bytes.size(), (1u << 20) + (64 << 10));
}

TEST(ConnectWire, ReadsContentTypes) {
  const auto type = ParseConnectType("application/connect+proto; charset=UTF-8");
  ASSERT_TRUE(type.has_value());
  EXPECT_TRUE(type->stream);
  EXPECT_EQ(type->codec, Codec::kProto);
  for (const std::string other :
       {"", "text/plain", "application/grpc", "application/grpc-web+proto", "application/jsonx",
        "application/json; charset=latin1"}) {
    EXPECT_FALSE(ParseConnectType(other).has_value()) << other;
  }
}

TEST(ConnectWire, MapsEveryCode) {
  const std::vector<std::pair<std::string, int>> table = {{"ok", 200},
                                                          {"canceled", 499},
                                                          {"unknown", 500},
                                                          {"invalid_argument", 400},
                                                          {"deadline_exceeded", 504},
                                                          {"not_found", 404},
                                                          {"already_exists", 409},
                                                          {"permission_denied", 403},
                                                          {"resource_exhausted", 429},
                                                          {"failed_precondition", 400},
                                                          {"aborted", 409},
                                                          {"out_of_range", 400},
                                                          {"unimplemented", 501},
                                                          {"internal", 500},
                                                          {"unavailable", 503},
                                                          {"data_loss", 500},
                                                          {"unauthenticated", 401}};
  for (size_t code = 0; code < table.size(); ++code) {
    EXPECT_EQ(ConnectCode(static_cast<grpc::StatusCode>(code)), table[code].first);
    EXPECT_EQ(HttpStatusOf(static_cast<grpc::StatusCode>(code)), table[code].second);
  }
}

TEST(ConnectWire, WritesErrors) {
  const absl::Status refusal = domain::Refusal(v1::QUEUE_FULL, "Too many \"queries\" wait.")
                                   .With("queue", "quick")
                                   .RetryAfter(absl::Milliseconds(1200));
  const Reply reply = ConnectErrorReply(ToGrpcStatus(refusal));
  EXPECT_EQ(reply.status, 429);
  const nlohmann::json error = nlohmann::json::parse(reply.body);
  EXPECT_EQ(error["code"], "resource_exhausted");
  EXPECT_EQ(error["message"], "Too many \"queries\" wait.");
  EXPECT_EQ(error["details"][0]["type"], "google.rpc.ErrorInfo");
  EXPECT_EQ(error["details"][0]["debug"]["reason"], "QUEUE_FULL");
  EXPECT_THAT(error["details"][0]["value"].get<std::string>(), Not(HasSubstr("=")));
  EXPECT_THAT(Head(reply), HasSubstr("Retry-After: 2\r\n"));
  // Text that is no UTF-8 does not end the process.
  EXPECT_THAT(ConnectErrorReply({grpc::StatusCode::UNKNOWN, "\xff"}).body, HasSubstr("unknown"));
}

TEST(ConnectWire, OpensEnvelopes) {
  bool compressed = true;
  EXPECT_EQ(OpenEnvelope(Envelope(0, "abc"), compressed), "abc");
  EXPECT_FALSE(compressed);
  EXPECT_EQ(OpenEnvelope(Envelope(kCompressed, ""), compressed), "");
  EXPECT_TRUE(compressed);
  const std::string large(70'000, 'x');
  EXPECT_EQ(OpenEnvelope(Envelope(0, large), compressed), large);
  for (const std::string& wrong :
       {std::string(), std::string("abc"), Envelope(0, "abc") + "d",
        Envelope(0, "abc").substr(0, 7), Envelope(0, "a") + Envelope(0, "b"),
        Envelope(kEndOfStream, "{}"), Envelope(4, "a"),
        std::string("\0\xff\xff\xff\xff"
                    "a",
                    6)}) {
    EXPECT_FALSE(OpenEnvelope(wrong, compressed).has_value());
  }
}

TEST(ConnectWire, EndsStreams) {
  const std::string good = EndOfStream(grpc::Status::OK, {{"a", "b"}, {"grpc-status", "0"}});
  EXPECT_EQ(good, Envelope(kEndOfStream, R"({"metadata":{"a":["b"]}})"));
  const std::string bad = EndOfStream({grpc::StatusCode::NOT_FOUND, "gone"}, {});
  EXPECT_EQ(bad, Envelope(kEndOfStream, R"({"error":{"code":"not_found","message":"gone"}})"));
}

TEST(ConnectWire, HandsMetadataOn) {
  Headers headers;
  AddMetadata({{"x-a", "1"}, {"x-bin", "\xff\xfe"}, {"grpc-status", "0"}, {"bad name", "x"}},
              "trailer-", headers);
  EXPECT_EQ(headers, (Headers{{"trailer-x-a", "1"}, {"trailer-x-bin", "//4"}}));
}

std::string FieldOf(const std::string& json) {
  const auto parsed = JsonToProto(google::protobuf::Api(), json);
  EXPECT_EQ(domain::ReasonOf(parsed.status()), v1::MALFORMED_REQUEST) << json;
  const std::string message(parsed.status().message());
  const std::string begin = "The JSON is no google.protobuf.Api: ";
  EXPECT_EQ(message.substr(0, begin.size()), begin);
  return message.substr(begin.size(), message.find(':', begin.size()) - begin.size());
}

TEST(ConnectWire, NamesTheFieldThatIsWrong) {
  EXPECT_EQ(FieldOf(R"({"nope":1})"), "nope");
  EXPECT_EQ(FieldOf(R"({"name":5})"), "name");
  EXPECT_EQ(FieldOf(R"({"methods":[{"name":"x"},{"nam":"y"}]})"), "methods[1].nam");
  EXPECT_EQ(FieldOf(R"({"syntax":"XX"})"), "syntax");
  for (const std::string malformed :
       {"", "{", "[]", "null", "{\"name\":", "{} x", "{\"name\":\"\xff\"}"}) {
    FieldOf(malformed);
  }
  FieldOf(std::string(100'000, '['));  // no deeper than the parser goes
}

TEST(ConnectWire, TurnsJsonIntoProtoAndBack) {
  const std::string json = R"({"name":"北京","methods":[{"name":"a"}]})";
  const auto bytes = JsonToProto(google::protobuf::Api(), json);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_EQ(*ProtoToJson(google::protobuf::Api(), *bytes), json);
  EXPECT_FALSE(ProtoToJson(google::protobuf::Api(), "\xff").ok());
}

TEST(Connect, KnowsItsMethods) {
  EXPECT_TRUE(Connect::Knows("/retrace.v1.Customers/GetCustomer"));
  EXPECT_FALSE(Connect::Knows("/retrace.v1.Customers/Get"));
  EXPECT_FALSE(Connect::Knows("/assets.v1/app.js"));
}

TEST(Connect, KnowsItsPaths) {
  EXPECT_TRUE(Connect::IsMethodPath("/retrace.v1.Customers/GetCustomer"));
  EXPECT_TRUE(Connect::IsMethodPath("/a.B/C"));
  for (const std::string other :
       {"/", "", "//", "/a.B", "/a.B/", "/a.B//C", "/x/a.B/C", "/assets/C", "/healthz"}) {
    EXPECT_FALSE(Connect::IsMethodPath(other)) << other;
  }
}

TEST(StaticFiles, TakesNoNameThatLeavesTheDirectory) {
  EXPECT_EQ(FileNameOf("/"), "index.html");
  EXPECT_EQ(FileNameOf("/a/b.js"), "a/b.js");
  EXPECT_EQ(FileNameOf("/a%20b/"), "a b/index.html");
  for (const std::string wrong :
       {"", "a", "//etc/passwd", "/..", "/../x", "/a/../b", "/%2e%2e/x", "/%2e%2e%2fx", "/.git/x",
        "/a/.env", "/a%00.html", "/a\\b", "/%zz", "/a//b"}) {
    EXPECT_FALSE(FileNameOf(wrong).has_value()) << wrong;
  }
}

TEST(OriginFormTest, TakesATargetWithItsHost) {
  EXPECT_EQ(OriginForm("http://a.example/b?c"), "/b?c");
  EXPECT_EQ(OriginForm("HTTPS://a.example:443/"), "/");
  EXPECT_EQ(OriginForm("http://a.example"), "/");
  EXPECT_EQ(OriginForm("http://a.example?c"), "/?c");
  for (const std::string_view other : {"/b?u=http://a.example/", "*", "ftp://a.example/", ""}) {
    EXPECT_EQ(OriginForm(other), other);
  }
}

}  // namespace
}  // namespace retrace::server::http
