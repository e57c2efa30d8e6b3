/*-------------------------------------------------------------------------
 *
 * scan.h
 *	  Numbers, times and encodings from text, without PostgreSQL headers.
 *
 * These read the common spellings only and say "not me" for all others; the
 * caller then asks the type's own input function.  What they do accept
 * they must read exactly as PostgreSQL does.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SE_SCAN_H
#define SE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum SeScanStatus
{
	SE_SCAN_OK,
	SE_SCAN_OVERFLOW,			/* well formed, out of range */
	SE_SCAN_OTHER				/* not a spelling known here */
} SeScanStatus;

/* Digits with an optional sign, white space around. */
extern SeScanStatus se_scan_int64(const char *src, size_t len,
								  int64_t *result);

/*
 * A decimal number of up to 19 significant digits: digits * 10^-scale.
 * dscale is the number of digits after the point, as numeric counts them.
 */
typedef struct SeDecimal
{
	bool		negative;
	uint64_t	digits;
	int			scale;
	int			dscale;
} SeDecimal;

extern bool se_scan_decimal(const char *src, size_t len, SeDecimal *result);

/* decimal * 10^power as an integer, rounded half away from zero. */
extern SeScanStatus se_decimal_to_int64(const SeDecimal *decimal, int power,
										int64_t *result);

/* Exact results only; false: ask strtod. */
extern bool se_decimal_to_double(const SeDecimal *decimal, double *result);
extern bool se_decimal_to_float(const SeDecimal *decimal, float *result);

/*
 * An ISO 8601 date and time, date and time separated by T or a space, with
 * an optional Z or offset.  Years 0001 to 9999.
 */
typedef struct SeScanTime
{
	int			year;
	int			month;
	int			day;
	int			hour;
	int			minute;
	int			second;
	int64_t		local_us;		/* since 2000-01-01, as the clock on the wall */
	bool		has_offset;
	int32_t		offset;			/* seconds east of UTC */
} SeScanTime;

extern bool se_scan_time(const char *src, size_t len, SeScanTime *result);

/* YYYY-MM-DD as days since 2000-01-01. */
extern bool se_scan_date(const char *src, size_t len, int32_t *days);

/* 8-4-4-4-12 hex digits. */
extern bool se_scan_uuid(const char *src, size_t len, unsigned char *result);

/*
 * Base 64, standard or URL alphabet, padding optional.  dst needs room for
 * len / 4 * 3 + 3 bytes.
 */
extern bool se_scan_base64(const char *src, size_t len, unsigned char *dst,
						   size_t *dst_len);

#endif							/* SE_SCAN_H */
