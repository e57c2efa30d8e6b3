/*-------------------------------------------------------------------------
 *
 * format.h
 *	  What the formats of this room share: the table of functions, the
 *	  decoder, conversion of one field to a Datum.
 *
 * To add a format, write its SeFormat and put it into the list in decode.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_DECODE_FORMAT_H
#define SE_DECODE_FORMAT_H

#include "fmgr.h"

#include "decode.h"

/* The direct ways to make a Datum; all other types use their input function. */
typedef enum SeConvertKind
{
	SE_TO_BOOL,
	SE_TO_INT2,
	SE_TO_INT4,
	SE_TO_INT8,
	SE_TO_FLOAT4,
	SE_TO_FLOAT8,
	SE_TO_NUMERIC,
	SE_TO_TEXT,					/* text, varchar */
	SE_TO_TIMESTAMPTZ,
	SE_TO_TIMESTAMP,
	SE_TO_DATE,
	SE_TO_UUID,
	SE_TO_BYTEA,
	SE_TO_INPUT
} SeConvertKind;

typedef enum SeMetadata
{
	SE_META_NONE,				/* a field of the payload */
	SE_META_KEY,
	SE_META_PARTITION,
	SE_META_OFFSET,
	SE_META_TIMESTAMP,
	SE_META_HEADER,
	SE_META_VALUE
} SeMetadata;

typedef struct SeColumn
{
	int			attno;			/* index into values[] */
	const char *name;
	const char *path;			/* NULL: the column's name */
	SeMetadata	metadata;
	const char *header;			/* name of the header wanted */

	SeConvertKind kind;
	Oid			type;
	int32		typmod;
	bool		is_array;
	bool		is_domain;		/* NULL must pass the domain too */
	bool		has_default;
	FmgrInfo	input;
	Oid			ioparam;
} SeColumn;

/* Units of a number that is a point in time; the power of ten to µs. */
#define SE_UNIT_AUTO	100
#define SE_UNIT_S		6
#define SE_UNIT_MS		3
#define SE_UNIT_US		0
#define SE_UNIT_NS		(-3)

typedef enum SeByteaEncoding
{
	SE_BYTEA_INPUT,				/* \x... or escapes, as bytea's input */
	SE_BYTEA_BASE64,
	SE_BYTEA_HEX
} SeByteaEncoding;

typedef struct SeFormat
{
	const char *name;
	const char *const *options; /* names, NULL-terminated */

	/* The stream's columns that take a field are there; errors are raised. */
	void		(*create) (SeDecoder *decoder, const SeDecodeSpec *spec);

	/* The record has a value.  Fill the columns that take a field. */
	SeDecodeStatus (*decode) (SeDecoder *decoder, const SeRecord *record,
							  Datum *values, bool *isnull, bool *missing);
} SeFormat;

struct SeDecoder
{
	const SeFormat *format;
	void	   *state;			/* the format's own */
	MemoryContext context;		/* everything of this decoder */

	int			nfields;
	SeColumn   *fields;			/* columns that take a field of the payload */
	int			nmetadata;
	SeColumn   *metadata;		/* columns that take something else */
	int			natts;
	SeHeaderFn	header;

	/* options that several formats know */
	int			timestamp_unit; /* SE_UNIT_... */
	SeByteaEncoding bytea_encoding;
	int			encoding;		/* of the payload's and the key's text */
	bool		utf8_server;
	bool		fast_numeric;	/* our numeric layout is the server's */

	/* scratch memory for the Datums of one record */
	char	   *scratch;
	size_t		scratch_size;
	size_t		scratch_used;	/* can exceed the size: what was asked for */

	const SeColumn *current;
	SeDecodeError error;
};

/* Memory for a part of the current record's Datums. */
static inline void *
se_decode_alloc(SeDecoder *decoder, size_t size)
{
	size_t		start = decoder->scratch_used;

	decoder->scratch_used += MAXALIGN(size);
	if (likely(decoder->scratch_used <= decoder->scratch_size))
		return decoder->scratch + start;
	return palloc(size);
}

extern const SeFormat se_format_json;
extern const SeFormat se_format_csv;
extern const SeFormat se_format_tsv;
extern const SeFormat se_format_text;
extern const SeFormat se_format_bytea;

/* decode.c */
extern const char *se_decode_option(const SeDecodeSpec *spec,
									const char *name);
extern bool se_decode_fail(SeDecoder *decoder, int sqlstate,
						   const char *fmt,...) pg_attribute_printf(3, 4);

/* convert.c: false means that the error has been put into the decoder. */
extern void se_convert_init(SeColumn *column, Form_pg_attribute att);
extern bool se_convert_fast_numeric(void);
extern bool se_convert_text(SeDecoder *decoder, SeColumn *column,
							const char *str, size_t len, Datum *value);
extern bool se_convert_number(SeDecoder *decoder, SeColumn *column,
							  const char *str, size_t len, Datum *value);
extern bool se_convert_bool(SeDecoder *decoder, SeColumn *column,
							bool flag, Datum *value);
extern bool se_convert_varlena(SeDecoder *decoder, const char *str, size_t len,
							   Datum *value);
extern bool se_convert_input(SeDecoder *decoder, SeColumn *column,
							 const char *str, size_t len, Datum *value);
extern bool se_convert_null(SeDecoder *decoder, SeColumn *column,
							bool missing);
extern bool se_convert_encoding(SeDecoder *decoder, int encoding,
								const char **str, size_t *len);

#endif							/* SE_DECODE_FORMAT_H */
