drop trigger mailbox_forget on tenant;
drop function mailbox_forget();
drop policy tenant_set on tenant;
revoke select on device from app_worker;
drop table send_receipt;
drop table mailbox;
drop sequence mailbox_position;
