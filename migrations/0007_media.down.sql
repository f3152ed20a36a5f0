drop table media_usage;
drop table media_delivery;
drop table media_piece;
drop table media_blob;
