-- 1. Where Kafka is: a server, as for any foreign data in PostgreSQL.
--    Run by an administrator.  :brokers is host:port of the demo's broker.

CREATE EXTENSION stream_ext;

CREATE SERVER kafka FOREIGN DATA WRAPPER stream_kafka
  OPTIONS ("bootstrap.servers" :'brokers');

-- Who may read from it.  The rest of the demo is this role's.
GRANT USAGE ON FOREIGN SERVER kafka TO demo;
