--
-- Watermarks: highest event time less the delay, per partition; they never
-- go back.
--
SET timezone = 'UTC';
SET datestyle = 'ISO';
SELECT stream.create_stream('s', 'at timestamptz, n int', event_time => 'at', watermark_delay => '10 s');
SELECT watermark FROM stream.status;
SELECT stream.ingest('s', '{"at": "2024-01-01T12:00:00Z"}', '{"at": "2024-01-01T12:01:00Z"}', '{"at": "2024-01-01T12:00:30Z"}');
SELECT partition, watermark FROM stream.partitions;
-- back in time
SELECT stream.ingest('s', '{"at": "2020-01-01T12:00:00Z"}');
SELECT partition, watermark FROM stream.partitions;
-- rejected rows do not count
SELECT stream.ingest('s', '{"at": "2025-01-01T12:00:00Z", "n": "x"}', '{"at": null}', '{"at": "infinity"}', 'rubbish');
SELECT partition, watermark FROM stream.partitions;
-- tombstones neither
SELECT stream.ingest('s', NULL, NULL);
SELECT partition, watermark, next_offset FROM stream.partitions;
-- the stream's never goes back, though partitions come that are behind
SELECT stream.ingest_records('s', ARRAY[
	(1, NULL, NULL, NULL, '{"at": "2024-01-01T11:00:00Z"}', NULL),
	(2, NULL, NULL, NULL, '{"at": "2024-01-01T13:00:00Z"}', NULL)]::stream.record[]);
SELECT partition, watermark FROM stream.partitions ORDER BY 1;
SELECT stream, watermark FROM stream.status;
-- otherwise it is the least of its partitions
SELECT stream.create_stream('least', 'at timestamptz', event_time => 'at', watermark_delay => '10 s');
SELECT stream.ingest_records('least', ARRAY[
	(1, NULL, NULL, NULL, '{"at": "2024-01-01T11:00:00Z"}', NULL),
	(2, NULL, NULL, NULL, '{"at": "2024-01-01T13:00:00Z"}', NULL)]::stream.record[]);
SELECT watermark, stream.watermark(stream) AS closed FROM stream.status WHERE stream = 'least'::regclass;
-- what a batch makes of it holds for the next one
SELECT stream.ingest_records('least', ARRAY[(1, NULL, NULL, NULL, '{"at": "2024-01-01T12:00:00Z"}', NULL)]::stream.record[]);
SELECT watermark, stream.watermark(stream) AS closed FROM stream.status WHERE stream = 'least'::regclass;
SELECT stream.drop('least');
-- a partition that never had a time holds nothing back once it is idle, also when all are
SELECT stream.create_stream('rest', 'at timestamptz', event_time => 'at', watermark_delay => '10 s', idle_timeout => '0 s');
SELECT stream.ingest_records('rest', ARRAY[
	(0, NULL, NULL, NULL, NULL, NULL),
	(1, NULL, NULL, NULL, '{"at": "2024-01-01T12:00:00Z"}', NULL)]::stream.record[]);
SELECT watermark FROM stream.status WHERE stream = 'rest'::regclass;
SELECT stream.drop('rest');
SELECT stream.drop('s');

-- without an event_time the record's time counts
SELECT stream.create_stream('s', 'n int', watermark_delay => '1 min');
SELECT stream.ingest_records('s', ARRAY[(0, NULL, '2024-05-01 10:00Z', NULL, '{"n": 1}', NULL)]::stream.record[]);
SELECT watermark FROM stream.partitions;
SELECT stream.drop('s');

-- without a delay there is none
SELECT stream.create_stream('s', 'at timestamptz', event_time => 'at');
SELECT stream.ingest('s', '{"at": "2024-01-01T12:00:00Z"}');
SELECT partition, watermark FROM stream.partitions;
SELECT watermark FROM stream.status;
SELECT stream.drop('s');

-- timestamp and date columns are UTC, whatever the session
SET timezone = 'Asia/Tokyo';
SELECT stream.create_stream('s', 'at timestamp', event_time => 'at', watermark_delay => '0');
SELECT stream.create_stream('d', 'at date', event_time => 'at', watermark_delay => '1 day');
SELECT stream.ingest('s', '{"at": "2024-01-01T12:00:00"}'), stream.ingest('d', '{"at": "2024-01-02"}');
SET timezone = 'UTC';
SELECT stream, watermark FROM stream.partitions ORDER BY stream::text;
SELECT stream.drop('s'), stream.drop('d');

-- days of 24 hours, whatever the session's clock does
SET timezone = 'America/New_York';
SELECT stream.create_stream('s', 'at timestamptz', event_time => 'at', watermark_delay => '1 day');
SELECT stream.ingest('s', '{"at": "2024-03-10T12:00:00-04"}');
SET timezone = 'UTC';
SELECT watermark FROM stream.partitions;
SELECT stream.drop('s');

-- the ends of time
SELECT stream.create_stream('s', 'at timestamptz', event_time => 'at', watermark_delay => '1 day');
SELECT stream.ingest('s', '{"at": "4713-01-01 00:00:00+00 BC"}');
SELECT stream.ingest('s', '{"at": "4714-11-24 00:00:00+00 BC"}');
SELECT stream.ingest('s', '{"at": "294276-12-31 23:59:59+00"}');
SELECT next_offset, watermark FROM stream.partitions;
SELECT stream.drop('s');
SELECT stream.create_stream('d', 'at date', event_time => 'at', watermark_delay => '1 day');
SELECT stream.ingest('d', '{"at": "5874897-12-31"}', '{"at": "4714-11-24 BC"}', '{"at": "infinity"}');
SELECT sqlstate, message, column_name FROM d_dead_letters ORDER BY id;
SELECT next_offset, watermark FROM stream.partitions;
SELECT stream.drop('d');

-- a rewind leaves the watermark where it is
SELECT stream.create_stream('s', 'at timestamptz', event_time => 'at', watermark_delay => '0', paused => true);
SELECT stream.ingest('s', '{"at": "2024-01-01T12:00:00Z"}');
SELECT stream.seek('s', '{"0": 0}');
SELECT stream.ingest('s', '{"at": "2023-01-01T12:00:00Z"}');
SELECT next_offset, watermark FROM stream.partitions;
SELECT stream.drop('s');
