--
-- The extension comes into a database; every other test needs it.
--
CREATE EXTENSION stream_ext;

SELECT extname, extversion, n.nspname AS schema, extrelocatable
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE extname = 'stream_ext';

-- a second one is refused, another schema is not an option
CREATE EXTENSION stream_ext;
ALTER EXTENSION stream_ext SET SCHEMA public;

-- nothing is there yet
SELECT count(*) FROM stream.status;
SELECT count(*) FROM stream.partitions;
SELECT count(*) FROM stream.views;
SELECT * FROM stream.dashboard();

-- settings
SELECT name, setting, unit, context
FROM pg_settings WHERE name LIKE 'stream\_ext.%' ORDER BY name COLLATE "C";
SET stream_ext.enabled = off;
SET stream_ext.no_such_setting = 1;
