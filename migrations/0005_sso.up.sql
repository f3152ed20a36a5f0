-- How a tenant's members get in: settings, keys, logins in progress, what was used already, what failed.

-- A setting never changes once it is written: another one is written beside it, tested by a login, and put in its place.
create table sso_setting (
  tenant_id     uuid not null references tenant (tenant_id) on delete cascade,
  setting_id    uuid not null,
  way           text not null check (way in ('handoff', 'oidc')),
  issuer        text not null check (octet_length(issuer) between 1 and 512),
  -- Hand-off: the aud of the host's tokens. OIDC: the client id.
  audience      text not null check (octet_length(audience) between 1 and 255),
  -- Hand-off: the host's page that signs in. OIDC: the authorization endpoint.
  login_url     text not null check (octet_length(login_url) between 1 and 1024),
  token_url     text check (octet_length(token_url) between 1 and 1024),
  jwks_url      text check (octet_length(jwks_url) between 1 and 1024),
  -- OIDC: how the client proves itself at the token endpoint, and whether answers carry iss (RFC 9207).
  client_auth   text not null default 'none' check (client_auth in ('none', 'basic', 'post')),
  answers_iss   boolean not null default false,
  -- The usable keys of jwks_url as last read. The time of the last try bounds fetches to one a minute for all nodes.
  jwks          bytea check (octet_length(jwks) <= 262144),
  jwks_read_at  timestamptz,
  jwks_tried_at timestamptz,
  attempts      bigint not null default 0 check (attempts >= 0),
  created_at    timestamptz not null,
  tested_at     timestamptz,
  live_at       timestamptz,
  primary key (tenant_id, setting_id),
  check ((way = 'oidc') = (token_url is not null)),
  check (way <> 'oidc' or jwks_url is not null),
  check (live_at is null or tested_at is not null)
);
-- One setting is live and one is being prepared.
create unique index sso_setting_live on sso_setting (tenant_id) where live_at is not null;
create unique index sso_setting_draft on sso_setting (tenant_id) where live_at is null;

-- Pasted keys of a hand-off; two slots are what a rotation needs. The secret of HS256 is in tenant_secret.
create table sso_key (
  tenant_id   uuid not null,
  setting_id  uuid not null,
  slot        smallint not null check (slot between 1 and 2),
  kid         text not null default '' check (octet_length(kid) <= 255),
  algorithm   text not null check (algorithm in ('EdDSA', 'ES256', 'RS256', 'HS256')),
  public_key  bytea check (octet_length(public_key) between 32 and 2048),
  created_at  timestamptz not null,
  primary key (tenant_id, setting_id, slot),
  check ((algorithm = 'HS256') = (public_key is null)),
  foreign key (tenant_id, setting_id) references sso_setting (tenant_id, setting_id) on delete cascade
);

-- A login in progress. Whoever began it holds the secret; the browser that brought the host's word holds the ticket.
create table sso_visit (
  tenant_id      uuid not null,
  visit_id       uuid not null,
  setting_id     uuid not null,
  nonce          bytea not null check (octet_length(nonce) = 16),
  secret_hash    bytea not null check (octet_length(secret_hash) = 32),
  return_to      text not null check (octet_length(return_to) between 1 and 1024),
  terminal       boolean not null,
  state          text not null default 'open' check (state in ('open', 'proven', 'approved')),
  ticket_hash    bytea check (octet_length(ticket_hash) = 32),
  subject_sealed bytea check (octet_length(subject_sealed) between 29 and 512),
  code_tries     smallint not null default 0 check (code_tries between 0 and 5),
  expires_at     timestamptz not null,
  primary key (tenant_id, visit_id),
  unique (tenant_id, nonce),
  unique (tenant_id, secret_hash),
  unique (tenant_id, ticket_hash),
  check ((state = 'open') = (ticket_hash is null)),
  check ((state = 'open') = (subject_sealed is null)),
  foreign key (tenant_id, setting_id) references sso_setting (tenant_id, setting_id) on delete cascade
);
create index sso_visit_expiry on sso_visit (tenant_id, expires_at);

-- Each jti once: its keyed hash, until the token would be refused as expired anyway.
create table sso_used (
  tenant_id   uuid not null references tenant (tenant_id) on delete cascade,
  jti_hash    bytea not null check (octet_length(jti_hash) = 32),
  expires_at  timestamptz not null,
  primary key (tenant_id, jti_hash)
);
create index sso_used_expiry on sso_used (tenant_id, expires_at);

-- The last 20 attempts of a setting: what failed, never who or with which token.
create table sso_attempt (
  tenant_id   uuid not null,
  setting_id  uuid not null,
  slot        smallint not null check (slot between 0 and 19),
  sequence    bigint not null check (sequence > 0),
  tried_at    timestamptz not null check (tried_at = date_trunc('minute', tried_at)),
  claim       text not null check (char_length(claim) <= 32),
  reason      text not null check (char_length(reason) <= 400),
  primary key (tenant_id, setting_id, slot),
  foreign key (tenant_id, setting_id) references sso_setting (tenant_id, setting_id) on delete cascade
);

do $$
declare
  name text;
begin
  foreach name in array array['sso_setting', 'sso_key', 'sso_attempt'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy tenant_own on %I to app_web using (tenant_id = app_tenant()) with check (tenant_id = app_tenant())', name);
  end loop;
  foreach name in array array['sso_visit', 'sso_used'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy tenant_own on %I to app_web, app_worker using (tenant_id = app_tenant()) with check (tenant_id = app_tenant())', name);
  end loop;
end
$$;
grant select, insert, delete on sso_setting, sso_key, sso_visit to app_web;
grant update (jwks, jwks_read_at, jwks_tried_at, attempts, tested_at, live_at) on sso_setting to app_web;
grant update (state, ticket_hash, subject_sealed, code_tries) on sso_visit to app_web;
grant select, insert on sso_used to app_web;
grant select, insert, update on sso_attempt to app_web;
grant select, delete on sso_visit, sso_used to app_worker;
