-- 4. The proof: the same queries over the same rows in an ordinary table must
--    give the same result.  Standard input is the flights' CSV file.

SET client_min_messages = warning;
CREATE SCHEMA batch;

CREATE TABLE batch.csv (
  year int, month int, day int,
  dep_time int, sched_dep_time int, dep_delay int,
  arr_time int, sched_arr_time int, arr_delay int,
  carrier text, flight int, tailnum text, origin text, dest text,
  air_time int, distance int, hour int, minute int, time_hour timestamptz);

\copy batch.csv FROM pstdin WITH (FORMAT csv, HEADER, NULL 'NA')

-- The file's columns as the stream's: see data/README.md.
CREATE VIEW batch.flights AS
  SELECT time_hour + minute * interval '1 minute' AS event_time,
         time_hour + (minute + dep_delay) * interval '1 minute' AS departed_at,
         origin, dest, carrier, flight, tailnum, distance, dep_delay,
         dep_time IS NULL AS cancelled
  FROM batch.csv;

-- Rows that came after their window had closed are not in the view but in a
-- table of their own: take them out of the batch's rows too.
CREATE VIEW batch.flights_in_time AS TABLE batch.flights;
SELECT to_regclass('departures_per_hour_late_rows') IS NOT NULL AS kept \gset
\if :kept
CREATE OR REPLACE VIEW batch.flights_in_time AS
  TABLE batch.flights
  EXCEPT ALL
  SELECT r.event_time, r.departed_at, r.origin, r.dest, r.carrier, r.flight,
         r.tailnum, r.distance, r.dep_delay, r.cancelled
  FROM departures_per_hour_late_rows,
       jsonb_populate_record(NULL::flights, "row") AS r;
\endif

CREATE VIEW batch.departures_per_hour AS
  SELECT window_start, origin,
         count(*) AS flights,
         avg(dep_delay) AS average_delay,
         max(dep_delay) AS worst_delay,
         count(*) FILTER (WHERE cancelled) AS cancelled
  FROM batch.flights_in_time AS flights, stream.tumble(event_time, '1 hour')
  GROUP BY window_start, origin;

CREATE VIEW batch.flights_per_carrier AS
  SELECT carrier,
         count(*) AS flights,
         avg(dep_delay) AS average_delay,
         count(*) FILTER (WHERE dep_delay > 60) AS over_an_hour,
         count(*) FILTER (WHERE cancelled) AS cancelled,
         sum(distance) FILTER (WHERE NOT cancelled) AS miles
  FROM batch.flights AS flights
  GROUP BY carrier;

CREATE VIEW batch.last_three_hours AS
  SELECT window_end, count(*) AS flights, avg(dep_delay) AS average_delay
  FROM batch.flights, stream.hop(event_time, '30 minutes', '3 hours')
  GROUP BY window_end;

-- Sessions of a table, by window functions.
CREATE VIEW batch.aircraft_days AS
  SELECT tailnum, min(event_time) AS window_start,
         max(event_time) + interval '12 hours' AS window_end,
         count(*) AS flights, sum(distance) AS miles
  FROM (SELECT *, count(*) FILTER (WHERE begins) OVER (PARTITION BY tailnum ORDER BY event_time) AS session
        FROM (SELECT *, event_time > lag(event_time) OVER (PARTITION BY tailnum ORDER BY event_time)
                        + interval '12 hours' AS begins
              FROM batch.flights WHERE tailnum IS NOT NULL) AS f) AS f
  GROUP BY tailnum, session;

CREATE VIEW batch.delays_per_hour AS
  SELECT date_trunc('hour', event_time) AS hour, count(*) AS flights,
         avg(dep_delay) AS average_delay
  FROM batch.flights
  GROUP BY 1;

-- Rows that only one of the two has.  All must be 0.
\pset footer off
\pset title 'the views against the batch queries'
CREATE TABLE batch.comparison AS
  SELECT 'departures_per_hour' AS view,
         (SELECT count(*) FROM departures_per_hour) AS rows,
         (SELECT sum(flights) FROM departures_per_hour) AS flights,
         (SELECT count(*) FROM (TABLE departures_per_hour
            EXCEPT ALL TABLE batch.departures_per_hour) AS d) AS only_in_view,
         (SELECT count(*) FROM (TABLE batch.departures_per_hour
            EXCEPT ALL TABLE departures_per_hour) AS d) AS only_in_batch
  UNION ALL
  SELECT 'flights_per_carrier',
         (SELECT count(*) FROM flights_per_carrier),
         (SELECT sum(flights) FROM flights_per_carrier),
         (SELECT count(*) FROM (TABLE flights_per_carrier
            EXCEPT ALL TABLE batch.flights_per_carrier) AS d),
         (SELECT count(*) FROM (TABLE batch.flights_per_carrier
            EXCEPT ALL TABLE flights_per_carrier) AS d)
  UNION ALL
  SELECT 'last_three_hours',
         (SELECT count(*) FROM last_three_hours),
         (SELECT sum(flights) FROM last_three_hours),
         (SELECT count(*) FROM (TABLE last_three_hours
            EXCEPT ALL TABLE batch.last_three_hours) AS d),
         (SELECT count(*) FROM (TABLE batch.last_three_hours
            EXCEPT ALL TABLE last_three_hours) AS d)
  UNION ALL
  SELECT 'aircraft_days',
         (SELECT count(*) FROM aircraft_days),
         (SELECT sum(flights) FROM aircraft_days),
         (SELECT count(*) FROM (TABLE aircraft_days
            EXCEPT ALL TABLE batch.aircraft_days) AS d),
         (SELECT count(*) FROM (TABLE batch.aircraft_days
            EXCEPT ALL TABLE aircraft_days) AS d)
  UNION ALL
  SELECT 'delays_per_hour',
         (SELECT count(*) FROM delays_per_hour),
         (SELECT sum(flights) FROM delays_per_hour),
         (SELECT count(*) FROM (TABLE delays_per_hour
            EXCEPT ALL TABLE batch.delays_per_hour) AS d),
         (SELECT count(*) FROM (TABLE batch.delays_per_hour
            EXCEPT ALL TABLE delays_per_hour) AS d);

TABLE batch.comparison;
