drop table sso_attempt;
drop table sso_used;
drop table sso_visit;
drop table sso_key;
drop table sso_setting;
