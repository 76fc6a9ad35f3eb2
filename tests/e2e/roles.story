# Who may what: an agent undeletes what they deleted themselves, an auditor reads and writes nothing, an operator sees no customer.
$ retrace tenants create acme > /dev/null; retrace customers create --organization-name Hottechi --external-id H-1 > /dev/null

$ for role in agent auditor operator; do retraced --data $RETRACED_DATA token new --principal $role --role $role --tenant $([ $role = operator ] && echo '*' || echo acme) > $WORK/$role; done; sleep 2

$ retrace --token $(cat agent) customers delete ext:H-1 --related keep > /dev/null && retrace customers list --show-deleted -o jsonl | python3 -c 'import json,sys; print(json.loads(sys.stdin.readline())["name"])' > h1; retrace --token $(cat agent) customers undelete $(cat h1) > /dev/null && echo "brought back"

$ retrace customers delete ext:H-1 --related keep > /dev/null; retrace --token $(cat agent) customers undelete $(cat h1)

$ retrace --token $(cat agent) history commits

$ retrace --token $(cat auditor) customers list --show-deleted

$ retrace --token $(cat auditor) history commits --limit 1 | tail -1 | cut -c1-40

$ retrace --token $(cat auditor) customers undelete $(cat h1)

$ retrace --token $(cat operator) customers list

$ retrace --token $(cat operator) admin status | head -3

# A token that is taken out of the file fails from the next call on.
$ python3 - <<'END'
> import os, re
> path = os.environ["RETRACED_DATA"] + "/tokens.toml"
> parts = open(path).read().split("[[")
> open(path, "w").write("[[".join(part for part in parts if '"auditor"' not in part))
> END
> sleep 2; retrace --token $(cat auditor) customers list
