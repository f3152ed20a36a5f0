-- Tenants, their hosts and their keys.

-- app_tenant() is the one tenant of the transaction. After a committed set_config(…, true) a pooled
-- connection holds the empty string, not NULL; a bare cast of it would raise.
create function app_tenant() returns uuid language sql stable parallel safe
  return nullif(current_setting('app.tenant_id', true), '')::uuid;

-- app_tenants() is the set of tenants of a relay's transaction, which carries the sends of many tenants at once.
create function app_tenants() returns uuid[] language sql stable parallel safe
  return nullif(current_setting('app.tenant_ids', true), '')::uuid[];

revoke all on function app_tenant(), app_tenants() from public;
grant execute on function app_tenant(), app_tenants() to app_web, app_relay, app_worker, app_operator;

create table tenant (
  tenant_id   uuid primary key,
  name        text not null check (char_length(name) between 1 and 80),
  mode        text not null check (mode in ('free', 'paid')),
  status      text not null default 'active' check (status in ('active', 'suspended')),
  color       text not null default '#2f5d50' check (color ~ '^#[0-9a-f]{6}$'),
  language    text not null default 'en' check (language ~ '^[a-z]{2}$'),
  created_at  timestamptz not null default now()
);
alter table tenant enable row level security;
alter table tenant force row level security;
create policy tenant_own on tenant to app_web, app_relay, app_worker
  using (tenant_id = app_tenant()) with check (tenant_id = app_tenant());
-- The operator's role administers the registry; it has no grant on what members do.
create policy tenant_registry on tenant to app_operator
  using (tenant_id is not null) with check (tenant_id is not null);
grant select, update (name, mode, color, language) on tenant to app_web;
grant select on tenant to app_relay, app_worker;
grant select, insert, update, delete on tenant to app_operator;

create table tenant_host (
  tenant_id   uuid not null references tenant (tenant_id) on delete cascade,
  host        text not null check (host = lower(host) and char_length(host) between 1 and 253),
  purpose     text not null check (purpose in ('chat', 'console')),
  verified_at timestamptz,
  primary key (tenant_id, host)
);
-- A host name belongs to one tenant only, as in the DNS, where everybody sees that it is taken.
create unique index tenant_host_once on tenant_host (host) include (tenant_id);
alter table tenant_host enable row level security;
alter table tenant_host force row level security;
create policy tenant_own on tenant_host to app_web, app_worker
  using (tenant_id = app_tenant()) with check (tenant_id = app_tenant());
-- A request arrives with a host name and no tenant yet: it may see the row of exactly that host.
create policy host_lookup on tenant_host for select to app_web
  using (tenant_id is not null and host = nullif(current_setting('app.host', true), ''));
create policy host_registry on tenant_host to app_operator
  using (tenant_id is not null) with check (tenant_id is not null);
grant select on tenant_host to app_web, app_worker;
grant select, insert, update, delete on tenant_host to app_operator;

-- A tenant's own data keys, wrapped by the platform's master key, which is never in the database. Rotating the
-- master wraps these rows again and touches no secret.
create table tenant_key (
  tenant_id   uuid not null references tenant (tenant_id) on delete cascade,
  version     integer not null check (version > 0),
  master      text not null check (char_length(master) between 1 and 32),
  wrapped     bytea not null check (octet_length(wrapped) = 60),
  created_at  timestamptz not null default now(),
  primary key (tenant_id, version)
);
alter table tenant_key enable row level security;
alter table tenant_key force row level security;
create policy tenant_own on tenant_key to app_web, app_worker
  using (tenant_id = app_tenant()) with check (tenant_id = app_tenant());
create policy key_registry on tenant_key to app_operator
  using (tenant_id is not null) with check (tenant_id is not null);
grant select, insert on tenant_key to app_web;
grant select on tenant_key to app_worker;
grant select, insert, update on tenant_key to app_operator;

-- Secrets of a tenant (an identity provider's client secret, a webhook's key …), sealed under its data key.
create table tenant_secret (
  tenant_id   uuid not null,
  name        text not null check (char_length(name) between 1 and 64),
  key_version integer not null,
  sealed      bytea not null check (octet_length(sealed) between 28 and 16384),
  updated_at  timestamptz not null default now(),
  primary key (tenant_id, name),
  foreign key (tenant_id, key_version) references tenant_key (tenant_id, version) on delete cascade
);
alter table tenant_secret enable row level security;
alter table tenant_secret force row level security;
create policy tenant_own on tenant_secret to app_web, app_worker
  using (tenant_id = app_tenant()) with check (tenant_id = app_tenant());
grant select, insert, update, delete on tenant_secret to app_web;
grant select on tenant_secret to app_worker;
