# Every list, get, search, count and digest can be asked of the past.
$ retrace tenants create acme > /dev/null

$ retrace customers create --organization-name Hottechi --external-id H-1 --level gold > /dev/null

$ retrace customers create --organization-name Betasoloin --external-id B-1 --level gold > /dev/null

$ retrace history digest | tee $WORK/digest

$ retrace customers update ext:H-1 --set level=silver > /dev/null

$ retrace customers delete ext:B-1 --related delete > /dev/null

$ retrace customers list

$ retrace customers list --as-of 2

$ retrace customers list --as-of 2 --filter 'level = "gold"'

$ retrace customers list gold --as-of 0

$ retrace summarize --as-of 2

$ retrace history digest --as-of 2 | diff - $WORK/digest && echo "the same digest"

$ retrace customers list --as-of 99

$ retrace customers list --as-of 2999-01-01T00:00:00Z

# What happened, by whom.
$ retrace history commits --view changes

$ retrace history change-sets --oldest-first
