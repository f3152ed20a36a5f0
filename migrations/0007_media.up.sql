-- Media: who keeps which ciphertext here, in which pieces, and who has yet to fetch it. The bytes lie outside the
-- database.

-- An upload, and when it is finished a blob. There is no foreign key to account or chat: a row leaves by a statement that
-- also gives back its bytes to the quota, which a cascade would not. The sweep finds the rows whose account or chat is gone.
create table media_blob (
  tenant_id   uuid not null references tenant (tenant_id) on delete cascade,
  blob_id     uuid not null,
  -- The device that uploads.
  account_id  uuid not null,
  device_id   smallint not null check (device_id between 1 and 127),
  -- Between the two accounts of this chat, or null: for the account's own devices.
  chat_id     uuid,
  size        bigint not null check (size > 0),
  received    bigint not null default 0 check (received >= 0),
  pieces      integer not null default 0 check (pieces >= 0),
  -- SHA-256 of the whole ciphertext, as the uploader says.
  digest      bytea check (octet_length(digest) = 32),
  -- State of the hash over what was received, so that no byte is read again.
  hash_state  bytea check (octet_length(hash_state) <= 128),
  finished    boolean not null default false,
  -- A whole hour: when an upload that stands still, or a finished blob, is forgotten.
  expires_at  timestamptz not null,
  primary key (tenant_id, blob_id),
  check (received <= size)
);
create index media_blob_expiry on media_blob (tenant_id, expires_at);

-- A piece is an object of the store, complete and durable before its row is here.
create table media_piece (
  tenant_id   uuid not null,
  blob_id     uuid not null,
  start       bigint not null check (start >= 0),
  length      bigint not null check (length > 0),
  object      uuid not null,
  primary key (tenant_id, blob_id, start),
  foreign key (tenant_id, blob_id) references media_blob (tenant_id, blob_id) on delete cascade
);

-- One row for each addressed device that has not said yet that it has the blob. With the last one the blob goes.
create table media_delivery (
  tenant_id   uuid not null,
  blob_id     uuid not null,
  account_id  uuid not null,
  device_id   smallint not null,
  primary key (tenant_id, blob_id, account_id, device_id),
  foreign key (tenant_id, blob_id) references media_blob (tenant_id, blob_id) on delete cascade,
  foreign key (tenant_id, account_id, device_id) references device (tenant_id, account_id, device_id) on delete cascade
);
create index media_delivery_of_device on media_delivery (tenant_id, account_id, device_id);

-- What is stored and promised to uploads: a row for each account that has any, and one for the whole tenant under the
-- nil uuid. Whoever changes both locks the tenant's last.
create table media_usage (
  tenant_id   uuid not null references tenant (tenant_id) on delete cascade,
  account_id  uuid not null,
  bytes       bigint not null check (bytes >= 0),
  blobs       bigint not null check (blobs >= 0),
  primary key (tenant_id, account_id)
);

do $$
declare
  name text;
begin
  foreach name in array array['media_blob', 'media_piece', 'media_delivery', 'media_usage'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy tenant_own on %I to app_web, app_worker using (tenant_id = app_tenant()) with check (tenant_id = app_tenant())', name);
  end loop;
end
$$;
grant select, insert, delete on media_blob, media_delivery to app_web;
grant update (received, pieces, digest, hash_state, finished, expires_at) on media_blob to app_web;
grant select, insert on media_piece to app_web;
grant select, insert on media_usage to app_web;
grant update (bytes, blobs) on media_usage to app_web;
grant select, delete on media_blob to app_worker;
-- Row locks ask for the right to change something.
grant update (expires_at) on media_blob to app_worker;
grant select on media_piece, media_delivery to app_worker;
grant select, delete on media_usage to app_worker;
grant update (bytes, blobs) on media_usage to app_worker;
