/*-------------------------------------------------------------------------
 *
 * decode.h
 *	  Bytes to Datums, behind one table of functions per format.
 *
 * A decoder is made once per worker for one stream and turns one SeRecord
 * into one row of the stream's columns.  It reads no table of ours.
 *
 * Errors of the payload come back as SE_DECODE_ERROR with the facts in the
 * decoder's "error" field and leave the decoder usable.  Type input
 * functions may instead ereport(ERROR); the caller runs decoding inside a
 * subtransaction and can ask se_decode_current_column() where it happened.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_DECODE_H
#define SE_DECODE_H

#include "access/tupdesc.h"
#include "nodes/pg_list.h"

#include "../record.h"

typedef enum SeDecodeStatus
{
	SE_DECODE_ROW,				/* values[] and isnull[] are filled */
	SE_DECODE_NOTHING,			/* no row here: CSV header line, tombstone */
	SE_DECODE_ERROR				/* this record is poison: see the error */
} SeDecodeStatus;

typedef struct SeDecodeError
{
	int			sqlstate;		/* MAKE_SQLSTATE value */
	const char *column;			/* column at fault, or NULL */
	char		message[512];	/* lower case, no full stop */
} SeDecodeError;

/* What a stream wants from its payload. */
typedef struct SeDecodeSpec
{
	const char *format;			/* json, csv, tsv, text, bytea */
	TupleDesc	columns;		/* the stream's columns; dropped ones skipped */
	char	  **paths;			/* per attribute: "a.b", "@key", ... or NULL for
								 * the column's own name */
	List	   *options;		/* of DefElem (String values): format settings */
	SeHeaderFn	header;			/* how to reach headers */
} SeDecodeSpec;

typedef struct SeDecoder SeDecoder;

/*
 * Both the API (at definition time, to refuse early) and the worker call
 * this; it raises errors with hints for a format, path, option or column
 * type that cannot work.  Lives in CurrentMemoryContext.
 */
extern SeDecoder *se_decode_create(const SeDecodeSpec *spec);

/*
 * Decode one record.  By-reference Datums live in the decoder's scratch
 * memory or in CurrentMemoryContext and are valid until the next call.
 * missing may be NULL; otherwise missing[i] says that the payload has no such
 * field (as opposed to an explicit null), so that the caller can put the
 * column's default there.
 */
extern SeDecodeStatus se_decode_record(SeDecoder *decoder,
									   const SeRecord *record,
									   Datum *values, bool *isnull,
									   bool *missing);

extern const SeDecodeError *se_decode_error(SeDecoder *decoder);

/* Name of the column being converted, for errors that were thrown. */
extern const char *se_decode_current_column(SeDecoder *decoder);

/* NULL-terminated names of the options a format knows; NULL: no such format. */
extern const char *const *se_decode_format_options(const char *format);

/* "json, csv, ..." for hints. */
extern const char *se_decode_format_names(void);

extern void se_decode_destroy(SeDecoder *decoder);

#endif							/* SE_DECODE_H */
