--
-- The foreign-data wrapper: connections are servers, secrets user mappings.
--
CREATE SERVER k FOREIGN DATA WRAPPER stream_kafka;
CREATE SERVER k FOREIGN DATA WRAPPER stream_kafka OPTIONS ("bootstrap.servers" '');
CREATE SERVER k FOREIGN DATA WRAPPER stream_kafka OPTIONS ("bootstrap.servers" 'h:1', "bootstrap.server" 'h:1');
CREATE SERVER k FOREIGN DATA WRAPPER stream_kafka OPTIONS ("bootstrap.servers" 'h:1', nothing_like_it '1');
CREATE SERVER k FOREIGN DATA WRAPPER stream_kafka OPTIONS ("bootstrap.servers" 'h:1', "security.protocol " 'ssl');
-- in their place
CREATE SERVER k FOREIGN DATA WRAPPER stream_kafka OPTIONS ("bootstrap.servers" 'h:1', "sasl.password" 'hunter2');
CREATE SERVER k FOREIGN DATA WRAPPER stream_kafka OPTIONS ("bootstrap.servers" 'h1:9092,h2:9092', "client.rack" 'r1', "socket.timeout.ms" '5000');
CREATE USER MAPPING FOR CURRENT_USER SERVER k OPTIONS ("bootstrap.servers" 'h:1');
ALTER FOREIGN DATA WRAPPER stream_kafka OPTIONS (a '1');
-- values that librdkafka refuses
\set VERBOSITY terse
ALTER SERVER k OPTIONS (SET "socket.timeout.ms" 'soon');
ALTER SERVER k OPTIONS (SET "socket.timeout.ms" '-1');
ALTER SERVER k OPTIONS (ADD "security.protocol" 'telnet');
\set VERBOSITY default
ALTER SERVER k OPTIONS (SET "socket.timeout.ms" '6000', ADD "fetch.min.bytes" '10');
ALTER SERVER k OPTIONS (DROP "bootstrap.servers");
SELECT srvoptions FROM pg_foreign_server WHERE srvname = 'k';

-- forced, dangerous and meaningless ones are never taken, whoever asks
DO $$
DECLARE
	name text;
	text_of text;
	detail text;
BEGIN
	FOREACH name IN ARRAY ARRAY['plugin.library.paths', 'ssl.engine.location', 'ssl.engine.id', 'ssl.providers',
		'sasl.kerberos.kinit.cmd', 'sasl.kerberos.keytab', 'sasl.kerberos.principal',
		'sasl.oauthbearer.config', 'sasl.oauthbearer.token.endpoint.url', 'enable.sasl.oauthbearer.unsecure.jwt',
		'https.ca.location', 'offset.store.method', 'offset.store.path', 'debug', 'internal.termination.signal',
		'auto.offset.reset', 'isolation.level', 'enable.auto.commit', 'auto.commit.interval.ms', 'check.crcs',
		'allow.auto.create.topics', 'enable.partition.eof', 'log_level', 'log.queue', 'client.id', 'group.id',
		'group.instance.id', 'metadata.broker.list', 'queued.max.messages.kbytes', 'fetch.max.bytes',
		'message.max.bytes', 'error_cb', 'interceptors', 'opaque', 'transactional.id', 'acks', 'BOOTSTRAP.SERVERS']
	LOOP
		BEGIN
			EXECUTE format('ALTER SERVER k OPTIONS (ADD %I ''1'')', name);
			RAISE WARNING '% was taken', name;
		EXCEPTION WHEN fdw_invalid_option_name THEN
			GET STACKED DIAGNOSTICS text_of = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
			RAISE NOTICE '%: %', text_of, detail;
		END;
		BEGIN
			EXECUTE format('CREATE USER MAPPING FOR CURRENT_USER SERVER k OPTIONS (%I ''1'')', name);
			RAISE WARNING '% was taken by a user mapping', name;
		EXCEPTION WHEN fdw_invalid_option_name THEN NULL;
		END;
	END LOOP;
END $$;
CREATE USER MAPPING FOR CURRENT_USER SERVER k OPTIONS ("sasl.mechanism" 'GSSAPI');
CREATE USER MAPPING FOR CURRENT_USER SERVER k OPTIONS ("sasl.mechanism" 'OAUTHBEARER');
CREATE USER MAPPING FOR CURRENT_USER SERVER k OPTIONS ("sasl.mechanism" 'PLAIN', "sasl.username" 'me', "sasl.password" 'hunter2');
CREATE USER MAPPING FOR PUBLIC SERVER k OPTIONS ("sasl.mechanism" 'SCRAM-SHA-256', "sasl.username" 'all', "sasl.password" 'hunter3');

-- a bad secret is not shown
ALTER USER MAPPING FOR CURRENT_USER SERVER k OPTIONS (SET "sasl.password" '');

-- secrets are seen by whom PostgreSQL lets see them
CREATE ROLE regress_curious;
GRANT USAGE ON FOREIGN SERVER k TO regress_curious;
SET ROLE regress_curious;
SELECT count(*), count(umoptions) AS shown FROM pg_user_mappings WHERE srvname = 'k';
-- files of the server are for members of pg_read_server_files
CREATE USER MAPPING FOR regress_curious SERVER k OPTIONS ("ssl.key.location" '/etc/passwd');
CREATE USER MAPPING FOR regress_curious SERVER k OPTIONS ("ssl.key.location" '');
RESET ROLE;
GRANT USAGE ON FOREIGN DATA WRAPPER stream_kafka TO regress_curious;
SET ROLE regress_curious;
CREATE SERVER mine FOREIGN DATA WRAPPER stream_kafka OPTIONS ("bootstrap.servers" 'h:1', "ssl.ca.location" '/etc/passwd');
CREATE SERVER mine FOREIGN DATA WRAPPER stream_kafka OPTIONS ("bootstrap.servers" 'h:1');
RESET ROLE;

-- there are no foreign tables
CREATE FOREIGN TABLE ft (a int) SERVER k;
SELECT * FROM ft;
DROP FOREIGN TABLE ft;
CREATE FOREIGN TABLE ft (a int) SERVER k OPTIONS (topic 't');

-- a server that streams read from
SELECT stream.create_stream('s', 'a int', server => 'k', topic => 't', paused => true);
SELECT stream.drop('s');
SET client_min_messages = warning;
DROP SERVER k CASCADE;
DROP SERVER mine;
DROP OWNED BY regress_curious;
DROP ROLE regress_curious;
