# Whatever a person has in hand finds the customer: part of a name, a number in any usual spelling, an address, an id.
$ retrace tenants create acme > /dev/null; retrace policy set region_code=CH > /dev/null
committed at position 2, change set 2
committed at position 1, change set 1

$ retrace customers create --given-name Jürgen --family-name Müller --phone "044 668 18 00" --email juergen@example.com --external-id CH-7 > /dev/null
retrace: The following arguments were not expected: juergen@example.com --email 044 668 18 00 --phone
  see retrace customers create --help
[exit 2]

$ retrace customers create --organization-name 北京测试有限公司 --add-tag vip --level gold > /dev/null
retrace: The following arguments were not expected: vip --add-tag
  see retrace customers create --help
[exit 2]

$ retrace customers create --organization-name "上海测试Acme集团" > /dev/null
committed at position 2, change set 2

$ retrace customers create --given-name Anna --family-name Müllerova --phone "+420 601 123 456 x12" > /dev/null
retrace: The following arguments were not expected: +420 601 123 456 x12 --phone
  see retrace customers create --help
[exit 2]

$ retrace customers list muller
ID  NUMBER  NAME  LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE

$ retrace customers list mül anna
ID  NUMBER  NAME  LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE

# Any two characters of a Chinese name.
$ retrace customers list 测试
ID                          NUMBER  NAME              LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 1>       1  上海测试Acme集团                                              ACTIVE

$ retrace customers list 京测
ID  NUMBER  NAME  LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE

$ retrace customers list acme
ID                          NUMBER  NAME              LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 1>       1  上海测试Acme集团                                              ACTIVE

# A phone number however it is written.
$ retrace customers list "+41 44 668 18 00"
ID  NUMBER  NAME  LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE

$ retrace customers list 0446681800
ID  NUMBER  NAME  LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE

$ retrace customers list "0041 (44) 668-18-00"
ID  NUMBER  NAME  LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE

$ retrace customers list juergen@EXAMPLE.com
ID  NUMBER  NAME  LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE

$ retrace customers list CH-7
ID  NUMBER  NAME  LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE

$ retrace customers list '#2'
ID  NUMBER  NAME  LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE

# Filters: AIP-160. OR binds tighter than AND.
$ retrace customers list --filter 'tags:vip AND level = "gold"'
ID  NUMBER  NAME  LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE

$ retrace customers list --filter 'phones:"+41446681800" OR tags:vip'
ID  NUMBER  NAME  LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE

$ retrace customers list --order-by "display_name desc"
ID                          NUMBER  NAME              LEVEL  PHONES  E-MAILS  OWNER  EXTERNAL ID  STATE
<id 1>       1  上海测试Acme集团                                              ACTIVE

$ retrace customers list --filter 'level = '
retrace: The filter is wrong at byte 8: expected a value, found the end. Correct the filter; its grammar is https://google.aip.dev/160. (INVALID_FILTER)
  filter: at byte 8: expected a value, found the end
  Correct the filter; its grammar is https://google.aip.dev/160.
[exit 5]

$ retrace customers list --filter 'colour = "red"'
retrace: The filter is wrong at byte 0: there is no field `colour`; there are name, number, display_name, given_name, family_name, organization_name, level, phones, emails, owner, tags, external_id, attributes, state, create_time, update_time. Correct the filter; its grammar is https://google.aip.dev/160. (INVALID_FILTER)
  filter: at byte 0: there is no field `colour`; there are name, number, display_name, given_name, family_name, organization_name, level, phones, emails, owner, tags, external_id, attributes, state, create_time, update_time
  Correct the filter; its grammar is https://google.aip.dev/160.
[exit 5]
