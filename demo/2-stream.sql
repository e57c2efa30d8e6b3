-- 2. The stream and its views.  One transaction: reading starts when it
--    commits, so the views miss nothing.  :topic is the topic's name.

BEGIN;

-- An ordinary table to join with.
CREATE TABLE airlines (carrier text PRIMARY KEY, name text NOT NULL);
\copy airlines FROM 'demo/data/airlines.csv' WITH (FORMAT csv, HEADER)

-- A record is {"event_time": "2013-01-01T05:15:00-05:00", "origin": "EWR", ...};
-- fields go to the columns of their name.  Time is the scheduled departure.
-- The watermark trails the latest scheduled departure seen by six hours.
SELECT stream.create_stream('flights',
  columns => 'event_time  timestamptz NOT NULL,
              departed_at timestamptz,
              origin      text NOT NULL,
              dest        text NOT NULL,
              carrier     text NOT NULL,
              flight      int NOT NULL,
              tailnum     text,
              distance    int,
              dep_delay   int,
              cancelled   boolean NOT NULL',
  server => 'kafka', topic => :'topic', format => 'json',
  event_time => 'event_time', watermark_delay => '6 hours');

-- Flights, delays and cancellations of each hour and airport.
SELECT stream.create_view('departures_per_hour', $$
  SELECT window_start, origin,
         count(*) AS flights,
         avg(dep_delay) AS average_delay,
         max(dep_delay) AS worst_delay,
         count(*) FILTER (WHERE cancelled) AS cancelled
  FROM flights, stream.tumble(event_time, '1 hour')
  GROUP BY window_start, origin $$);

-- Totals of each airline.
SELECT stream.create_view('flights_per_carrier', $$
  SELECT carrier,
         count(*) AS flights,
         avg(dep_delay) AS average_delay,
         count(*) FILTER (WHERE dep_delay > 60) AS over_an_hour,
         count(*) FILTER (WHERE cancelled) AS cancelled,
         sum(distance) FILTER (WHERE NOT cancelled) AS miles
  FROM flights
  GROUP BY carrier $$);

-- The last three hours, every half hour: windows that overlap.
SELECT stream.create_view('last_three_hours', $$
  SELECT window_end, count(*) AS flights, avg(dep_delay) AS average_delay
  FROM flights, stream.hop(event_time, '30 minutes', '3 hours')
  GROUP BY window_end $$, allowed_lateness => '2 days');

-- The days of an aircraft: its flights from New York that are less than twelve
-- hours apart.
SELECT stream.create_view('aircraft_days', $$
  SELECT tailnum, window_start, window_end, count(*) AS flights, sum(distance) AS miles
  FROM flights, stream.session(event_time, '12 hours')
  WHERE tailnum IS NOT NULL
  GROUP BY tailnum, window_start, window_end $$, allowed_lateness => '2 days');

-- Minutes, and hours made from their states when they are read: averages of any
-- span, exactly.
SELECT stream.create_view('delays_per_minute', $$
  SELECT window_start AS minute, origin, count(*) AS flights, avg(dep_delay) AS average_delay
  FROM flights, stream.tumble(event_time, '1 minute')
  GROUP BY window_start, origin $$, allowed_lateness => '2 days');
SELECT stream.create_rollup('delays_per_hour', $$
  SELECT date_trunc('hour', minute) AS hour, combine(flights) AS flights,
         combine(average_delay) AS average_delay
  FROM delays_per_minute
  GROUP BY 1 $$);

COMMIT;
