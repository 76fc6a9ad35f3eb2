# First steps: a tenant, its people, a customer and what is known of it. All that was done can be read back.
$ retrace tenants create acme --display-name "Acme"
name          tenants/acme
display_name  Acme
number        1
create_time   <time>
etag          "<etag>"
committed at position 2, change set 2

$ retrace members create ann --display-name "Ann Smith" --email ann@acme.example --principal root
ID   NAME       E-MAIL            TEAM  LEAD  STATE
ann  Ann Smith  ann@acme.example              ACTIVE
committed at position 1, change set 1

$ retrace customers create --organization-name Hottechi --level gold --owner ann --phones "(415) 555-2671" --emails info@hottechi.example --external-id H-1
ID                          NUMBER  NAME      LEVEL  PHONES        E-MAILS                OWNER  EXTERNAL ID  STATE
<id 1>                           1  Hottechi  gold   +14155552671  info@hottechi.example  ann    H-1          ACTIVE
committed at position 2, change set 2

$ retrace customers create --organization-name "北京测试有限公司" --level silver
ID                          NUMBER  NAME              LEVEL   PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 2>                           2  北京测试有限公司  silver                                       ACTIVE
committed at position 3, change set 3

$ retrace records create --kind DEAL --customer ext:H-1 --title "Twelve machines" --amount "1200.50 EUR" --stage Engaging --owner ann
ID                          KIND  TITLE            CUSTOMER                    OWNER       AMOUNT  STAGE     CLOSED  EXTERNAL ID  STATE
<id 3>                      DEAL  Twelve machines  <id 1>                      ann    1200.50 EUR  Engaging                       ACTIVE
committed at position 4, change set 4

$ retrace records create --kind CONTACT --customer ext:H-1 --title "Eve Stone" --emails eve@hottechi.example
ID                          KIND     TITLE      CUSTOMER                    OWNER  AMOUNT  STAGE  CLOSED  EXTERNAL ID  STATE
<id 4>                      CONTACT  Eve Stone  <id 1>                                                                 ACTIVE
committed at position 5, change set 5

$ retrace customers list
ID                          NUMBER  NAME              LEVEL   PHONES        E-MAILS                OWNER  EXTERNAL ID  STATE
<id 1>                           1  Hottechi          gold    +14155552671  info@hottechi.example  ann    H-1          ACTIVE
<id 2>                           2  北京测试有限公司  silver                                                           ACTIVE

$ retrace customers show ext:H-1
name               tenants/acme/customers/<id 1>
number             1
display_name       Hottechi
organization_name  Hottechi
level              gold
phones             +14155552671
emails             info@hottechi.example
owner              ann
external_id        H-1
state              ACTIVE
etag               "<etag>"
create_time        <time>
update_time        <time>
·
Contacts: 1
ID                          NAME       PHONES  E-MAILS
<id 4>                      Eve Stone          eve@hottechi.example
·
DEAL: 1, in sum 1200.50 EUR
ID                          TITLE            STAGE          AMOUNT  OWNER  BEGUN  CLOSED
<id 3>                      Twelve machines  Engaging  1200.50 EUR  ann

# A change needs no more than what changes, and a reason is kept with it.
$ retrace customers update ext:H-1 --set level=platinum --add-tag vip --reason "they doubled their order"
ID                          NUMBER  NAME      LEVEL     PHONES        E-MAILS                OWNER  EXTERNAL ID  STATE
<id 1>                           1  Hottechi  platinum  +14155552671  info@hottechi.example  ann    H-1          ACTIVE
committed at position 6, change set 6

# The same again changes nothing: a commit without events keeps the request, so that a repeat is known.
$ retrace customers update ext:H-1 --set level=platinum
ID                          NUMBER  NAME      LEVEL     PHONES        E-MAILS                OWNER  EXTERNAL ID  STATE
<id 1>                           1  Hottechi  platinum  +14155552671  info@hottechi.example  ann    H-1          ACTIVE
committed at position 7, change set 7

$ retrace customers history ext:H-1
POSITION  TIME                  ACTOR  METHOD          FIELD                     BEFORE  AFTER                                           REASON
       6  <time>                root   UpdateCustomer  level                     gold    platinum                                        they doubled their order
                                                       tags                      -       vip
       2  <time>                root   CreateCustomer  display_name              -       Hottechi
                                                       emails                    -       info@hottechi.example
                                                       external_id               -       H-1
                                                       level                     -       gold
                                                       number                    -       1
                                                       organization_name         -       Hottechi
                                                       owner                     -       tenants/acme/members/ann
                                                       phones["(415) 555-2671"]  -       {"e164":"+14155552671","raw":"(415) 555-2671"}
                                                       state                     -       ACTIVE

$ retrace summarize
KIND      STATE   STAGE     COUNT          SUM
CONTACT   ACTIVE                1
CUSTOMER  ACTIVE                2
DEAL      ACTIVE  Engaging      1  1200.50 EUR
MEMBER    ACTIVE                1

$ retrace history commits
POSITION  TIME                  ACTOR  METHOD          ENTITIES                              REASON
       7  <time>                root   UpdateCustomer
       6  <time>                root   UpdateCustomer  customers/<id 1>                      they doubled their order
       5  <time>                root   CreateRecord    records/<id 4>
       4  <time>                root   CreateRecord    records/<id 3>
       3  <time>                root   CreateCustomer  customers/<id 2>
       2  <time>                root   CreateCustomer  customers/<id 1>
       1  <time>                root   CreateMember    members/ann
