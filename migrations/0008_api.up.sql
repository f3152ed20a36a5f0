-- What a host's own software uses: API keys, idempotency, webhooks; and the tickets of browser sockets.

-- A key is shown once; its hash is here. Scopes say which routes it reaches.
create table api_key (
  tenant_id   uuid not null references tenant (tenant_id) on delete cascade,
  key_id      uuid not null,
  token_hash  bytea not null check (octet_length(token_hash) = 32),
  name        text not null check (char_length(name) between 1 and 64),
  scopes      text[] not null check (cardinality(scopes) between 1 and 16),
  created_on  date not null,
  used_on     date,
  expires_at  timestamptz,
  revoked_at  timestamptz,
  primary key (tenant_id, key_id),
  unique (tenant_id, token_hash)
);

-- One row a POST with an Idempotency-Key, written in the transaction of its effect. The answer is sealed under a key that
-- is derived from the caller's own credential, which is not in this database: answers may hold links.
create table idempotency (
  tenant_id   uuid not null,
  key_id      uuid not null,
  route       text not null check (char_length(route) between 1 and 128),
  once_hash   bytea not null check (octet_length(once_hash) = 32),
  body_hash   bytea not null check (octet_length(body_hash) = 32),
  status      smallint not null default 0,
  answer      bytea not null default ''::bytea check (octet_length(answer) <= 65536),
  expires_at  timestamptz not null,
  primary key (tenant_id, key_id, route, once_hash),
  foreign key (tenant_id, key_id) references api_key (tenant_id, key_id) on delete cascade
);
create index idempotency_expiry on idempotency (tenant_id, expires_at);

-- Where a host wants to be told. The signing secret is in tenant_secret.
create table webhook_endpoint (
  tenant_id   uuid not null references tenant (tenant_id) on delete cascade,
  endpoint_id uuid not null,
  url         text not null check (char_length(url) between 8 and 2048),
  events      text[] not null check (cardinality(events) between 1 and 32),
  enabled     boolean not null default true,
  created_on  date not null,
  primary key (tenant_id, endpoint_id)
);

-- An event for one endpoint, written in the transaction of what it tells, kept until it is delivered or given up, and
-- then as long as it may be replayed.
create table outbox (
  tenant_id   uuid not null,
  outbox_id   uuid not null,
  endpoint_id uuid not null,
  event_id    uuid not null,
  type        text not null check (char_length(type) between 1 and 64),
  payload     bytea not null check (octet_length(payload) between 2 and 16384),
  created_at  timestamptz not null,
  state       text not null default 'pending' check (state in ('pending', 'delivered', 'failed')),
  attempts    integer not null default 0 check (attempts >= 0),
  due_at      timestamptz not null,
  primary key (tenant_id, outbox_id),
  foreign key (tenant_id, endpoint_id) references webhook_endpoint (tenant_id, endpoint_id) on delete cascade
);
create index outbox_due on outbox (tenant_id, due_at) where state = 'pending';
create index outbox_of_endpoint on outbox (tenant_id, endpoint_id, created_at);

-- The delivery log: what each attempt met. Of an answer only its status is kept.
create table webhook_attempt (
  tenant_id   uuid not null,
  outbox_id   uuid not null,
  attempt     integer not null check (attempt > 0),
  at          timestamptz not null,
  status      smallint not null check (status between 0 and 999),
  result      text not null check (result in ('delivered', 'refused', 'timeout', 'unreachable', 'forbidden')),
  took_ms     integer not null check (took_ms >= 0),
  primary key (tenant_id, outbox_id, attempt),
  foreign key (tenant_id, outbox_id) references outbox (tenant_id, outbox_id) on delete cascade
);

-- A browser's socket cannot carry a header: the session fetches a ticket that opens one connection within 30 seconds.
create table socket_ticket (
  tenant_id   uuid not null,
  ticket_hash bytea not null check (octet_length(ticket_hash) = 32),
  token_hash  bytea not null check (octet_length(token_hash) = 32),
  expires_at  timestamptz not null,
  primary key (tenant_id, ticket_hash),
  foreign key (tenant_id, token_hash) references session (tenant_id, token_hash) on delete cascade
);
create index socket_ticket_of_session on socket_ticket (tenant_id, token_hash);

do $$
declare
  name text;
begin
  foreach name in array array['api_key', 'idempotency', 'webhook_endpoint', 'outbox', 'webhook_attempt', 'socket_ticket'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy tenant_own on %I to app_web, app_worker using (tenant_id = app_tenant()) with check (tenant_id = app_tenant())', name);
  end loop;
end
$$;
grant select, insert on api_key to app_web;
grant update (used_on, revoked_at) on api_key to app_web;
grant select (tenant_id, revoked_at, expires_at), delete on api_key to app_worker;
grant select, insert, delete on idempotency to app_web;
grant update (status, answer) on idempotency to app_web;
grant select, delete on idempotency to app_worker;
grant select, insert, delete on webhook_endpoint to app_web;
grant update (url, events, enabled) on webhook_endpoint to app_web;
grant select on webhook_endpoint to app_worker;
grant select, insert on outbox to app_web;
grant update (state, due_at, attempts) on outbox to app_web, app_worker;
grant select, delete on outbox to app_worker;
grant select on webhook_attempt to app_web;
grant select, insert on webhook_attempt to app_worker;
grant select, insert, delete on socket_ticket to app_web;
grant select, delete on socket_ticket to app_worker;
