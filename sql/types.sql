--
-- Every kind of column, from JSON.
--
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
SET bytea_output = 'hex';
SET extra_float_digits = 1;

CREATE FUNCTION letters(stream regclass,
	OUT "offset" bigint, OUT sqlstate text, OUT message text, OUT col text, OUT payload text)
RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT "offset", sqlstate, message, column_name, encode(payload, ''escape'') FROM %s_dead_letters ORDER BY id', stream);
	EXECUTE format('DELETE FROM %s_dead_letters', stream);
END $$;

-- bool
SELECT stream.create_stream('t', 'v bool');
SELECT stream.ingest('t', '{"v": true}', '{"v": false}', '{"v": "yes"}', '{"v": "off"}',
	'{"v": "1"}', '{"v": null}', '{}', '{"v": 0}', '{"v": "maybe"}', '{"v": 2}', '{"v": ""}', '{"v": []}');
SELECT v FROM t ORDER BY v;
SELECT * FROM letters('t');
SELECT stream.drop('t');

-- integers
SELECT stream.create_stream('t', 'a smallint, b integer, c bigint');
SELECT stream.ingest('t',
	'{"a": 32767, "b": 2147483647, "c": 9223372036854775807}',
	'{"a": -32768, "b": -2147483648, "c": -9223372036854775808}',
	'{"a": "12", "b": " 13 ", "c": "-14"}',
	'{"a": -0, "b": 0, "c": 1}',
	'{"a": 32768}', '{"a": -32769}', '{"b": 2147483648}', '{"b": -2147483649}',
	'{"c": 9223372036854775808}', '{"c": -9223372036854775809}', '{"c": 123456789012345678901234567890}',
	'{"a": 1.5}', '{"b": 1e2}', '{"c": "12x"}', '{"c": ""}', '{"b": true}', '{"b": {"x": 1}}');
SELECT * FROM t ORDER BY a;
SELECT * FROM letters('t');
SELECT stream.drop('t');

-- floats
SELECT stream.create_stream('t', 'a real, b double precision');
SELECT stream.ingest('t',
	'{"a": 1, "b": 1}', '{"a": 0.1, "b": 0.1}', '{"a": -1.5e10, "b": 1.7976931348623157e308}',
	'{"a": "NaN", "b": "Infinity"}', '{"a": "-Infinity", "b": 5e-324}',
	'{"a": 3.4028235e38, "b": 123456789012345678901234567890}',
	'{"b": 0.1000000000000000055511151231257827021181583404541015625}',
	'{"a": 1e39}', '{"b": 1e309}', '{"b": "1,5"}', '{"a": "one"}');
SELECT * FROM t ORDER BY a, b;
SELECT * FROM letters('t');
SELECT stream.drop('t');

-- numeric: exact, whatever its length
SELECT stream.create_stream('t', 'a numeric, b numeric(10,2)');
SELECT stream.ingest('t',
	'{"a": 12.50, "b": 12.5}', '{"a": "12.50", "b": "12.505"}', '{"a": 0.000, "b": -0}',
	'{"a": 123456789012345678901234567890.123456789012345678901234567890}',
	'{"a": 1e50, "b": 99999999.99}', '{"a": 1e-50, "b": -99999999.99}', '{"a": "NaN", "b": "NaN"}',
	'{"a": "Infinity"}', '{"a": -0.00001234}', '{"a": 1E7, "b": 1E7}',
	'{"b": 100000000}', '{"b": 99999999.995}', '{"b": "Infinity"}', '{"a": "12.5.0"}', '{"a": false}');
SELECT a, b, scale(a) FROM t ORDER BY a, b;
SELECT * FROM letters('t');
SELECT stream.drop('t');

-- text, varchar(n), char(n), name
SELECT stream.create_stream('t', 'a text, b varchar(3), c char(3), d name');
SELECT stream.ingest('t',
	'{"a": "plain", "b": "abc", "c": "ab", "d": "n"}',
	'{"a": "", "b": "", "c": "", "d": ""}',
	'{"a": "tab\t quote\" back\\ slash\/ \u00e9 \u20ac \ud83d\ude00", "b": "éèê", "c": "äöü"}',
	'{"a": 12.50, "b": 1, "c": 2}', '{"a": true, "b": "x"}',
	'{"a": {"k": [1, "two", null]}, "c": [1]}', '{"a": [1, 2], "b": null}',
	'{"b": "abcd"}', '{"b": "abc  "}', '{"c": "abcd"}', '{"a": "nul \u0000 byte"}',
	'{"a": "\ud83d alone"}', '{"a": "\ude00 alone"}', '{"a": "bad \x escape"}');
SELECT a, b, c, length(c) AS len, d FROM t ORDER BY a COLLATE "C", b COLLATE "C";
SELECT * FROM letters('t');
SELECT stream.drop('t');

-- points in time: ISO 8601, PostgreSQL's spellings, numbers since 1970
SELECT stream.create_stream('t', 'n int, a timestamptz, b timestamp, c date');
SELECT stream.ingest('t',
	'{"n": 1, "a": "2024-02-29T12:34:56.789Z", "b": "2024-02-29T12:34:56.789", "c": "2024-02-29"}',
	'{"n": 2, "a": "2024-02-29 12:34:56+02", "b": "2024-02-29 12:34:56", "c": "2024-02-29 23:59:59"}',
	'{"n": 3, "a": "2024-02-29T12:34:56-05:30", "b": "Feb 29 2024 12:00", "c": "20240229"}',
	'{"n": 4, "a": 1709210096, "b": 1709210096, "c": 1709210096}',
	'{"n": 5, "a": 1709210096789, "b": 1709210096789, "c": 1709210096789}',
	'{"n": 6, "a": 1709210096789123, "b": 1709210096789123, "c": 1709210096789123}',
	'{"n": 7, "a": 1709210096789123456, "b": 1709210096.5, "c": 0}',
	'{"n": 8, "a": "1709210096", "b": "1709210096789", "c": "1709210096789123"}',
	'{"n": 9, "a": -1, "b": -1, "c": -1}',
	'{"n": 10, "a": "infinity", "b": "-infinity", "c": "infinity"}',
	'{"n": 11, "a": "2024-02-29T12:34:56.1234567Z", "b": "2024-02-29T24:00:00", "c": "0044-03-15 BC"}',
	'{"n": 12, "a": "2024-02-29 12:34:56 America/New_York", "b": "2024-02-29T12:34:56Z"}',
	'{"n": 20, "a": "2023-02-29T00:00:00Z"}', '{"n": 21, "b": "2024-13-01"}', '{"n": 22, "c": "yesterday noon"}',
	'{"n": 23, "a": "soon"}', '{"n": 24, "a": 1e30}', '{"n": 25, "c": "2024-02-30"}', '{"n": 26, "a": true}',
	'{"n": 27, "a": "2024-02-29 12:34:56 Nowhere/Land"}', '{"n": 28, "b": ""}');
SELECT * FROM t ORDER BY n;
SELECT * FROM letters('t');
-- a time without zone is one of the session's
SET timezone = 'America/New_York';
SELECT stream.ingest('t', '{"n": 30, "a": "2024-07-01T12:00:00", "b": "2024-07-01T12:00:00"}');
SET timezone = 'UTC';
SELECT * FROM t WHERE n = 30;
SELECT stream.drop('t');
-- the unit of numbers can be said
SELECT stream.create_stream('t', 'a timestamptz, b date', options => '{"timestamp_unit": "ms"}');
SELECT stream.ingest('t', '{"a": 1000, "b": 86400000}', '{"a": "1500", "b": "2024-01-01"}', '{"a": 0.5}');
SELECT * FROM t ORDER BY a;
SELECT stream.drop('t');

-- time, timetz, interval
SELECT stream.create_stream('t', 'a time, b timetz, c interval');
SELECT stream.ingest('t', '{"a": "12:34:56.7", "b": "12:34+02", "c": "1 day 02:03"}', '{"c": "PT1H30M"}',
	'{"a": "25:00"}', '{"c": "a while"}', '{"b": 12}');
SELECT * FROM t ORDER BY a;
SELECT * FROM letters('t');
SELECT stream.drop('t');

-- uuid, bytea, bit, inet, macaddr
SELECT stream.create_stream('t', 'a uuid, b bytea, c bit(3), d inet, e macaddr');
SELECT stream.ingest('t',
	'{"a": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "b": "\\x00ff", "c": "101", "d": "10.0.0.1/8", "e": "08:00:2b:01:02:03"}',
	'{"a": "{A0EEBC999C0B4EF8BB6D6BB9BD380A12}", "b": "a\\000b", "d": "::1"}',
	'{"a": "a0eebc99"}', '{"b": "\\xzz"}', '{"c": "11"}', '{"d": "10.0.0.256"}', '{"e": "08"}', '{"a": 5}');
SELECT * FROM t ORDER BY a;
SELECT * FROM letters('t');
SELECT stream.drop('t');
SELECT stream.create_stream('t', 'b bytea', options => '{"bytea_encoding": "base64"}');
SELECT stream.ingest('t', '{"b": "AP8="}', '{"b": ""}', '{"b": "AP8"}', '{"b": "*"}');
SELECT * FROM t ORDER BY b;
SELECT * FROM letters('t');
SELECT stream.drop('t');
SELECT stream.create_stream('t', 'b bytea', options => '{"bytea_encoding": "hex"}');
SELECT stream.ingest('t', '{"b": "00ff"}', '{"b": "0"}');
SELECT * FROM t;
SELECT * FROM letters('t');
SELECT stream.drop('t');

-- json, jsonb: as it stands
SELECT stream.create_stream('t', 'n int, a json, b jsonb');
SELECT stream.ingest('t',
	'{"n": 1, "a": {"k" : [1,  2.50, "x\u00e9"]}, "b": {"k" : [1,  2.50, "x\u00e9"], "k": 2}}',
	'{"n": 2, "a": "s", "b": "s\n"}', '{"n": 3, "a": 1.10, "b": 1.10}', '{"n": 4, "a": true, "b": []}',
	'{"n": 5, "a": null, "b": null}', '{"n": 6}', '{"n": 7, "b": "\u0000"}', '{"n": 8, "a": "\u0000"}');
SELECT n, a, b, a IS NULL AS a_null, b IS NULL AS b_null FROM t ORDER BY n;
SELECT * FROM letters('t');
SELECT stream.drop('t');

-- enum, domain, composite, array, range
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN percent AS int CHECK (value BETWEEN 0 AND 100);
CREATE DOMAIN must AS text NOT NULL;
CREATE DOMAIN usual AS text DEFAULT 'as usual';
CREATE TYPE pair AS (x int, y text);
SELECT stream.create_stream('t', 'n int, a mood, b percent, c int[], d text[], e pair, f int4range, g mood[]');
SELECT stream.ingest('t',
	'{"n": 1, "a": "ok", "b": 100, "c": [1, null, 3], "d": ["a,b", "q\"", "\\", null, "null", ""], "e": "(1,x)", "f": "[1,5)", "g": ["sad", "happy"]}',
	'{"n": 2, "b": "7", "c": [], "d": [["a", "b"], ["c", "d"]], "c": "{4,5}"}',
	'{"n": 3, "d": [1, true, {"k": "v"}]}',
	'{"n": 10, "a": "furious"}', '{"n": 11, "b": 101}', '{"n": 12, "c": [1, "x"]}', '{"n": 13, "c": [[1, 2], [3]]}',
	'{"n": 14, "e": "(1"}', '{"n": 15, "f": "[5,1)"}', '{"n": 16, "c": 1}', '{"n": 17, "g": ["glad"]}');
SELECT * FROM t ORDER BY n;
SELECT "offset", sqlstate, col, payload FROM letters('t');
SELECT stream.drop('t');
SELECT stream.create_stream('t', 'n int, a must, b usual');
SELECT stream.ingest('t', '{"n": 1, "a": "x", "b": "y"}', '{"n": 2, "a": "x"}', '{"n": 3, "a": "x", "b": null}',
	'{"n": 4, "a": null}', '{"n": 5}');
SELECT * FROM t ORDER BY n;
SELECT * FROM letters('t');
SELECT stream.drop('t');
DROP TYPE mood, pair;
DROP DOMAIN percent, must, usual;

-- missing, null, default
CREATE SEQUENCE numbers;
SELECT stream.create_stream('t', $$n int NOT NULL DEFAULT nextval('numbers'), a text DEFAULT 'none', b text, c timestamptz DEFAULT '2024-01-01Z', d int DEFAULT 2 + 3$$);
SELECT stream.ingest('t', '{}', '{"a": null, "b": "x", "c": null, "d": null}', '{"a": "given", "d": 1}', '{"n": null}');
SELECT * FROM t ORDER BY n;
SELECT * FROM letters('t');
SELECT stream.drop('t');
DROP SEQUENCE numbers;

-- large values
SELECT stream.create_stream('t', 'a text, b jsonb');
SELECT stream.ingest('t', format('{"a": "%s", "b": ["%s"]}', repeat('long ', 100000), repeat('x', 100000)));
SELECT length(a), length(b ->> 0) FROM t;
SELECT stream.drop('t');

-- many columns
DO $$
BEGIN
	PERFORM stream.create_stream('wide', (SELECT string_agg(format('c%s int', i), ', ') FROM generate_series(1, 300) i));
	PERFORM stream.ingest('wide', (SELECT jsonb_object_agg('c' || i, i)::text FROM generate_series(1, 300) i));
END $$;
SELECT c1, c150, c300 FROM wide;
SELECT stream.drop('wide');
DROP FUNCTION letters;
