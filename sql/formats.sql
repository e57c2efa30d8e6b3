--
-- Payload formats: json, csv, tsv, text, bytea.
--
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET bytea_output = 'hex';

CREATE FUNCTION letters(stream regclass,
	OUT "offset" bigint, OUT sqlstate text, OUT message text, OUT col text, OUT payload text)
RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT "offset", sqlstate, message, column_name, encode(payload, ''escape'') FROM %s_dead_letters ORDER BY id', stream);
	EXECUTE format('DELETE FROM %s_dead_letters', stream);
END $$;
-- payloads that are no text of this database
CREATE FUNCTION feed(stream regclass, VARIADIC payloads bytea[]) RETURNS bigint LANGUAGE sql AS $$
	SELECT stream.ingest_records(stream, ARRAY(
		SELECT ROW(NULL, NULL, NULL, NULL, p, NULL)::stream.record FROM unnest(payloads) p))
$$;

-- json: paths
SELECT stream.create_stream('f', 'id int, city text, first text, second_b text, dotted text, tags jsonb, whole text',
	fields => '{"city": "user.address.city", "first": "list[0]", "second_b": "list[1].b", "dotted": "\"a.b\"", "tags": "list"}');
SELECT stream.ingest('f',
	'{"id": 1, "user": {"name": "x", "address": {"zip": 1, "city": "Ulm"}}, "list": ["p", {"a": 0, "b": "q"}], "a.b": "d", "whole": {"k": 1}}',
	'{"id": 2, "user": null, "list": {"0": "no list"}}',
	'{"id": 3, "user": {"address": "no object"}, "list": []}',
	'{"id": 4, "a": {"b": "nested is not dotted"}}');
SELECT * FROM f ORDER BY id;
SELECT * FROM letters('f');
SELECT stream.drop('f');

-- json: the same path for two columns, the last of a double key, key order, space
SELECT stream.create_stream('f', 'a int, b text', fields => '{"b": "a"}');
SELECT stream.ingest('f', '{"a": 1}', ' { "x" : [ { } , [ ] ] , "a" : 2 } ', E'\n{"a":3}\r\n', '{"a": 4, "a": 5}', '{"\u0061": 6}');
SELECT * FROM f ORDER BY a;
SELECT stream.drop('f');

-- json: all of the payload must be sound, also behind what is wanted
SELECT stream.create_stream('f', 'a int');
SELECT stream.ingest('f', '{"a": 1, "b":', '{"a": 1}}', '{"a": 1} {"a": 2}', '{"a": 1, "b": tru}', '{"a": 1, "b": [1, 2}',
	'{"a": 1,}', '{"a": 1, "b": "open', '{"a": 01}', '{a: 1}', '{''a'': 1}', '{"a": 1, "b": +1}', '{"a": 1, "b": .5}',
	'[1]', '"a"', '1', 'null', '', ' ', '{', '{"a" 1}', '{"a": 1 "b": 2}', '{"a": NaN}', '{"a": 1, "b": "	"}',
	'{"a": 1, "b": "\q"}', '// {"a": 1}', '{}');
SELECT * FROM f;
SELECT * FROM letters('f');
SELECT feed('f', '\x7b2261223a312c2262223a22ff227d', '\x7b2261223a317d00', '\x007b7d',
	'\xefbbbf7b2261223a20377d', '\x7b2261223a312c2262223a22c3227d', '\x7b2261223a312c2262223a22eda080227d');
SELECT * FROM f;
SELECT * FROM letters('f');
SELECT stream.drop('f');

-- json: deep nesting
SELECT stream.create_stream('f', 'a int');
SELECT stream.ingest('f', '{"x": ' || repeat('[', 500) || repeat(']', 500) || ', "a": 1}');
SELECT stream.ingest('f', '{"x": ' || repeat('[', 100000) || repeat(']', 100000) || ', "a": 1}');
SELECT a FROM f;
SELECT "offset", sqlstate, message FROM letters('f');
SELECT stream.drop('f');

-- csv
SELECT stream.create_stream('f', 'a int, b text, c numeric', format => 'csv');
SELECT stream.ingest('f', '1,one,1.0', '2,"two, ""quoted""",2.0', E'3,"two\nlines",', '4,,', '5,"",5', E'6,x,6\n', E'7,x,7\r\n',
	' 8 , padded , 8', '"9","nine","9.0"');
SELECT * FROM f ORDER BY a;
SELECT b IS NULL AS null, count(*) FROM f GROUP BY 1 ORDER BY 1;
SELECT stream.ingest('f', '1,one', '1,one,1,1', '', 'x,one,1', '1,"open,1', '1,"x"y,1', '1,one,"', E'1,one,1\n2,two,2', '1,o"ne,1');
SELECT * FROM letters('f');
SELECT feed('f', '\x312cff2c31', '\x312c00612c31', '\xefbbbf31302c622c31');
SELECT a, b FROM f WHERE a = 10;
SELECT * FROM letters('f');
SELECT stream.drop('f');

-- csv: options
SELECT stream.create_stream('f', 'a int, b text', format => 'csv',
	options => '{"delimiter": ";", "quote": "''", "null": "NULL", "header": true}');
SELECT stream.ingest('f', 'a;b', 'A;B', '1;x', '2;''y;z''', '3;NULL', '4;''NULL''', '5;', 'b;a');
SELECT a, b, b IS NULL AS null FROM f ORDER BY a;
SELECT * FROM letters('f');
SELECT stream.drop('f');
SELECT stream.create_stream('f', 'b text, a int', format => 'csv', fields => '{"a": "Number"}',
	options => '{"header": "Number,x,b", "quote": ""}');
SELECT stream.ingest('f', 'Number,x,b', '1,2,"3"', '4,5,6', '7,8');
SELECT * FROM f ORDER BY a;
SELECT * FROM letters('f');
SELECT stream.drop('f');
SELECT stream.create_stream('f', 'b text, a int', format => 'csv', fields => '{"a": 1, "b": 3}');
SELECT stream.ingest('f', '1,x,three', '2,x,three,y,z', '3,x');
SELECT * FROM f ORDER BY a;
SELECT * FROM letters('f');
SELECT stream.drop('f');
SELECT stream.create_stream('f', 'a text', format => 'csv', options => '{"encoding": "LATIN1", "delimiter": "\\t"}');
SELECT feed('f', '\x63616679e9'), feed('f', '\x22e909e922');
SELECT * FROM f ORDER BY 1;
SELECT stream.drop('f');

-- tsv
SELECT stream.create_stream('f', 'a int, b text, c text', format => 'tsv');
SELECT stream.ingest('f', E'1\tone\tx', E'2\t\\N\t', E'3\ta\\tb\\nc\\\\d\t"q"', E'4\tx', E'5\t\\z\tx', E'x\ty\tz');
SELECT a, b, c, b IS NULL AS b_null, c IS NULL AS c_null FROM f ORDER BY a;
SELECT * FROM letters('f');
SELECT stream.drop('f');

-- text: the payload is the value
SELECT stream.create_stream('f', 'line text, at timestamptz, k text', format => 'text',
	fields => '{"at": "@timestamp", "k": "@key"}');
SELECT stream.ingest('f', 'a line', '', '{"json": "is text"}', E'two\nlines');
SELECT feed('f', '\xff', '\x6100');
SELECT line, line IS NULL AS null, k FROM f ORDER BY line COLLATE "C";
SELECT * FROM letters('f');
SELECT stream.drop('f');
SELECT stream.create_stream('f', 'n int', format => 'text');
SELECT stream.ingest('f', '1', ' 2 ', 'three', '');
SELECT * FROM f ORDER BY n;
SELECT * FROM letters('f');
SELECT stream.drop('f');
SELECT stream.create_stream('f', 't text', format => 'text', options => '{"encoding": "WIN1252"}');
SELECT feed('f', '\x80');
SELECT * FROM f;
SELECT stream.drop('f');

-- bytea: any bytes
SELECT stream.create_stream('f', 'b bytea', format => 'bytea');
SELECT feed('f', '\x00ff', '\x'), stream.ingest('f', 'abc');
SELECT * FROM f ORDER BY b;
SELECT stream.drop('f');

-- without a field of it wanted, the payload need not have the format
SELECT stream.create_stream('f', 'k text, v text', fields => '{"k": "@key", "v": "@value"}');
SELECT stream.ingest('f', 'not json at all');
SELECT * FROM f;
SELECT stream.drop('f');
DROP FUNCTION feed;
DROP FUNCTION letters;
