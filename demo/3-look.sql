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

\pset title 'stream.status'
SELECT stream, state, lag, rows_per_second::int AS "rows/s",
       to_char(watermark, 'DD Mon HH24:MI') AS watermark,
       rows_total AS rows, late_rows AS late, dead_letters AS "dead letters",
       left(error, 60) AS error
FROM stream.status;
