# A tenant words its notifications itself. What cannot be shown is refused with its place, what is stored can be taken back.
$ retrace tenants create acme > /dev/null; retrace templates list
$ retrace templates built-in customers.deleted --language zh
$ retrace templates create customers.deleted zh --subject "{{titel}}" --text "{{#entities}}" --html "<p {{reason}}>"
$ retrace templates create comets.seen english --subject x --text x
$ retrace templates create customers.deleted zh --built-in --subject "{{count}} 个客户没了" --reason "our own words"
$ retrace templates preview customers-deleted-zh --count 12
$ retrace templates preview --kind customers.deleted --subject "{{title}}" --text "a {{#more}}"
$ retrace templates update customers-deleted-zh --text "{{#entities}}{{title}}{{/entities}}" --no-html --reason shorter
$ retrace templates preview --kind customers.deleted --language zh-CN
$ retrace templates history customers-deleted-zh --limit 1 -o csv | cut -d, -f4-7
$ retrace undo 2 --reason "too short" > /dev/null; retrace templates preview --kind customers.deleted --language zh-CN --correction
$ retrace templates delete customers-deleted-zh --reason "as shipped"; retrace templates preview --kind customers.deleted --language zh-CN | head -1
# Its id is never used again; its kind and language are.
$ retrace templates create customers.deleted zh --subject 又来了 --text 又来了
$ retrace bin restore templates/customers-deleted-zh --yes; retrace templates list --show-deleted
$ retrace templates list --as-of 1
