# A tenant words its notifications itself. What cannot be shown is refused with its place, what is stored can be taken back.
$ retrace tenants create acme > /dev/null; retrace templates list
committed at position 2, change set 2
ID  KIND  LANGUAGE  SUBJECT  CHANGED  STATE

$ retrace templates built-in customers.deleted --language zh
{{#correction}}更正：{{/correction}}{{#single}}客户“{{title}}”已被删除{{/single}}{{^single}}您的 {{count}} 个客户已被删除{{/single}}
·
{{#recipient_name}}
{{recipient_name}}，您好：
·
{{/recipient_name}}
{{#correction}}
{{#single}}{{corrected_time}}，我们曾通知您：客户“{{title}}”已从回收站恢复。该操作现已撤销，该客户已回到回收站。{{/single}}{{^single}}{{corrected_time}}，我们曾通知您：您的部分客户已从回收站恢复。其中 {{count}} 个客户的恢复现已撤销，这些客户已回到回收站。{{/single}}
·
{{/correction}}
{{^correction}}
{{#single}}您负责的客户“{{title}}”已被删除，现存放在回收站中。{{/single}}{{^single}}您负责的 {{count}} 个客户已被删除，现存放在回收站中。{{/single}}
·
{{/correction}}
{{^single}}
{{#listed}}
{{#entities}}
- {{title}}
{{/entities}}
{{#more}}
- 以及另外 {{more_count}} 项
{{/more}}
·
{{/listed}}
{{/single}}
{{#message}}
{{message}}
·
{{/message}}
{{#actor}}
操作人：{{actor}}
{{/actor}}
{{#time}}
时间：{{time}}
{{/time}}
{{#reason}}
原因：{{reason}}
{{/reason}}
{{#about}}
相关事项：{{about}}
{{/about}}
·
如需撤销：retrace undo {{change_set}} --reason 原因
{{#unsubscribe_url}}
·
--
如果不想再收到此类通知：
{{unsubscribe_url}}
{{/unsubscribe_url}}

$ retrace templates create customers.deleted zh --subject "{{titel}}" --text "{{#entities}}" --html "<p {{reason}}>"
retrace: The template cannot be used: subject, line 1, column 1: There is no "titel"; perhaps title is meant. `retrace templates names` lists what a template can name. (TEMPLATE_BROKEN)
  template.subject: Line 1, column 1: There is no "titel"; perhaps title is meant.
  template.text: Line 1, column 1: The section entities is not closed; {{/entities}} is missing.
  template.html: Line 1, column 4: reason cannot stand here: values stand between tags; only unsubscribe_url may be an href, in quotes and alone.
[exit 5]

$ retrace templates create comets.seen english --subject x --text x
retrace: template.kind: There is no kind of notification "comets.seen"; `retrace templates kinds` lists them. And 1 more. (INVALID_FIELD)
  template.language: Is no language of BCP 47; it looks like zh-CN.
[exit 5]

$ retrace templates create customers.deleted zh --built-in --subject "{{count}} 个客户没了" --reason "our own words"
ID                    KIND               LANGUAGE  SUBJECT               CHANGED               STATE
customers-deleted-zh  customers.deleted  zh        {{count}} 个客户没了  <time>                ACTIVE
committed at position 1, change set 1

$ retrace templates preview customers-deleted-zh --count 12
12 个客户没了
·
王芳，您好：
·
您负责的 12 个客户已被删除，现存放在回收站中。
·
- 示例客户 1
- 示例客户 2
- 示例客户 3
- 示例客户 4
- 示例客户 5
- 示例客户 6
- 示例客户 7
- 示例客户 8
- 示例客户 9
- 示例客户 10
- 以及另外 2 项
·
操作人：李伟
时间：2026-03-02 14:03 (UTC)
原因：客户已停业
·
如需撤销：retrace undo 1204 --reason 原因
·
--
如果不想再收到此类通知：
https://crm.example/u/sample

$ retrace templates preview --kind customers.deleted --subject "{{title}}" --text "a {{#more}}"
Customer “Sample & Sons 1” was deleted
·
Hello Anna Snelling,
·
Your customer “Sample & Sons 1” was deleted and is in the recycle bin.
·
By: Cecily Lampkin
When: 2026-03-02 14:03 (UTC)
Reason: Closed down
·
To undo it: retrace undo 1204 --reason WHY
·
--
If you do not want to be told of this any more:
https://crm.example/u/sample
text, line 1, column 3: The section more is not closed; {{/more}} is missing.
retrace: the template cannot be used: this is the shipped text, sent instead
[exit 4]

$ retrace templates update customers-deleted-zh --text "{{#entities}}{{title}}{{/entities}}" --no-html --reason shorter
ID                    KIND               LANGUAGE  SUBJECT               CHANGED               STATE
customers-deleted-zh  customers.deleted  zh        {{count}} 个客户没了  <time>                ACTIVE
committed at position 2, change set 2

$ retrace templates preview --kind customers.deleted --language zh-CN
1 个客户没了
·
示例客户 1
·
--
如果不想再收到此类通知：
https://crm.example/u/sample

$ retrace templates history customers-deleted-zh --limit 1 -o csv | cut -d, -f4-7
on_behalf_of,method,reason,change_set
,retrace.v1.Templates.UpdateTemplate,shorter,2

$ retrace undo 2 --reason "too short" > /dev/null; retrace templates preview --kind customers.deleted --language zh-CN --correction
committed at position 3, change set 3
1 个客户没了
·
王芳，您好：
·
2026-03-01 09:30 (UTC)，我们曾通知您：客户“示例客户 1”已从回收站恢复。该操作现已撤销，该客户已回到回收站。
·
操作人：李伟
时间：2026-03-02 14:03 (UTC)
原因：客户已停业
·
如需撤销：retrace undo 1204 --reason 原因
·
--
如果不想再收到此类通知：
https://crm.example/u/sample

$ retrace templates delete customers-deleted-zh --reason "as shipped"; retrace templates preview --kind customers.deleted --language zh-CN | head -1
ID                    KIND               LANGUAGE  SUBJECT               CHANGED               STATE
customers-deleted-zh  customers.deleted  zh        {{count}} 个客户没了  <time>                DELETED
committed at position 4, change set 4
客户“示例客户 1”已被删除

# Its id is never used again; its kind and language are.
$ retrace templates create customers.deleted zh --subject 又来了 --text 又来了
ID                      KIND               LANGUAGE  SUBJECT  CHANGED               STATE
customers-deleted-zh-2  customers.deleted  zh        又来了   <time>                ACTIVE
committed at position 5, change set 5

$ retrace bin restore templates/customers-deleted-zh --yes; retrace templates list --show-deleted
retrace: customers.deleted has a template in the language zh already, `tenants/acme/templates/customers-deleted-zh-2`. Update that one, or delete it first. (KEY_TAKEN)
  see tenants/acme/templates/customers-deleted-zh-2
ID                      KIND               LANGUAGE  SUBJECT               CHANGED               STATE
customers-deleted-zh    customers.deleted  zh        {{count}} 个客户没了  <time>                DELETED
customers-deleted-zh-2  customers.deleted  zh        又来了                <time>                ACTIVE

$ retrace templates list --as-of 1
answered at position 1, committed <time>
ID                    KIND               LANGUAGE  SUBJECT               CHANGED               STATE
customers-deleted-zh  customers.deleted  zh        {{count}} 个客户没了  <time>                ACTIVE
