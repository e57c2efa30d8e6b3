/*
 * event.h
 *		The event that every figure is measured with.
 *
 * Seven JSON fields, five of them wanted, about 210 bytes, 1000 ads, a third
 * of the events views.  Event number i of a seed is always the same, so a
 * producer, a check and a later run agree without sharing any file.
 */
#ifndef BENCH_EVENT_H
#define BENCH_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EVENT_MAX_BYTES 320
#define EVENT_ADS 1000			/* unless load is told otherwise */
#define EVENT_WINDOW_MS 10000

/* 2024-03-01 00:00:00 UTC, the event time of the first event of a backlog */
#define EVENT_EPOCH_MS INT64_C(1709251200000)

typedef struct Event
{
	int64_t		time_ms;
	int			ad_id;
	int			cents;
	bool		view;			/* passes the WHERE of the bench query */
} Event;

/* Event time of number i when rate events happen a second, a little disordered */
extern int64_t event_backlog_time(uint64_t seed, uint64_t i, double rate);

/* How often each ad comes: as often as others, by Zipf's law, or once in turn. */
typedef enum Draw
{
	DRAW_EVENLY,
	DRAW_BY_ZIPF,				/* that of rank r in proportion to 1 / r */
	DRAW_IN_TURN				/* and each event is a view */
} Draw;

/* Writes event i, of one of the ads, to buf, tells what is in it, returns its length */
extern size_t event_write(uint64_t seed, uint64_t i, int64_t time_ms, int ads,
						  Draw draw, char *buf, Event *event);

#endif
