/*
 * demo/reader.h
 *		How far the stream has read the topic, asked from PostgreSQL.
 */
#ifndef DEMO_READER_H
#define DEMO_READER_H

#include <stdbool.h>
#include <stdint.h>

#define READER_MAX_PARTITIONS 64

typedef struct Reader Reader;

/* conninfo as for psql; stream as in SQL */
extern Reader *reader_new(const char *conninfo, const char *stream);

/*
 * Fill next[] with the next offset of each partition.  False when the server
 * cannot be asked now (it may be starting again); next[] is then unchanged.
 */
extern bool reader_positions(Reader *reader, int64_t *next);

extern void reader_free(Reader *reader);

#endif
