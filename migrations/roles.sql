-- The roles of a Sotto database. Run once a cluster by a role that may create roles
-- (sotto migrate --roles does it). Each is a login of its own, so that no
-- statement can climb from one to another; none can bypass row-level security.
do $$
declare
  name text;
begin
  foreach name in array array['app_owner', 'app_web', 'app_relay', 'app_worker', 'app_operator'] loop
    if not exists (select from pg_roles where rolname = name) then
      execute format('create role %I login nosuperuser nocreatedb nocreaterole noreplication nobypassrls', name);
    end if;
  end loop;
end
$$;
