# Every wrong request gets a clear error that says what to do, and writes nothing.
$ retrace tenants create acme > /dev/null; retrace customers create --organization-name Hottechi --external-id H-1 > /dev/null
committed at position 2, change set 2
committed at position 1, change set 1

$ retrace history digest > digest

# Who, and where.
$ retrace --tenant nobody customers list
retrace: There is no tenant nobody for you. Check the id, or ask whoever runs the server to let you in. (TENANT_NOT_FOUND)
  see tenants/nobody
[exit 6]

$ retrace --tenant "Not A Tenant" customers list
retrace: The name is malformed. (INVALID_FIELD)
  parent: must begin with `tenants/{tenant}`
[exit 5]

$ retrace --token wrong customers list
retrace: The call's token is not known. Send `authorization: Bearer TOKEN` with a token of this server's token file; whoever runs the server makes one with `retraced token new`. (TOKEN_UNKNOWN)
  set a token: --token-file FILE, RETRACE_TOKEN, or `retrace context set`
[exit 9]

$ RETRACE_TOKEN= retrace customers list
retrace: The call has no token. Send `authorization: Bearer TOKEN` with a token of this server's token file; whoever runs the server makes one with `retraced token new`. (TOKEN_UNKNOWN)
  set a token: --token-file FILE, RETRACE_TOKEN, or `retrace context set`
[exit 9]

$ RETRACE_TENANT= retrace customers list
retrace: which tenant? Say --tenant ID, set RETRACE_TENANT, or `retrace context set`
[exit 2]

$ retrace --endpoint unix:$WORK/nothing --timeout 3s customers list
retrace: no server answers at unix:<path>/nothing within 3s: No such file or directory
  is the server running, and is --endpoint right? `retrace context show` tells which one is used
[exit 3]

$ retrace --endpoint nowhere customers list --timeout 1s
retrace: endpoint `nowhere` has no port between 1 and 65535; write host:port
[exit 2]

# Names and ids.
$ retrace customers get tenants/acme/customers/NOT-AN-ID
retrace: name is no name. (INVALID_FIELD)
  name: A name looks like `tenants/acme` or `tenants/acme/customers/4hj2`: lower-case letters, digits and hyphens.
[exit 5]

$ retrace customers get 01hzzzzzzzzzzzzzzzzzzzzzzz
retrace: There is no customer `tenants/acme/customers/<id 1>`, or you may not see it. Check the name, or search for it in the list. (ENTITY_NOT_FOUND)
  see tenants/acme/customers/<id 1>
[exit 6]

$ retrace customers get tenants/acme/records/01hzzzzzzzzzzzzzzzzzzzzzzz
retrace: `tenants/acme/records/<id 1>` does not name a customer. (INVALID_FIELD)
  name: must look like tenants/TENANT/customers/ID
[exit 5]

$ retrace customers get ext:H-2
retrace: there is no customer ext:H-2
[exit 6]

$ retrace customers get '#99'
retrace: there is no customer #99
[exit 6]

# Fields and masks.
$ retrace customers update ext:H-1 --set number=7
retrace: number: there is no field `number` to set; there are display_name, given_name, family_name, organization_name, level, phones, emails, owner, addresses, tags, external_id, attributes
[exit 2]

$ retrace customers update ext:H-1 --set colour=red
retrace: colour: there is no field `colour` to set; there are display_name, given_name, family_name, organization_name, level, phones, emails, owner, addresses, tags, external_id, attributes
[exit 2]

$ retrace customers update ext:H-1
retrace: nothing to change: say --set FIELD=VALUE or --clear FIELD
[exit 2]

$ retrace customers create
retrace: customer.display_name: Give this, a given or family name, or an organization name. (INVALID_FIELD)
[exit 5]

$ retrace customers create --organisation-name X
retrace: unknown: --organisation-name X
  did you mean `--organization-name`?
  see retrace customers create --help
[exit 2]

$ retrace customers create --organization-name X --external-id H-1
retrace: The external id `H-1` is held by tenants/acme/customers/<id 2>. Change the value, or delete its holder first. (KEY_TAKEN)
  see tenants/acme/customers/<id 2>
[exit 7]

$ retrace customers create --organization-name X --emails "not an address"
retrace: customer.emails[0]: Is no e-mail address; it looks like name@host. (INVALID_FIELD)
[exit 5]

$ retrace customers create --organization-name X --owner nobody
retrace: customer.owner: there is no member `tenants/acme/members/nobody`. Name one that exists, or leave it empty. (REFERENCE_BROKEN)
  tenants/acme/members/nobody: does not exist
  see tenants/acme/members/nobody
[exit 8]

$ retrace customers create --organization-name "$(head -c 500 /dev/zero | tr '\0' x)" 2>&1 | cut -c 1-200
retrace: customer.organization_name has 500 bytes; at most 400 are allowed. Correct the request and send it again. (INVALID_FIELD)

$ retrace customers create --organization-name $'bad \xff byte'
retrace: The bytes are no retrace.v1.CreateCustomerRequest: customer.organization_name: the text is not valid UTF-8. Encode the request with stubs generated from this server's protos. (MALFORMED_REQUEST)
[exit 5]

$ retrace customers create --organization-name $'two\nlines'
ID                          NUMBER  NAME        LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 3>                           2  two\nlines                                              ACTIVE
committed at position 2, change set 2

$ retrace customers create --organization-name X --set addresses.region_code=Atlantis
ID                          NUMBER  NAME  LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 4>                           3  X                                                 ACTIVE
committed at position 3, change set 3

$ retrace customers create --organization-name "$(head -c 120000 /dev/zero | tr '\0' x)" --set attributes.a="$(head -c 120000 /dev/zero | tr '\0' x)" 2>&1 | cut -c 1-200
retrace: 2 fields are wrong; the first: customer.organization_name has 120000 bytes; at most 400 are allowed. Correct the request and send it again. (INVALID_FIELD)
  customer.attributes["a"]: has 120000 bytes; at most 1000 are allowed

# Filters, orders, pages.
$ retrace customers list --filter "$(head -c 8000 /dev/zero | tr '\0' '(')" 2>&1 | cut -c 1-200
retrace: The filter is wrong at byte 20: parentheses lie more than 20 deep. Correct the filter; its grammar is https://google.aip.dev/160. (INVALID_FILTER)

$ retrace customers list --filter 'level = "gold'
retrace: The filter is wrong at byte 8: this quote is never closed. Correct the filter; its grammar is https://google.aip.dev/160. (INVALID_FILTER)
[exit 5]

$ retrace customers list --filter 'number = many'
retrace: The filter is wrong at byte 9: expected a whole number. Correct the filter; its grammar is https://google.aip.dev/160. (INVALID_FILTER)
[exit 5]

$ retrace customers list --page-token AAAA
retrace: The page token was changed, or made by another server or for another tenant. Begin again without a page token. (INVALID_PAGE_TOKEN)
[exit 5]

$ retrace customers list --order-by colour
retrace: `colour` is no order of this list. (INVALID_FIELD)
  order_by: one of number, display_name, update_time, create_time, alone or with ` desc` behind it
[exit 5]

$ retrace customers list --limit 0
retrace: --limit: `0` is no whole number from 1 on
  see retrace customers list --help
[exit 2]

# A page token belongs to the question that it came from.
$ retrace customers create --organization-name Second > /dev/null; TOKEN=$(retrace customers list --limit 1 2>&1 | sed -n 's/.*--page-token //p'); retrace customers list --page-token $TOKEN --filter 'level = "gold"'; retrace records list --page-token $TOKEN; retrace customers list --page-token "${TOKEN%?????}AAAAA"
committed at position 4, change set 4
retrace: The page token was made for another request: all fields but page_size must stay as they were. Begin again without a page token. (INVALID_PAGE_TOKEN)
retrace: The page token was made for another request: all fields but page_size must stay as they were. Begin again without a page token. (INVALID_PAGE_TOKEN)
retrace: The page token was changed, or made by another server or for another tenant. Begin again without a page token. (INVALID_PAGE_TOKEN)
[exit 5]

# Concurrent changes.
$ retrace customers update ext:H-1 --set level=a --etag '"99"'
retrace: `tenants/acme/customers/<id 2>` changed since you read it. Read it again and repeat the command with the new etag. (ETAG_MISMATCH)
  see tenants/acme/customers/<id 2>
[exit 7]

$ retrace customers create --organization-name One --request-id r-1 > /dev/null; retrace customers create --organization-name Two --request-id r-1
committed at position 5, change set 5
retrace: Request id r-1 was used by root for another request. Use a fresh id for every command; send the same id only with the same request. (REQUEST_ID_REUSED)
  options.request_id: already used for another request
[exit 5]

$ retrace customers create --organization-name One --request-id r-1
ID                          NUMBER  NAME  LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 5>                           5  One                                               ACTIVE
already done: this repeats a request that was answered at position 5

$ retrace customers update ext:H-1 --set level=a --change-set 99
retrace: Nobody began a change set 99. Begin a change set of your own, or leave options.change_set out. (CHANGE_SET_CLOSED)
[exit 8]

$ retrace history end 1
retrace: There is no change set `tenants/acme/changeSets/1`. Look for it in the list, or as of an earlier moment. (ENTITY_NOT_FOUND)
  see tenants/acme/changeSets/1
[exit 6]

# The past and the future.
$ retrace customers list --as-of 99
retrace: Position 99 of as_of lies in the future: tenant acme has come to 5. Leave as_of unset to ask about now. (FUTURE_AS_OF)
  as_of.position: must be at most 5
[exit 5]

$ retrace customers list --as-of 2999-01-01
as of 2999-01-01T00:00:00+00:00 (UTC)
retrace: The time 2999-01-01T00:00:00Z of as_of lies in the future. Leave as_of unset to ask about now. (FUTURE_AS_OF)
  as_of.time: must not lie in the future
[exit 5]

$ retrace customers list --as-of -1
retrace: --as-of: `-1` is not a time; write 2026-03-31, 2026-03-31T18:00:00 or 2026-03-31T18:00:00Z, or the number of a position
[exit 2]

# Tenants, members, records, policy.
$ retrace tenants create system
retrace: The tenant id `system` is reserved. (INVALID_FIELD)
  tenant_id: 1 to 63 lower-case letters, digits and hyphens; begins with a letter, does not end with a hyphen; not `system`.
[exit 5]

$ retrace tenants create acme
retrace: Tenant `acme` exists already. Choose another id. (ID_TAKEN)
  see tenants/acme
[exit 7]

$ retrace tenants create "Not An Id"
retrace: tenant_id is no id. (INVALID_FIELD)
  tenant_id: 1 to 63 lower-case letters, digits and hyphens; begins with a letter, does not end with a hyphen; not `system`.
[exit 5]

$ retrace members create "Not An Id" --display-name X
retrace: member_id is no id. (INVALID_FIELD)
  member_id: 1 to 63 lower-case letters, digits and hyphens; begins with a letter, does not end with a hyphen.
[exit 5]

$ retrace records create --kind DEAL --title ""
retrace: record.title is required. Correct the request and send it again. (INVALID_FIELD)
[exit 5]

$ retrace records create --kind WISH --title X
retrace: kind: `WISH` is no value of kind; there are CONTACT, DEAL, ORDER, PAYMENT, LEAD, CASE, NOTE, TASK, FILE_REF
[exit 2]

$ retrace records create --kind DEAL --title X --amount "1 XXQ"
retrace: record.amount.currency: Is no currency of ISO 4217; it looks like EUR. (INVALID_FIELD)
[exit 5]

$ retrace records create --kind DEAL --title X --amount "1.005 USD"
retrace: amount: `1.005` is no amount: USD has 2 decimal places
[exit 2]

$ retrace records create --kind DEAL --title X --amount "many USD"
retrace: amount: `many` is no amount: unexpected `m`
[exit 2]

$ retrace records create --kind DEAL --title X --close-time tomorrow
retrace: close_time: `tomorrow` is not a time; write 2026-03-31, 2026-03-31T18:00:00 or 2026-03-31T18:00:00Z
[exit 2]

$ retrace records create --kind DEAL --title X --customer 01hzzzzzzzzzzzzzzzzzzzzzzz
retrace: record.customer: there is no customer `tenants/acme/customers/<id 1>`. Name one that exists, or leave it empty. (REFERENCE_BROKEN)
  tenants/acme/customers/<id 1>: does not exist
  see tenants/acme/customers/<id 1>
[exit 8]

$ retrace policy set unique_keys=customers.colour
retrace: policy.unique_keys[0]: Is none of members.email, customers.phone, customers.email, customers.external_id, records.external_id, none. (INVALID_FIELD)
[exit 5]

$ retrace policy set region_code=XX time_zone=Mars/Olympus currency_code=usd language=klingon
retrace: policy.region_code: Is no country of ISO 3166-1; it looks like NO. And 2 more. (INVALID_FIELD)
  policy.time_zone: Is no IANA time zone; it looks like Europe/Oslo.
  policy.language: Is no language of BCP 47; it looks like zh-CN.
[exit 5]

# More than a batch may hold is refused with what to do instead.
$ for i in $(seq 1001); do echo 01hzzzzzzzzzzzzzzzzzzzzzzz; done | retrace customers batch-delete - --related refuse --reason tidying
retrace: names has 1001 elements, more than the 1000 of one commit. Send them in several batches; a change set keeps them together. (USE_OPERATION)
  names: Give 1 to 1000.
  as an operation: --operation; for many, --filter or --ids-file in place of ids
[exit 5]

# Words of the command line.
$ retrace customer list
retrace: unknown: customer list
  did you mean `customers`?
  see retrace --help
[exit 2]

$ retrace customers lsit
retrace: unknown: lsit
  did you mean `list`?
  see retrace customers --help
[exit 2]

$ retrace customers delete ext:H-1 --related drop --reason tidying
retrace: --related: drop not in {delete,keep,refuse}
  see retrace customers delete --help
[exit 2]

$ retrace customers list --as-off 3
retrace: unknown: --as-off
  did you mean `--as-of`?
  see retrace customers list --help
[exit 2]

$ retrace customers list --timeout soon
retrace: --timeout: `soon` is no duration; write 10s, 2m or 500ms
[exit 2]

# Three customers were created by the commands that were right; nothing else happened.
$ retrace history commits; retrace history digest --as-of 1 2> /dev/null | head -2 | diff - <(head -2 digest) && echo "the same digest"
POSITION  TIME                  ACTOR  METHOD          ENTITIES                              REASON
       5  <time>                root   CreateCustomer  customers/<id 5>
       4  <time>                root   CreateCustomer  customers/<id 6>
       3  <time>                root   CreateCustomer  customers/<id 4>
       2  <time>                root   CreateCustomer  customers/<id 3>
       1  <time>                root   CreateCustomer  customers/<id 2>
the same digest
