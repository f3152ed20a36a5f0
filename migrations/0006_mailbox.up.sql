-- Mailboxes: what waits for a device until it has acknowledged it, and what was taken from whom.

-- Where a row stands in its mailbox. It is taken explicitly and shown to no client: its gaps would tell how much other
-- tenants write. It must never cache: two writers' numbers have to grow in the order in which they were taken.
create sequence mailbox_position as bigint cache 1;
grant usage on sequence mailbox_position to app_relay, app_worker;

-- There is no foreign key to device: its check, a look-up and a row lock for each envelope, costs a third of the rate.
-- A reader joins the device instead and so never shows what was for one that is gone, and the sweep deletes it.
create table mailbox (
  tenant_id       uuid not null,
  account_id      uuid not null,
  device_id       smallint not null check (device_id between 1 and 127),
  position        bigint not null,
  -- Of the device that it was encrypted for: a later device may bear the same number.
  registration_id integer not null check (registration_id between 1 and 16383),
  -- The type of an envelope; 0 is a notice, which has no sender.
  kind            smallint not null check (kind in (0, 2, 3, 8)),
  sender_id       uuid,
  sender_device   smallint,
  chat_id         uuid,
  message_id      uuid,
  -- A minute, not a moment: clients order by position.
  received_at     timestamptz not null,
  expires_at      timestamptz not null,
  body            bytea not null check (octet_length(body) between 1 and 26624),
  primary key (tenant_id, account_id, device_id, position),
  check ((kind = 0) = (sender_id is null) and (kind = 0) = (sender_device is null) and (kind <> 0 or chat_id is null)
    and (kind = 0) = (message_id is null))
) partition by hash (account_id);
-- Ciphertext does not compress. Up to 2 KB it stays in the row.
alter table mailbox alter column body set storage external;

-- One narrow row for each send that was taken: a repetition finds it and changes nothing.
create table send_receipt (
  tenant_id   uuid not null,
  account_id  uuid not null,
  device_id   smallint not null,
  message_id  uuid not null,
  expires_on  date not null,
  primary key (tenant_id, account_id, device_id, message_id)
) partition by hash (account_id);
-- Rows come in the order of this date; a block range index costs an insert nothing.
create index send_receipt_expiry on send_receipt using brin (expires_on) with (pages_per_range = 16);

do $$
declare
  name text;
  part text;
begin
  foreach name in array array['mailbox', 'send_receipt'] loop
    for i in 0..15 loop
      part := name || '_' || i;
      -- A mailbox is filled and emptied all the time: vacuum by the number of dead rows, whatever the size of the table.
      execute format('create table %I partition of %I for values with (modulus 16, remainder %s) with (
        autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0,
        autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05)', part, name, i);
      -- Inserts fall between the mailboxes' ends all over the index; room in each page keeps it from splitting.
      execute format('alter index %I set (fillfactor = 75)', part || '_pkey');
    end loop;
  end loop;
  -- A partition is read through its parent only: no grants, and the same policies all the same.
  for part in select c.relname from pg_class c where c.relnamespace = 'public'::regnamespace
      and c.relkind in ('r', 'p') and c.relname ~ '^(mailbox|send_receipt)(_[0-9]+)?$' loop
    execute format('alter table %I enable row level security', part);
    execute format('alter table %I force row level security', part);
    -- As a subquery the set is read once a statement, not once a row: with 50 tenants that is six times the rate.
    execute format('create policy tenant_set on %I to app_relay using (tenant_id = any ((select app_tenants())::uuid[])) with check (tenant_id = any ((select app_tenants())::uuid[]))', part);
    execute format('create policy tenant_own on %I to app_worker using (tenant_id = app_tenant()) with check (tenant_id = app_tenant())', part);
  end loop;
end
$$;
grant select, insert, delete on mailbox to app_relay, app_worker;
grant select, insert on send_receipt to app_relay;
grant select, delete on send_receipt to app_worker;
-- The sweep tells senders and knows whose mailbox is nobody's any more.
grant select on device to app_worker;
-- Nothing is taken from or given to members of a suspended tenant.
create policy tenant_set on tenant for select to app_relay using (tenant_id = any ((select app_tenants())::uuid[]));

-- What a foreign key to tenant would do at the end of a tenant's life, without what it would cost at every send.
create function mailbox_forget() returns trigger language plpgsql as $$
begin
  delete from mailbox where tenant_id = old.tenant_id;
  delete from send_receipt where tenant_id = old.tenant_id;
  return null;
end
$$;
revoke all on function mailbox_forget() from public;
create trigger mailbox_forget after delete on tenant for each row execute function mailbox_forget();
-- The operator's role, in one tenant's context, may empty the two tables and read nothing of them.
create policy tenant_end on mailbox to app_operator using (tenant_id = app_tenant());
create policy tenant_end on send_receipt to app_operator using (tenant_id = app_tenant());
grant select (tenant_id), delete on mailbox, send_receipt to app_operator;
