drop table tenant_secret;
drop table tenant_key;
drop table tenant_host;
drop table tenant;
drop function app_tenants();
drop function app_tenant();
