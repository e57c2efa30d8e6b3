--
-- options of streams: known ones, their values, their bounds.
--
SELECT stream.create_stream('s', 'a int', options => '[]');
SELECT stream.create_stream('s', 'a int', options => '3');
SELECT stream.create_stream('s', 'a int', options => '{"batch_max_row": 1}');
SELECT stream.create_stream('s', 'a int', options => '{"delimiter": ";"}');
SELECT stream.create_stream('s', 'a int', format => 'csv', options => '{"delimeter": ";"}');
SELECT stream.create_stream('s', 'a text', format => 'text', options => '{"header": true}');
SELECT stream.create_stream('s', 'a bytea', format => 'bytea', options => '{"encoding": "UTF8"}');

-- counts
SELECT stream.create_stream('s', 'a int', options => '{"batch_max_rows": 0}');
SELECT stream.create_stream('s', 'a int', options => '{"batch_max_rows": 10000001}');
SELECT stream.create_stream('s', 'a int', options => '{"batch_max_rows": 1.5}');
SELECT stream.create_stream('s', 'a int', options => '{"batch_max_rows": "many"}');
SELECT stream.create_stream('s', 'a int', options => '{"batch_max_rows": [1]}');
SELECT stream.create_stream('s', 'a int', options => '{"staging_max_rows": -1}');
SELECT stream.create_stream('s', 'a int', options => '{"staging_max_rows": "nan"}');
-- sizes
SELECT stream.create_stream('s', 'a int', options => '{"batch_max_bytes": "10 parsecs"}');
SELECT stream.create_stream('s', 'a int', options => '{"batch_max_bytes": 100}');
SELECT stream.create_stream('s', 'a int', options => '{"message_max_bytes": "2GB"}');
-- times
SELECT stream.create_stream('s', 'a int', options => '{"batch_interval": "2 min"}');
SELECT stream.create_stream('s', 'a int', options => '{"batch_interval": "-1 s"}');
SELECT stream.create_stream('s', 'a int', options => '{"batch_interval": "soon"}');
SELECT stream.create_stream('s', 'a int', options => '{"staging_max_age": "-1 s"}');
SELECT stream.create_stream('s', 'a int', options => '{"statement_timeout": "2 days"}');
-- rates
SELECT stream.create_stream('s', 'a int', options => '{"max_rows_per_second": -1}');
SELECT stream.create_stream('s', 'a int', options => '{"max_rows_per_second": "inf"}');
-- formats
SELECT stream.create_stream('s', 'a int', options => '{"timestamp_unit": "h"}');
SELECT stream.create_stream('s', 'a bytea', options => '{"bytea_encoding": "rot13"}');
SELECT stream.create_stream('s', 'a int', format => 'csv', options => '{"encoding": "EBCDIC"}');
SELECT stream.create_stream('s', 'a int', format => 'csv', options => '{"delimiter": ""}');
SELECT stream.create_stream('s', 'a int', format => 'csv', options => '{"delimiter": "ab"}');
SELECT stream.create_stream('s', 'a int', format => 'csv', options => '{"delimiter": "\""}');
SELECT stream.create_stream('s', 'a int', format => 'csv', options => '{"delimiter": ";", "quote": ";"}');
SELECT stream.create_stream('s', 'a int', format => 'csv', options => '{"delimiter": "\n"}');
SELECT stream.create_stream('s', 'a int, b int', format => 'csv', options => '{"header": "a,c"}');
SELECT stream.create_stream('s', 'a int, b int', format => 'csv', options => '{"header": "a,\"b"}');
SELECT stream.create_stream('s', 'a int, b int', format => 'csv', fields => '{"a": 1}');
SELECT stream.create_stream('s', 'a int, b int', format => 'csv', fields => '{"a": 1, "b": "two"}');
SELECT stream.create_stream('s', 'a int, b int', format => 'csv', fields => '{"a": 1, "b": 0}');
SELECT stream.create_stream('s', 'a text, b text', format => 'text');
SELECT stream.create_stream('s', 'a text', format => 'text', fields => '{"a": "x"}');
SELECT stream.create_stream('s', 'a text', format => 'bytea');
SELECT stream.create_stream('s', 'a text', fields => '{"a": "@partition"}');
SELECT stream.create_stream('s', 'a int', fields => '{"a": "@offset"}');
SELECT stream.create_stream('s', 'a int', fields => '{"a": "@timestamp"}');
SELECT stream.create_stream('s', 'a int', fields => '{"a": "@value"}');
SELECT stream.create_stream('s', 'a int', fields => '{"a": "@headers."}');

-- the bounds themselves, and values written as strings or left to the default
SELECT stream.create_stream('s', 'a int', options => '{
	"batch_max_rows": "10000000", "batch_max_bytes": 1024, "batch_interval": "1 min",
	"max_rows_per_second": 0.5, "staging_max_rows": 1, "staging_max_age": "1 hour",
	"message_max_bytes": "16MB", "statement_timeout": null}');
SELECT options FROM stream.catalog_streams;
SELECT stream.drop('s');

-- a batch by hand is one batch, whatever the bounds say
SELECT stream.create_stream('s', 'a int', options => '{"batch_max_rows": 2, "batch_max_bytes": "1kB"}');
SELECT stream.ingest('s', VARIADIC ARRAY(SELECT format('{"a": %s}', i) FROM generate_series(1, 200) i));
SELECT count(*), sum(a) FROM s;
SELECT stream.drop('s');
