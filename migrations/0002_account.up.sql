-- Accounts, their device logs, their devices and published keys, their sessions.

create table account (
  tenant_id      uuid not null references tenant (tenant_id) on delete cascade,
  account_id     uuid not null,
  -- HMAC-SHA-256 of the host's subject under a key of the tenant; the subject itself, sealed, only where the tenant's
  -- set-up needs it back.
  subject_hash   bytea not null check (octet_length(subject_hash) = 32),
  subject_sealed bytea check (octet_length(subject_sealed) between 29 and 1024),
  status         text not null default 'active' check (status in ('active', 'suspended', 'deleted')),
  created_on     date not null,
  primary key (tenant_id, account_id),
  unique (tenant_id, subject_hash)
);

-- The newest entry of an account's device log; whoever appends locks this row.
create table account_head (
  tenant_id   uuid not null,
  account_id  uuid not null,
  sequence    bigint not null check (sequence >= 0),
  hash        bytea not null check (octet_length(hash) = 32),
  primary key (tenant_id, account_id),
  foreign key (tenant_id, account_id) references account (tenant_id, account_id) on delete cascade
);

create table log_entry (
  tenant_id   uuid not null,
  account_id  uuid not null,
  sequence    bigint not null check (sequence >= 0),
  entry       bytea not null check (octet_length(entry) between 1 and 1024),
  hash        bytea not null check (octet_length(hash) = 32),
  primary key (tenant_id, account_id, sequence),
  foreign key (tenant_id, account_id) references account (tenant_id, account_id) on delete cascade
);

-- Exactly the devices that the log lists, with the keys that a handshake reuses. One whose expiry has passed counts as
-- gone everywhere, until a sweep removes the row.
create table device (
  tenant_id             uuid not null,
  account_id            uuid not null,
  device_id             smallint not null check (device_id between 1 and 127),
  registration_id       integer not null check (registration_id between 1 and 16383),
  identity_key          bytea not null check (octet_length(identity_key) = 33),
  signed_prekey_id      bigint not null check (signed_prekey_id between 1 and 4294967295),
  signed_prekey         bytea not null check (octet_length(signed_prekey) = 33),
  signed_prekey_sig     bytea not null check (octet_length(signed_prekey_sig) = 64),
  last_resort_id        bigint not null check (last_resort_id between 1 and 4294967295),
  last_resort           bytea not null check (octet_length(last_resort) = 1569),
  last_resort_sig       bytea not null check (octet_length(last_resort_sig) = 64),
  last_seen_on          date not null,
  expires_at            timestamptz,
  primary key (tenant_id, account_id, device_id),
  foreign key (tenant_id, account_id) references account (tenant_id, account_id) on delete cascade
);

-- One-time keys: a row is deleted in the statement that hands it out.
create table one_time_ec (
  tenant_id   uuid not null,
  account_id  uuid not null,
  device_id   smallint not null,
  prekey_id   bigint not null check (prekey_id between 1 and 4294967295),
  public_key  bytea not null check (octet_length(public_key) = 33),
  primary key (tenant_id, account_id, device_id, prekey_id),
  foreign key (tenant_id, account_id, device_id) references device (tenant_id, account_id, device_id) on delete cascade
);

create table one_time_kem (
  tenant_id   uuid not null,
  account_id  uuid not null,
  device_id   smallint not null,
  prekey_id   bigint not null check (prekey_id between 1 and 4294967295),
  public_key  bytea not null check (octet_length(public_key) = 1569),
  signature   bytea not null check (octet_length(signature) = 64),
  primary key (tenant_id, account_id, device_id, prekey_id),
  foreign key (tenant_id, account_id, device_id) references device (tenant_id, account_id, device_id) on delete cascade
);

-- Ids of keys that were handed out or withdrawn stay known as long as the device, so that none is accepted again.
create table spent_prekey (
  tenant_id   uuid not null,
  account_id  uuid not null,
  device_id   smallint not null,
  kind        text not null check (kind in ('ec', 'kem')),
  prekey_id   bigint not null,
  spent_on    date not null,
  primary key (tenant_id, account_id, device_id, kind, prekey_id),
  foreign key (tenant_id, account_id, device_id) references device (tenant_id, account_id, device_id) on delete cascade
);

-- Who is signed in: the hash of a random token. Without a device the session has no keys and no history.
create table session (
  tenant_id   uuid not null,
  token_hash  bytea not null check (octet_length(token_hash) = 32),
  account_id  uuid not null,
  device_id   smallint check (device_id between 1 and 127),
  seen_on     date not null,
  expires_at  timestamptz not null,
  primary key (tenant_id, token_hash),
  foreign key (tenant_id, account_id) references account (tenant_id, account_id) on delete cascade
);
create index session_of_account on session (tenant_id, account_id);

-- A meeting place for two devices that link: a slot is derived from a secret that only they know, its content sealed
-- under it. The session that put a slot becomes the device that the account's log adds.
create table link_slot (
  tenant_id   uuid not null,
  account_id  uuid not null,
  slot        bytea not null check (octet_length(slot) = 32),
  token_hash  bytea not null check (octet_length(token_hash) = 32),
  -- The session that read it: the first, and no other.
  reader_hash bytea check (octet_length(reader_hash) = 32),
  content     bytea not null check (octet_length(content) between 1 and 65536),
  expires_at  timestamptz not null,
  primary key (tenant_id, account_id, slot),
  foreign key (tenant_id, account_id) references account (tenant_id, account_id) on delete cascade
);

do $$
declare
  name text;
begin
  foreach name in array array['account', 'account_head', 'log_entry', 'device', 'one_time_ec', 'one_time_kem', 'spent_prekey', 'session', 'link_slot'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy tenant_own on %I to app_web, app_worker using (tenant_id = app_tenant()) with check (tenant_id = app_tenant())', name);
  end loop;
  -- A relay's transaction carries the sends of many tenants; it reads who is addressed and changes nothing here.
  foreach name in array array['account', 'account_head', 'device'] loop
    execute format('create policy tenant_set on %I for select to app_relay using (tenant_id = any ((select app_tenants())::uuid[]))', name);
    execute format('grant select on %I to app_relay', name);
  end loop;
end
$$;
grant select, insert on account to app_web;
grant select, insert, delete on log_entry to app_web;
grant update (status, subject_sealed) on account to app_web;
grant select, insert, update on account_head to app_web;
grant select, insert, update, delete on device, session, link_slot to app_web;
grant select, insert, delete on one_time_ec, one_time_kem to app_web;
grant select, insert on spent_prekey to app_web;
grant select on account to app_worker;
grant select, delete on session, link_slot, account to app_worker;
