# Every wrong request gets a clear error that says what to do, and writes nothing.
$ retrace tenants create acme > /dev/null; retrace customers create --organization-name Hottechi --external-id H-1 > /dev/null

$ retrace history digest > $WORK/digest

$ retrace --tenant nobody customers list

$ retrace --token wrong customers list

$ retrace customers get tenants/acme/customers/NOT-AN-ID

$ retrace customers get 01hzzzzzzzzzzzzzzzzzzzzzzz

$ retrace customers update ext:H-1 --set number=7

$ retrace customers update ext:H-1 --set colour=red

$ retrace customers create

$ retrace customers create --organization-name X --external-id H-1

$ retrace customers create --organization-name X --email "not an address"

$ retrace customers create --organization-name X --owner nobody

$ retrace customers create --organization-name "$(head -c 500 /dev/zero | tr '\0' x)"

$ retrace customers list --filter "$(head -c 4000 /dev/zero | tr '\0' '(')"

$ retrace customers list --page-token AAAA

$ retrace customers list --order-by colour

$ retrace customers update ext:H-1 --set level=a --etag '"99"'

$ retrace customers create --organization-name One --request-id r-1 > /dev/null; retrace customers create --organization-name Two --request-id r-1

$ retrace customers create --organization-name One --request-id r-1

$ retrace customers update ext:H-1 --set level=a --change-set 99

$ retrace tenants create system

$ retrace tenants create acme

$ retrace members create "Not An Id" --display-name X

$ retrace records create --kind DEAL --title ""

$ retrace records create --kind DEAL --title X --amount "1 XXQ"

$ retrace policy set unique_keys=customers.colour

# Two customers were created by the two commands that were right; nothing else happened.
$ retrace history commits
