-- 3. The results are ordinary views, current to the last record.

\pset footer off
\pset null '-'
\if :{?hours} \else \set hours 9 \set airlines 8 \endif

\pset title 'departures_per_hour (latest hours, New York time)'
SELECT to_char(window_start, 'Dy DD Mon HH24:MI') AS hour, origin, flights,
       round(average_delay, 1) AS "average delay",
       worst_delay AS "worst delay", cancelled
FROM departures_per_hour
ORDER BY window_start DESC, origin
LIMIT :hours;

\pset title 'flights_per_carrier joined with the table airlines'
SELECT name AS airline, flights, round(average_delay, 1) AS "average delay",
       over_an_hour AS "over an hour", cancelled, miles
FROM flights_per_carrier
JOIN airlines USING (carrier)
ORDER BY flights DESC
LIMIT :airlines;

\pset title 'a hop, a session, and hours rolled up from minutes'
SELECT to_char(h.window_end, 'DD Mon HH24:MI') AS "three hours to", h.flights,
       s.tailnum AS "busiest aircraft", s.flights AS "its flights", s.miles,
       to_char(r.hour, 'DD Mon HH24:MI') AS "worst hour", round(r.average_delay, 1) AS "its delay"
FROM (SELECT * FROM last_three_hours ORDER BY window_end DESC OFFSET 5 LIMIT 1) AS h,
     (SELECT * FROM aircraft_days ORDER BY flights DESC, miles DESC, tailnum LIMIT 1) AS s,
     (SELECT * FROM delays_per_hour WHERE flights > 9 ORDER BY average_delay DESC NULLS LAST LIMIT 1) AS r;

\pset title 'stream.status'
SELECT stream, state, lag, rows_per_second::int AS "rows/s",
       to_char(watermark, 'DD Mon HH24:MI') AS watermark,
       rows_total AS rows, late_rows AS late, dead_letters AS "dead letters",
       left(error, 60) AS error
FROM stream.status;
