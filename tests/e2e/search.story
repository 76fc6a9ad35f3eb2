# Whatever a person has in hand finds the customer: part of a name, a number in any usual spelling, an address, an id.
$ retrace tenants create acme > /dev/null; retrace policy set region_code=CH > /dev/null
committed at position 2, change set 2
committed at position 1, change set 1

$ retrace customers create --given-name Jürgen --family-name Müller --phones "044 668 18 00" --emails juergen@example.com --external-id CH-7 > /dev/null
committed at position 2, change set 2

$ retrace customers create --organization-name 北京测试有限公司 --tags vip --level gold > /dev/null
committed at position 3, change set 3

$ retrace customers create --organization-name "上海测试Acme集团" > /dev/null
committed at position 4, change set 4

$ retrace customers create --given-name Anna --family-name Müllerova --phones "+420 601 123 456 x12" > /dev/null
committed at position 5, change set 5

$ retrace customers list muller
ID                          NUMBER  NAME            LEVEL  PHONES                 E-MAILS              OWNER  EXTERNAL ID  STATE
<id 1>                           1  Jürgen Müller          +41446681800           juergen@example.com         CH-7         ACTIVE
<id 2>                           4  Anna Müllerova         +420601123456 ext. 12                                           ACTIVE

$ retrace customers list mül anna
ID                          NUMBER  NAME            LEVEL  PHONES                 E-MAILS  OWNER  EXTERNAL ID  STATE
<id 2>                           4  Anna Müllerova         +420601123456 ext. 12                               ACTIVE

# Any two characters of a Chinese name.
$ retrace customers list 测试
ID                          NUMBER  NAME              LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 3>                           3  上海测试Acme集团                                              ACTIVE
<id 4>                           2  北京测试有限公司  gold                                        ACTIVE

$ retrace customers list 京测
ID                          NUMBER  NAME              LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 4>                           2  北京测试有限公司  gold                                        ACTIVE

$ retrace customers list 限北
ID  NUMBER  NAME  LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE

$ retrace customers list acme
ID                          NUMBER  NAME              LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 3>                           3  上海测试Acme集团                                              ACTIVE

# A phone number however it is written.
$ retrace customers list "+41 44 668 18 00"
ID                          NUMBER  NAME           LEVEL  PHONES        E-MAILS              OWNER  EXTERNAL ID  STATE
<id 1>                           1  Jürgen Müller         +41446681800  juergen@example.com         CH-7         ACTIVE

$ retrace customers list 0446681800
ID                          NUMBER  NAME           LEVEL  PHONES        E-MAILS              OWNER  EXTERNAL ID  STATE
<id 1>                           1  Jürgen Müller         +41446681800  juergen@example.com         CH-7         ACTIVE

$ retrace customers list "0041 (44) 668-18-00"
ID                          NUMBER  NAME           LEVEL  PHONES        E-MAILS              OWNER  EXTERNAL ID  STATE
<id 1>                           1  Jürgen Müller         +41446681800  juergen@example.com         CH-7         ACTIVE

$ retrace customers list juergen@EXAMPLE.com
ID                          NUMBER  NAME           LEVEL  PHONES        E-MAILS              OWNER  EXTERNAL ID  STATE
<id 1>                           1  Jürgen Müller         +41446681800  juergen@example.com         CH-7         ACTIVE

$ retrace customers list CH-7
ID                          NUMBER  NAME           LEVEL  PHONES        E-MAILS              OWNER  EXTERNAL ID  STATE
<id 1>                           1  Jürgen Müller         +41446681800  juergen@example.com         CH-7         ACTIVE

$ retrace customers list '#2'
ID                          NUMBER  NAME              LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 4>                           2  北京测试有限公司  gold                                        ACTIVE

# The id of the first, whole.
$ retrace customers list $(retrace customers list CH-7 -o jsonl | python3 -c 'import json,sys; print(json.loads(sys.stdin.readline())["name"].split("/")[-1])')
ID                          NUMBER  NAME           LEVEL  PHONES        E-MAILS              OWNER  EXTERNAL ID  STATE
<id 1>                           1  Jürgen Müller         +41446681800  juergen@example.com         CH-7         ACTIVE

# Filters: AIP-160. OR binds tighter than AND.
$ retrace customers list --filter 'tags:vip AND level = "gold"'
ID                          NUMBER  NAME              LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 4>                           2  北京测试有限公司  gold                                        ACTIVE

$ retrace customers list --filter 'level = gold AND tags:nobody OR tags:vip'
ID                          NUMBER  NAME              LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 4>                           2  北京测试有限公司  gold                                        ACTIVE

$ retrace customers list --filter 'phones.e164 = "+41446681800" OR tags:vip'
ID                          NUMBER  NAME              LEVEL  PHONES        E-MAILS              OWNER  EXTERNAL ID  STATE
<id 1>                           1  Jürgen Müller            +41446681800  juergen@example.com         CH-7         ACTIVE
<id 4>                           2  北京测试有限公司  gold                                                          ACTIVE

$ retrace customers list --filter 'NOT tags:vip' --order-by "display_name desc" --limit 2
ID                          NUMBER  NAME              LEVEL  PHONES        E-MAILS              OWNER  EXTERNAL ID  STATE
<id 3>                           3  上海测试Acme集团                                                                ACTIVE
<id 1>                           1  Jürgen Müller            +41446681800  juergen@example.com         CH-7         ACTIVE
there are more: --all, --limit N, or go on with --page-token <token>

$ retrace customers list --order-by "number desc" -o csv | cut -d, -f2,3
number,display_name
4,Anna Müllerova
3,上海测试Acme集团
2,北京测试有限公司
1,Jürgen Müller

$ retrace customers list --filter 'level = '
retrace: The filter is wrong at byte 8: expected a value, found the end. Correct the filter; its grammar is https://google.aip.dev/160. (INVALID_FILTER)
[exit 5]

$ retrace customers list --filter 'colour = "red"'
retrace: The filter is wrong at byte 0: there is no field `colour`; there are name, number, display_name, given_name, family_name, organization_name, level, phones, emails, owner, tags, external_id, attributes, state, create_time, update_time. Correct the filter; its grammar is https://google.aip.dev/160. (INVALID_FILTER)
[exit 5]
