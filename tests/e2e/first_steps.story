# First steps: a tenant, its people, a customer and what is known of it. Everything that was done can be read back.
$ retrace tenants create acme --display-name "Acme"
name          tenants/acme
display_name  Acme
number        1
create_time   <time>
etag          "1-660d43d871989"
committed at position 2, change set 2

$ retrace members create ann --display-name "Ann Smith" --email ann@acme.example
ID   NAME       E-MAIL            TEAM  LEAD  STATE
ann  Ann Smith  ann@acme.example              ACTIVE
committed at position 1, change set 1

$ retrace customers create --organization-name "Hottechi" --level gold --owner ann --phone "(415) 555-2671" --email info@hottechi.example --external-id H-1
retrace: The following arguments were not expected: info@hottechi.example --email (415) 555-2671 --phone
  see retrace customers create --help
[exit 2]

$ retrace customers create --organization-name "北京测试有限公司" --level silver
ID                          NUMBER  NAME              LEVEL   PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 1>       1  北京测试有限公司  silver                                       ACTIVE
committed at position 2, change set 2

$ retrace records create --kind DEAL --customer ext:H-1 --title "Twelve machines" --amount "1200.50 EUR" --stage Engaging --owner ann
retrace: record.customer is no name. (INVALID_FIELD)
  record.customer: A name looks like `tenants/acme` or `tenants/acme/customers/4hj2`: lower-case letters, digits and hyphens.
[exit 5]

$ retrace customers list
ID                          NUMBER  NAME              LEVEL   PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 1>       1  北京测试有限公司  silver                                       ACTIVE

$ retrace customers show ext:H-1
retrace: there is no customer ext:H-1
[exit 6]

# A change needs no more than what changes, and a reason is kept with it.
$ retrace customers update ext:H-1 --set level=platinum --reason "they doubled their order"
retrace: there is no customer ext:H-1
[exit 6]

# The same again changes nothing and writes nothing.
$ retrace customers update ext:H-1 --set level=platinum
retrace: there is no customer ext:H-1
[exit 6]

$ retrace customers history ext:H-1
retrace: there is no customer ext:H-1
[exit 6]

$ retrace summarize
KIND      STATE   STAGE  COUNT  SUM
CUSTOMER  ACTIVE             1
MEMBER    ACTIVE             1
