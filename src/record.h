/*-------------------------------------------------------------------------
 *
 * record.h
 *	  One record as it travels from a source to a decoder.
 *
 * A source fills arrays of SeRecord and owns the bytes they point to until
 * the batch is released.  Decoders only read.  The struct is known to both
 * rooms and belongs to neither.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_RECORD_H
#define SE_RECORD_H

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

typedef struct SeRecord
{
	int32		partition;		/* Kafka partition, 0 for streams fed by hand */
	int64		offset;			/* of this record; the next one is at least + 1 */
	TimestampTz timestamp;		/* record timestamp, DT_NOBEGIN when unknown */
	const char *key;			/* NULL: the record has no key */
	size_t		key_len;
	const char *value;			/* NULL: a tombstone */
	size_t		value_len;
	void	   *origin;			/* the source's own handle of this record */
} SeRecord;

/*
 * Finds the last header called "name".  False: there is none.  *value is
 * NULL for a header without value.  The bytes live as long as the record.
 */
typedef bool (*SeHeaderFn) (const SeRecord *rec, const char *name,
							const char **value, size_t *len);

/* All headers as a jsonb object of strings, NULL: none. */
typedef Jsonb *(*SeHeadersFn) (const SeRecord *rec);

#endif							/* SE_RECORD_H */
