/*
 * event.c
 *		Writes the bench events, without stdio: a producer has to stay well
 *		ahead of every reader that is measured.
 */
#include "event.h"

#include <math.h>
#include <string.h>

#define DAY_MS INT64_C(86400000)
#define DISORDER_MS 500

typedef struct Writer
{
	char	   *at;
} Writer;

static uint64_t
mix(uint64_t seed, uint64_t i, uint64_t field)
{
	uint64_t	x = seed + (i * 4 + field + 1) * UINT64_C(0x9E3779B97F4A7C15);

	x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
	return x ^ (x >> 31);
}

static void
put_text(Writer *w, const char *text)
{
	size_t		length = strlen(text);

	memcpy(w->at, text, length);
	w->at += length;
}

static void
put_number(Writer *w, uint64_t value)
{
	char		digits[20];
	int			n = 0;

	do
		digits[n++] = '0' + value % 10;
	while ((value /= 10) > 0);
	while (n > 0)
		*w->at++ = digits[--n];
}

static void
put_padded(Writer *w, uint64_t value, int width)
{
	for (int i = width - 1; i >= 0; i--, value /= 10)
		w->at[i] = '0' + value % 10;
	w->at += width;
}

static void
put_hex(Writer *w, uint64_t value, int width)
{
	for (int i = width - 1; i >= 0; i--, value >>= 4)
		w->at[i] = "0123456789abcdef"[value & 15];
	w->at += width;
}

static void
put_uuid(Writer *w, uint64_t high, uint64_t low)
{
	put_hex(w, high >> 32, 8);
	*w->at++ = '-';
	put_hex(w, high >> 16, 4);
	*w->at++ = '-';
	put_hex(w, high, 4);
	*w->at++ = '-';
	put_hex(w, low >> 48, 4);
	*w->at++ = '-';
	put_hex(w, low, 12);
}

/* Days since 1970 to year, month, day: the inverse of counting from March 1st */
static void
put_date(Writer *w, int64_t days)
{
	int64_t		z = days + 719468;
	int64_t		era = z / 146097;
	int64_t		doe = z % 146097;
	int64_t		yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t		doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t		mp = (5 * doy + 2) / 153;
	int64_t		month = mp < 10 ? mp + 3 : mp - 9;

	put_padded(w, yoe + era * 400 + (month <= 2), 4);
	*w->at++ = '-';
	put_padded(w, month, 2);
	*w->at++ = '-';
	put_padded(w, doy - (153 * mp + 2) / 5 + 1, 2);
}

static void
put_timestamp(Writer *w, int64_t time_ms)
{
	int64_t		ms = time_ms % DAY_MS;

	put_date(w, time_ms / DAY_MS);
	*w->at++ = 'T';
	put_padded(w, ms / 3600000, 2);
	*w->at++ = ':';
	put_padded(w, ms / 60000 % 60, 2);
	*w->at++ = ':';
	put_padded(w, ms / 1000 % 60, 2);
	*w->at++ = '.';
	put_padded(w, ms % 1000, 3);
	*w->at++ = 'Z';
}

int64_t
event_backlog_time(uint64_t seed, uint64_t i, double rate)
{
	return EVENT_EPOCH_MS + DISORDER_MS + (int64_t) (i * 1000.0 / rate) -
		(int64_t) (mix(seed, i, 3) % DISORDER_MS);
}

static int
draw_ad(uint64_t i, uint32_t random, int ads, Draw draw)
{
	uint64_t	rank = i;

	if (draw == DRAW_EVENLY)
		return 1 + random % ads;
	if (draw == DRAW_BY_ZIPF)
		rank = exp(random / 4294967296.0 * log(ads + 1.0)) - 1;
	/* scattered: neighbours in rank are not neighbours in number */
	return 1 + rank * 7919 % ads;
}

size_t
event_write(uint64_t seed, uint64_t i, int64_t time_ms, int ads, Draw draw,
			char *buf, Event *event)
{
	static const char *const types[] = {"view", "click", "purchase"};
	static const char *const shelves[] = {"shoes", "tents", "lamps", "books"};
	uint64_t	a = mix(seed, i, 0);
	uint64_t	b = mix(seed, i, 1);
	uint64_t	c = mix(seed, i, 2);
	int			type = draw == DRAW_IN_TURN ? 0 : (c >> 32) % 3;
	Writer		w = {buf};

	event->time_ms = time_ms;
	event->ad_id = draw_ad(i, c & 0xFFFFFFFF, ads, draw);
	event->cents = 1 + (c >> 40) % 20000;
	event->view = type == 0;

	put_text(&w, "{\"user_id\":\"");
	put_uuid(&w, a, b);
	put_text(&w, "\",\"page\":\"/catalogue/outdoor/");
	put_text(&w, shelves[a % 4]);
	put_text(&w, "/item-");
	put_padded(&w, b % 1000000, 6);
	put_text(&w, ".html\",\"ad_id\":");
	put_number(&w, event->ad_id);
	put_text(&w, ",\"event_type\":\"");
	put_text(&w, types[type]);
	put_text(&w, "\",\"price\":");
	put_number(&w, event->cents / 100);
	*w.at++ = '.';
	put_padded(&w, event->cents % 100, 2);
	put_text(&w, ",\"event_time\":\"");
	put_timestamp(&w, time_ms);
	put_text(&w, "\",\"ip\":\"203.0.113.");
	put_number(&w, (a >> 8) % 256);
	put_text(&w, "\"}");
	return w.at - buf;
}
