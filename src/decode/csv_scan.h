/*-------------------------------------------------------------------------
 *
 * csv_scan.h
 *	  One line of delimited text into fields, without PostgreSQL headers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_CSV_SCAN_H
#define SE_CSV_SCAN_H

#include <stdbool.h>
#include <stddef.h>

typedef struct SeCsvRules
{
	char		delimiter;
	char		quote;			/* 0: none */
	bool		backslash;		/* escapes as in COPY's text format */
} SeCsvRules;

typedef struct SeCsvField
{
	const char *text;			/* without quotes and escapes */
	size_t		len;
	const char *raw;			/* as it stands in the line */
	size_t		raw_len;
	bool		quoted;
} SeCsvField;

/*
 * Split the one record in src.  Fields point into src, or into dst, which
 * needs room for len bytes, when quotes or escapes had to go.  Returns how
 * many fields there are, of which the first max_fields are noted, or -1 with
 * *reason and *position set.
 */
extern int	se_csv_scan(const SeCsvRules *rules, const char *src, size_t len,
						char *dst, SeCsvField *fields, int max_fields,
						const char **reason, size_t *position);

#endif							/* SE_CSV_SCAN_H */
