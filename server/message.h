// A message as a person reads it: a notification in words, by the tenant's template or a built-in
// one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "domain/view.h"
#include "retrace/v1/templates.pb.h"

namespace retrace::server {

// What a template can name. Texts are as they are; rendering escapes them.
struct MessageValues {
  struct Entity {
    std::string name;   // `tenants/acme/customers/4hj2`
    std::string title;  // what lists show; empty when nobody knows any more
  };
  std::string kind;            // e.g. "customers.deleted"
  std::string tenant;          // what lists show of it
  std::string recipient_name;  // empty: not known
  std::string actor;           // who caused it, as people call them
  bool by_server = false;      // nobody did; `actor` is not used
  std::string reason;
  std::string message;  // words of whoever announces
  std::string about;    // e.g. the name of an operation
  std::string time;     // when, in the tenant's time zone, e.g. "2026-11-22 14:03 (Europe/Oslo)"
  int64_t change_set = 0;
  // Entities that it still tells of; the first of them.
  int64_t count = 0;
  std::vector<Entity> entities;
  // It takes back what the recipient was told before, at that time.
  bool correction = false;
  std::string corrected_time;
  std::string unsubscribe_url;  // empty: it cannot be switched off
};

struct WrittenMessage {
  std::string subject;  // one line
  std::string text;
  std::string html;
  std::string language;  // that it is in: "en" or "zh", or what the tenant's template is for
  std::string fault;     // why the tenant's own template was not used; empty: nothing is wrong
};

// In the first of the languages for which there is a template or a built-in text, or for one near
// it (zh-CN: zh, or the only zh that there is); else in English. Never fails: when the tenant's
// template is broken the built-in one is used and `fault` says why. Templates are read from the
// view.
WrittenMessage Compose(const domain::View& view, const std::vector<std::string>& languages,
                       const MessageValues& values);

// By the texts of this template, stored or not. When they cannot be used it is the built-in text in
// the nearest language, and `fault` says why.
WrittenMessage ComposeBy(const v1::Template& wording, const MessageValues& values);

}  // namespace retrace::server
