-- 1. Where Kafka is: a server, as for any foreign data in PostgreSQL.
--    Run by an administrator.  :brokers is host:port of the demo's broker.

CREATE EXTENSION stream_ext;

CREATE SERVER kafka FOREIGN DATA WRAPPER stream_kafka
  OPTIONS ("bootstrap.servers" :'brokers');

-- Who may define streams, and read from this server.  The rest of the demo is
-- this role's.
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA stream TO demo;
GRANT USAGE ON FOREIGN SERVER kafka TO demo;
