drop table invite;
drop table profile;
