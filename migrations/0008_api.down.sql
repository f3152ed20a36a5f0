drop table socket_ticket;
drop table webhook_attempt;
drop table outbox;
drop table webhook_endpoint;
drop table idempotency;
drop table api_key;
