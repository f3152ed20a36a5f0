-- Chats: who may write to whom.

create table chat (
  tenant_id     uuid not null,
  chat_id       uuid not null,
  opener_id     uuid not null,
  peer_id       uuid not null,
  -- The two accounts in order: one chat a pair.
  low_id        uuid not null generated always as (least(opener_id, peer_id)) stored,
  high_id       uuid not null generated always as (greatest(opener_id, peer_id)) stored,
  invite_id     uuid,
  state         text not null default 'open' check (state in ('open', 'declined', 'closed')),
  -- Each side's own wish. A block is never told to the other side.
  opener_stance text not null default 'open' check (opener_stance in ('open', 'paused', 'blocked')),
  peer_stance   text not null default 'open' check (peer_stance in ('open', 'paused', 'blocked')),
  -- The entry of the ledger that paid the opening; null in free mode.
  entry_id      uuid,
  -- What the opening was asked for with: a repeated request finds its chat.
  opening_key   uuid not null,
  token_hash    bytea not null check (octet_length(token_hash) = 32),
  opened_on     date not null,
  primary key (tenant_id, chat_id),
  unique (tenant_id, low_id, high_id),
  unique (tenant_id, opener_id, opening_key),
  check (opener_id <> peer_id),
  foreign key (tenant_id, opener_id) references account (tenant_id, account_id) on delete cascade,
  foreign key (tenant_id, peer_id) references account (tenant_id, account_id) on delete cascade,
  foreign key (tenant_id, invite_id) references invite (tenant_id, invite_id) on delete set null (invite_id)
);
create index chat_of_peer on chat (tenant_id, peer_id);

alter table chat enable row level security;
alter table chat force row level security;
create policy tenant_own on chat to app_web, app_worker
  using (tenant_id = app_tenant()) with check (tenant_id = app_tenant());
create policy tenant_set on chat for select to app_relay using (tenant_id = any ((select app_tenants())::uuid[]));
grant select, insert on chat to app_web;
grant update (state, opener_stance, peer_stance, entry_id) on chat to app_web;
grant select on chat to app_relay;
grant select, delete on chat to app_worker;
