revoke select on device from app_worker;
drop table send_receipt;
drop table mailbox;
drop sequence mailbox_position;
