-- Profiles and the invites by which alone they are reached.

create table profile (
  tenant_id   uuid not null,
  profile_id  uuid not null,
  account_id  uuid not null,
  created_on  date not null,
  retired_at  timestamptz,
  primary key (tenant_id, profile_id),
  foreign key (tenant_id, account_id) references account (tenant_id, account_id) on delete cascade
);
create index profile_of_account on profile (tenant_id, account_id);

create table invite (
  tenant_id   uuid not null,
  invite_id   uuid not null,
  profile_id  uuid not null,
  kind        text not null check (kind in ('permanent', 'single', 'limited')),
  -- The token is derived from a secret of the tenant, the invite and this number; only its hash is here.
  rotation    integer not null default 0 check (rotation >= 0),
  -- The idempotency key of the newest rotation.
  rotation_key uuid,
  token_hash  bytea not null check (octet_length(token_hash) = 32),
  label       text not null default '' check (char_length(label) <= 64),
  created_on  date not null,
  expires_at  timestamptz,
  max_uses    integer check (max_uses between 1 and 1000000),
  uses        integer not null default 0 check (uses >= 0 and (max_uses is null or uses <= max_uses)),
  revoked_at  timestamptz,
  primary key (tenant_id, invite_id),
  unique (tenant_id, token_hash),
  foreign key (tenant_id, profile_id) references profile (tenant_id, profile_id) on delete cascade,
  check (kind <> 'permanent' or (expires_at is null and max_uses is null)),
  check (kind <> 'single' or max_uses = 1)
);
-- One permanent public invite a profile.
create unique index invite_permanent on invite (tenant_id, profile_id) where kind = 'permanent' and revoked_at is null;
create index invite_of_profile on invite (tenant_id, profile_id);

do $$
declare
  name text;
begin
  foreach name in array array['profile', 'invite'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy tenant_own on %I to app_web, app_worker using (tenant_id = app_tenant()) with check (tenant_id = app_tenant())', name);
  end loop;
end
$$;
grant select, insert on profile, invite to app_web;
grant update (retired_at) on profile to app_web;
grant update (rotation, rotation_key, token_hash, label, expires_at, max_uses, uses, revoked_at) on invite to app_web;
grant select, delete on invite, profile to app_worker;
