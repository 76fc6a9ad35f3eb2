# Who may what: an agent undeletes what they deleted themselves, an auditor reads and writes nothing, an operator sees no customer.
$ retrace tenants create acme > /dev/null; retrace tenants create other > /dev/null; retrace customers create --organization-name Hottechi --external-id H-1 > /dev/null
committed at position 2, change set 2
committed at position 3, change set 3
committed at position 1, change set 1

$ for role in agent auditor operator; do retraced token new --data data --principal $role --role $role --tenant "$([ $role = operator ] && echo '*' || echo acme)" > $role; done; retraced token new --data data --principal x --role king --tenant acme
retraced: there is no role `king`; `retraced roles` prints them
[exit 2]

# The running daemon reads the file when it changes.
$ until retrace --token-file operator tenants list > /dev/null 2>&1; do sleep 0.1; done; retrace --token-file operator tenants list
ID     NAME   NUMBER  CREATED
acme   acme        1  <time>
other  other       2  <time>

$ retrace --token-file agent customers delete ext:H-1 --related keep --reason tidying > /dev/null; retrace --token-file agent customers undelete ext:H-1 --reason tidying
committed at position 2, change set 2
ID                          NUMBER  NAME      LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 1>                           1  Hottechi                                 H-1          ACTIVE
committed at position 3, change set 3

$ retrace customers delete ext:H-1 --related keep --reason tidying > /dev/null; retrace --token-file agent customers undelete ext:H-1 --reason tidying
committed at position 4, change set 4
retrace: tenants/acme/customers/<id 1> was deleted by root. Ask root or an administrator to undelete it. (NOT_YOUR_DELETION)
[exit 9]

$ retrace --token-file agent customers create --organization-name Betasoloin
ID                          NUMBER  NAME        LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 2>                           2  Betasoloin                                              ACTIVE
committed at position 5, change set 5

$ retrace --token-file agent history commits
retrace: Your roles do not grant history.read. Ask whoever runs the server for a role that does; `retraced roles` prints them. (PERMISSION_MISSING)
[exit 9]

$ retrace --token-file agent policy set region_code=DE
retrace: Your roles do not grant policy.update. Ask whoever runs the server for a role that does; `retraced roles` prints them. (PERMISSION_MISSING)
[exit 9]

$ retrace --token-file agent --tenant other customers list
retrace: There is no tenant other for you. Check the id, or ask whoever runs the server to let you in. (TENANT_NOT_FOUND)
  see tenants/other
[exit 6]

$ retrace --token-file auditor customers list --show-deleted
ID                          NUMBER  NAME        LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 1>                           1  Hottechi                                   H-1          DELETED
<id 2>                           2  Betasoloin                                              ACTIVE

$ retrace --token-file auditor history commits
POSITION  TIME                  ACTOR  METHOD            ENTITIES                              REASON
       5  <time>                agent  CreateCustomer    customers/<id 2>
       4  <time>                root   DeleteCustomer    customers/<id 1>                      tidying
       3  <time>                agent  UndeleteCustomer  customers/<id 1>                      tidying
       2  <time>                agent  DeleteCustomer    customers/<id 1>                      tidying
       1  <time>                root   CreateCustomer    customers/<id 1>

$ retrace --token-file auditor customers undelete ext:H-1 --reason tidying
retrace: Your roles do not grant customers.undelete. Ask whoever runs the server for a role that does; `retraced roles` prints them. (PERMISSION_MISSING)
[exit 9]

$ retrace --token-file auditor admin status
retrace: Your roles do not grant admin.status. Ask whoever runs the server for a role that does; `retraced roles` prints them. (PERMISSION_MISSING)
[exit 9]

$ retrace --token-file operator customers list
retrace: Your roles do not grant customers.read. Ask whoever runs the server for a role that does; `retraced roles` prints them. (PERMISSION_MISSING)
[exit 9]

$ retrace --token-file operator history commits
retrace: Your roles do not grant history.read. Ask whoever runs the server for a role that does; `retraced roles` prints them. (PERMISSION_MISSING)
[exit 9]

$ retrace --token-file operator admin status -o json | python3 -c 'import json,sys; print(sorted(json.load(sys.stdin)))'
['backup', 'commits', 'epoch', 'free_bytes', 'release', 'reserve_bytes', 'resident_bytes', 'rows_memory_bytes', 'rows_origin', 'start_time', 'tenants']

$ retrace --token-file agent tenants list; retrace --token-file agent tenants create mine
ID    NAME  NUMBER  CREATED
acme  acme       1  <time>
retrace: Your roles do not grant tenants.create. Ask whoever runs the server for a role that does; `retraced roles` prints them. (PERMISSION_MISSING)
[exit 9]

# A token that is taken out of the file fails from the next call on, and its streams end.
$ : > watched; (retrace --token-file auditor watch --timeout 60s >> watched 2>&1; echo "[exit $?]" >> watched) & until grep -q 'caught up' watched; do sleep 0.1; done; python3 - <<'END'
> path = "data/tokens.toml"
> parts = open(path).read().split("[[")
> open(path, "w").write("[[".join(part for part in parts if '"auditor"' not in part))
> END
> while retrace --token-file auditor customers list > /dev/null 2>&1; do sleep 0.1; done; retrace --token-file auditor customers list; wait; cat watched
retrace: The call's token is not known. Send `authorization: Bearer TOKEN` with a token of this server's token file; whoever runs the server makes one with `retraced token new`. (TOKEN_UNKNOWN)
  set a token: --token-file FILE, RETRACE_TOKEN, or `retrace context set`
caught up at position 5 of epoch <epoch 1>
go on with --after 5 --epoch <epoch 1>
retrace: The stream's token is not known any more. (TOKEN_UNKNOWN)
  set a token: --token-file FILE, RETRACE_TOKEN, or `retrace context set`
[exit 9]
