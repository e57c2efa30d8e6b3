/*
 * demo/flights.h
 *		The flights of a CSV file in the order in which they left.
 */
#ifndef DEMO_FLIGHTS_H
#define DEMO_FLIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct Flight
{
	int64_t		scheduled;		/* seconds since 1970, UTC */
	int64_t		left;			/* actual departure, or scheduled */
	int32_t		utc_offset;		/* New York's, in seconds */
	int32_t		line;			/* line of the file, for ties and errors */
	int32_t		delay;			/* minutes; meaningless when cancelled */
	int32_t		number;
	int32_t		distance;
	bool		cancelled;
	char		origin[4];
	char		dest[4];
	char		carrier[4];
	char		tailnum[8];		/* empty when not known */
} Flight;

typedef struct Flights
{
	Flight	   *flight;
	size_t		count;
} Flights;

/* Long enough for any flight's JSON. */
#define FLIGHT_JSON_MAX 512

/* Read all, sort; on a bad line says which and exits. */
extern Flights flights_read(FILE *in);

/* Write the record's JSON into buf, return its length. */
extern size_t flight_json(const Flight *flight, char *buf, size_t size);

#endif
