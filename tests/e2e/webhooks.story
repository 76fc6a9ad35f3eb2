# An address of yours is told what happens. Here it is a small receiver on this machine: it keeps what arrives, with
# which of its secrets it was signed (the first, the second), and answers 410 at /gone.
! start --webhook-allow 127.0.0.1

$ cat > receiver.py <<'END'
> import base64, hashlib, hmac, http.server, json
> def signed(headers, body):
>     text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
>     keys = [base64.b64decode(line.removeprefix("whsec_")) for line in open("secrets").read().split()]
>     good = ["v1," + base64.b64encode(hmac.digest(key, text, "sha256")).decode() for key in keys]
>     return " and ".join(str(good.index(s) + 1) for s in headers["webhook-signature"].split() if s in good)
> class Receiver(http.server.BaseHTTPRequestHandler):
>     def do_POST(self):
>         body = self.rfile.read(int(self.headers["content-length"]))
>         with open("arrived", "a") as file:
>             print(json.dumps({"path": self.path, "id": self.headers["webhook-id"],
>                               "content-type": self.headers["content-type"],
>                               "signed by secret": signed(self.headers, body),
>                               "event": json.loads(body)}, ensure_ascii=False), file=file)
>         self.send_response(410 if self.path == "/gone" else 204)
>         self.end_headers()
>     def log_message(self, *words):
>         pass
> server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
> print(server.server_port, file=open("port", "w"), flush=True)
> server.serve_forever()
> END

$ touch arrived; timeout 600 python3 receiver.py > receiver.log 2>&1 & echo $! > receiver; until test -s port; do sleep 0.1; done

$ retrace tenants create acme > /dev/null 2>&1; retrace customers create --organization-name 北京华信科技 > /dev/null 2>&1; retrace customers list -o csv | tail -1 | cut -d, -f1 > customer

# Its secret is shown once. Whoever has it knows whether what comes is from here.
$ retrace webhooks create http://127.0.0.1:$(cat port)/hook --kinds customers.deleted,customers.restored --description "stock keeping" 2>&1 | tee made; grep -o 'whsec_.*' made > secrets; grep -o 'webhooks/.*' made | cut -d/ -f2 > hook
name         tenants/acme/webhooks/<id 1>
url          http://127.0.0.1:<port>/hook
description  stock keeping
kinds        customers.deleted; customers.restored
state        ACTIVE
secrets      {"id":"<id 2>","create_time":"<time>"}
etag         "<etag>"
create_time  <time>
update_time  <time>
·
secret  <secret>
Keep the secret: it is not shown again.
committed at position 2, change set 2

$ retrace webhooks list -o csv; retrace webhooks show $(cat hook) -o json
name,url,kinds,description,state,disable_reason
tenants/acme/webhooks/<id 1>,http://127.0.0.1:<port>/hook,customers.deleted; customers.restored,stock keeping,ACTIVE,
{
 "name": "tenants/acme/webhooks/<id 1>",
 "url": "http://127.0.0.1:<port>/hook",
 "description": "stock keeping",
 "kinds": [
  "customers.deleted",
  "customers.restored"
 ],
 "state": "ACTIVE",
 "secrets": [
  {
   "id": "<id 2>",
   "create_time": "<time>"
  }
 ],
 "etag": "\"<etag>\"",
 "create_time": "<time>",
 "update_time": "<time>"
}

# It is told at which position it happened, and the revision of what it happened to.
$ retrace customers delete $(cat customer) --related delete --reason "合同到期" > /dev/null; until grep -q customers.deleted arrived; do sleep 0.1; done; python3 -m json.tool --no-ensure-ascii arrived
committed at position 3, change set 3
{
    "path": "/hook",
    "id": "<id 3>",
    "content-type": "application/cloudevents+json; charset=utf-8",
    "signed by secret": "1",
    "event": {
        "specversion": "1.0",
        "id": "<id 3>",
        "source": "/tenants/acme",
        "type": "retrace.customers.deleted",
        "subject": "tenants/acme/customers/<id 4>",
        "time": "<time>",
        "timestamp": "<time>",
        "datacontenttype": "application/json",
        "data": {
            "name": "tenants/acme/notifications/<id 5>",
            "kind": "customers.deleted",
            "change_set": "3",
            "count": "1",
            "entities": [
                {
                    "name": "tenants/acme/customers/<id 4>",
                    "revision": "2"
                }
            ],
            "actor": "root",
            "reason": "合同到期",
            "position": "3"
        }
    }
}

$ until retrace webhooks deliveries $(cat hook) -o csv > sent; grep -q SENT sent; do sleep 0.1; done; cat sent
name,kind,state,attempt_count,last_result,next_attempt_time,send_time
tenants/acme/deliveries/<id 6>,customers.deleted,SENT,1,answered 204,,<time>

# Once more, as it was: the receiver knows it by its id.
$ retrace webhooks redeliver $(cat hook) $(tail -1 sent | cut -d, -f1) > redelivered 2> /dev/null; until test $(wc -l < arrived) -ge 2; do sleep 0.1; done; cut -d, -f1-4 arrived; grep -E 'kind|state' redelivered
{"path": "/hook", "id": "<id 3>", "content-type": "application/cloudevents+json; charset=utf-8", "signed by secret": "1"
{"path": "/hook", "id": "<id 3>", "content-type": "application/cloudevents+json; charset=utf-8", "signed by secret": "1"
kind               customers.deleted
state              PENDING

# What is taken back is told, too.
$ retrace undo 3 --reason "signed again" > /dev/null 2>&1; until grep -q customers.restored arrived; do sleep 0.1; done; tail -1 arrived | grep -oE '"(type|corrects|reason|revision)": "[^"]*"'
"type": "retrace.customers.restored"
"revision": "3"
"reason": "signed again"
"corrects": "tenants/acme/notifications/<id 5>"

# A try, also of one that is paused.
$ retrace webhooks pause $(cat hook) 2> /dev/null | grep state; retrace webhooks test $(cat hook) > /dev/null 2>&1; until grep -q webhooks.tested arrived; do sleep 0.1; done; tail -1 arrived | grep -o '"type": "[^"]*"'
state        PAUSED
"type": "retrace.webhooks.tested"

$ retrace webhooks resume $(cat hook) 2> /dev/null | grep state
state        ACTIVE

# For a day the old secret is good beside the new one.
$ retrace webhooks rotate-secret $(cat hook) 2> /dev/null | tee made | grep secret; grep -o 'whsec_.*' made >> secrets; retrace webhooks test $(cat hook) > /dev/null 2>&1; until test $(grep -c webhooks.tested arrived) -ge 2; do sleep 0.1; done; grep webhooks.tested arrived | tail -1 | grep -o 'signed by[^,]*'
secrets      {"id":"<id 7>","create_time":"<time>"}; {"id":"<id 2>","create_time":"<time>","expire_time":"<time>"}
secret  <secret>
signed by secret": "2 and 1"

$ retrace webhooks rotate-secret $(cat hook) --end-old-now 2> /dev/null | tee made | grep secret; grep -o 'whsec_.*' made >> secrets; retrace webhooks test $(cat hook) > /dev/null 2>&1; until test $(grep -c webhooks.tested arrived) -ge 3; do sleep 0.1; done; grep webhooks.tested arrived | tail -1 | grep -o 'signed by[^,]*'
secrets      {"id":"<id 8>","create_time":"<time>"}; {"id":"<id 7>","create_time":"<time>","expire_time":"<time>"}; {"id":"<id 2>","create_time":"<time>","expire_time":"<time>"}
secret  <secret>
signed by secret": "3"

# No secret is kept where it could be read.
$ retrace history commits --view events -o json > events; grep -c whsec_ events; grep -c secrets events
0
3

# What was changed is taken back, but for secrets.
$ retrace webhooks update $(cat hook) --kinds customers.purged --description "" 2> said | grep -E 'kinds|description'; retrace undo $(grep -o '[0-9]*$' said) --reason "a mistake" > /dev/null 2>&1; retrace webhooks show $(cat hook) | grep -E 'kinds|description'
kinds        customers.purged
description  stock keeping
kinds        customers.deleted; customers.restored

$ retrace webhooks rotate-secret $(cat hook) 2> said | grep -o secret; retrace undo $(grep -o '[0-9]*$' said) --reason "a mistake"
secret
secret
retrace: 4 changes stand in the way, first tenants/acme/webhooks/<id 1> secrets["<id 2>"]: It changes on evidence only. GetUndoConflicts lists them. Undo the later changes first, or use PARTIAL, which leaves them. (EVIDENCE_REQUIRED)
  tenants/acme/webhooks/<id 1> secrets["<id 2>"]: It changes on evidence only.
  tenants/acme/webhooks/<id 1> secrets["<id 7>"]: It changes on evidence only.
  tenants/acme/webhooks/<id 1> secrets["<id 8>"]: It changes on evidence only.
  tenants/acme/webhooks/<id 1> secrets["<id 9>"]: It changes on evidence only.
[exit 8]

# One that says that it is gone is disabled; administrators are told.
$ retrace webhooks create http://127.0.0.1:$(cat port)/gone --kinds customers.deleted 2> /dev/null | grep -o 'webhooks/.*' | cut -d/ -f2 > gone; retrace customers delete $(cat customer) --related delete --reason "closed down" > /dev/null 2>&1; until retrace webhooks show $(cat gone) > shown; grep -q DISABLED shown; do sleep 0.1; done; grep -E 'state|reason' shown; until retrace webhooks deliveries $(cat gone) -o csv > sent; grep -q FAILED sent; do sleep 0.1; done; cut -d, -f2-5 sent
state           DISABLED
disable_reason  answered 410
kind,state,attempt_count,last_result
customers.deleted,FAILED,1,answered 410

$ until retrace notifications list -o csv > inbox; grep -q webhooks.disabled inbox; do sleep 0.1; done; cut -d, -f3-4 inbox
notification.kind,subject
webhooks.disabled,A webhook was disabled

$ retrace webhooks list --filter 'state = DISABLED' -o csv | cut -d, -f2-; retrace webhooks resume $(cat gone) 2> /dev/null | grep state
url,kinds,description,state,disable_reason
http://127.0.0.1:<port>/gone,customers.deleted,,DISABLED,answered 410
state        ACTIVE

# Deleted, it is told nothing more, and lies in the recycle bin.
$ retrace webhooks delete $(cat hook); retrace webhooks delete $(cat hook) --reason "not needed" 2> /dev/null | grep -E 'state|reason'; retrace webhooks list -o csv | cut -d, -f2-5; retrace webhooks list --show-deleted -o csv | cut -d, -f2-5; retrace bin list -o csv > bin; cut -d, -f1-4 bin
retrace: This needs a reason; the tenant's policy asks for one. Say in options.reason why; it is kept with the commit and shown in history. (REASON_REQUIRED)
  options.reason: must say why
  say why: --reason TEXT
state        DELETED
url,kinds,description,state
http://127.0.0.1:<port>/gone,customers.deleted,,ACTIVE
url,kinds,description,state
http://127.0.0.1:<port>/hook,customers.deleted; customers.restored,stock keeping,DELETED
http://127.0.0.1:<port>/gone,customers.deleted,,ACTIVE
collection,name,title,delete_time
customers,tenants/acme/customers/<id 4>,北京华信科技,<time>
webhooks,tenants/acme/webhooks/<id 1>,,<time>

$ retrace webhooks undelete $(cat hook) --reason "needed again" 2> /dev/null | grep state; retrace webhooks test $(cat hook) > /dev/null 2>&1; until test $(grep -c webhooks.tested arrived) -ge 4; do sleep 0.1; done; grep webhooks.tested arrived | tail -1 | grep -o 'signed by[^,]*'
state        ACTIVE
signed by secret": "3"

# What is refused: networks inside, unless the server allows them; what is not encrypted; kinds that there are not.
$ retrace webhooks create https://10.0.0.1/hook
retrace: Webhooks do not go to this address. Give an https address that the Internet can reach, or ask the operator to allow this one (setting `webhook_allow`). (ADDRESS_REFUSED)
  webhook.url: 10.0.0.1 leads to an address that this server sends nothing to.
[exit 5]

$ retrace webhooks create http://1.1.1.1/hook
retrace: Webhooks do not go to this address. Give an https address that the Internet can reach, or ask the operator to allow this one (setting `webhook_allow`). (ADDRESS_REFUSED)
  webhook.url: The address does not begin with https://.
[exit 5]

$ retrace webhooks create http://127.0.0.1:$(cat port)/hook --kinds customers.eaten
retrace: webhook.kinds: There is no kind `customers.eaten`; give one like `customers.deleted`, or none for all. (INVALID_FIELD)
[exit 5]

$ retrace webhooks update $(cat hook) --url ftp://example.com/hook; retrace webhooks update $(cat hook)
retrace: Webhooks do not go to this address. Give an https address that the Internet can reach, or ask the operator to allow this one (setting `webhook_allow`). (ADDRESS_REFUSED)
  webhook.url: The address does not begin with https://.
retrace: nothing to change: say --url, --description or --kinds
[exit 2]

$ retrace webhooks show 01jd8e6x2kaaaaaaaaaaaaaaaa; retrace webhooks redeliver $(cat hook) 00000000001-00000000000000000000000000
retrace: There is no webhook `tenants/acme/webhooks/<id 10>`, or you may not see it. Check the name, or search for it in the list. (ENTITY_NOT_FOUND)
  see tenants/acme/webhooks/<id 10>
retrace: There is no delivery `tenants/acme/deliveries/<id 11>`. Look for it in the list, or as of an earlier moment. (ENTITY_NOT_FOUND)
  see tenants/acme/deliveries/<id 11>
[exit 6]

$ retraced token new --data $RETRACED_DATA --principal ann --role agent --tenant acme > ann; until retrace --token-file ann customers list > /dev/null 2>&1; do sleep 0.1; done; retrace --token-file ann webhooks list
retrace: Your roles do not grant webhooks.read. Ask whoever runs the server for a role that does; `retraced roles` prints them. (PERMISSION_MISSING)
[exit 9]

$ kill $(cat receiver)
