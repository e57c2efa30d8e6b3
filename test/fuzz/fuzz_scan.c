/*-------------------------------------------------------------------------
 *
 * fuzz_scan.c
 *	  Any text as a number, a time, a uuid or base 64.
 *
 * The first byte chooses what.  The C library, or writing the result out
 * again, says whether the answer is right.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "decode/scan.h"
#include "check.h"

#define POSTGRES_EPOCH INT64_C(946684800)

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* src is not terminated and ends where its memory ends; text is. */
static void
check_int64(const char *src, size_t len, const char *text)
{
	int64_t		result;
	SeScanStatus status = se_scan_int64(src, len, &result);
	char	   *end;
	long long	expected;

	if (status == SE_SCAN_OTHER)
		return;
	errno = 0;
	expected = strtoll(text, &end, 10);
	CHECK(end > text && end[strspn(end, " \t\n\v\f\r")] == '\0');
	CHECK((errno == ERANGE) == (status == SE_SCAN_OVERFLOW));
	CHECK(status == SE_SCAN_OVERFLOW || result == expected);
}

static __int128
power_of_ten(int n)
{
	__int128	result = 1;

	while (n-- > 0)
		result *= 10;
	return result;
}

static void
check_decimal_to_int64(const SeDecimal *decimal, int power)
{
	int64_t		result;
	SeScanStatus status = se_decimal_to_int64(decimal, power, &result);
	int			shift = power - decimal->scale;
	__int128	expected = decimal->digits;

	if (shift > 19)
		expected = expected == 0 ? 0 : power_of_ten(30);
	else if (shift >= 0)
		expected *= power_of_ten(shift);
	else if (shift < -30)
		expected = 0;
	else
		expected = (2 * expected + power_of_ten(-shift)) /
			(2 * power_of_ten(-shift));
	CHECK((status == SE_SCAN_OVERFLOW) == (expected > INT64_MAX));
	if (status == SE_SCAN_OK)
		CHECK(result == (decimal->negative ? -expected : expected));
}

static void
check_decimal(const char *src, size_t len, const char *text)
{
	SeDecimal	decimal;
	double		result;
	float		result4;
	char	   *end;

	if (!se_scan_decimal(src, len, &decimal))
		return;
	(void) strtod(text, &end);
	CHECK(end == text + len);
	CHECK(decimal.dscale >= 0 && decimal.dscale >= decimal.scale);
	if (se_decimal_to_double(&decimal, &result))
	{
		CHECK(result == strtod(text, NULL));
		CHECK(signbit(result) == (text[0] == '-'));
	}
	if (se_decimal_to_float(&decimal, &result4))
		CHECK(result4 == strtof(text, NULL));
	check_decimal_to_int64(&decimal, 6);
	check_decimal_to_int64(&decimal, 0);
	check_decimal_to_int64(&decimal, -3);
}

static int64_t
utc_seconds(int year, int month, int day, int hour, int minute, int second)
{
	struct tm	tm = {0};

	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	tm.tm_mday = day;
	tm.tm_hour = hour;
	tm.tm_min = minute;
	tm.tm_sec = second;
	return (int64_t) timegm(&tm) - POSTGRES_EPOCH;
}

static void
check_time(const char *src, size_t len, const char *text)
{
	SeScanTime	t;
	int32_t		days;
	char		out[64];
	int64_t		us;
	const char *fraction;

	if (se_scan_date(src, len, &days))
	{
		int			year;
		int			month;
		int			day;

		CHECK(sscanf(text, "%d-%d-%d", &year, &month, &day) == 3);
		CHECK(days * INT64_C(86400) == utc_seconds(year, month, day, 0, 0, 0));
	}
	if (!se_scan_time(src, len, &t))
		return;
	snprintf(out, sizeof(out), "%04d-%02d-%02d%c%02d:%02d:%02d", t.year,
			 t.month, t.day, len > 10 ? text[10] : 'T', t.hour, t.minute,
			 t.second);
	CHECK(strncmp(out, text, len > 19 && text[16] == ':' ? 19 :
				  len > 10 ? 16 : 10) == 0);
	us = t.local_us - utc_seconds(t.year, t.month, t.day, t.hour, t.minute,
								  t.second) * 1000000;
	fraction = strchr(text, '.');
	if (fraction == NULL)
		CHECK(us == 0);
	else
	{
		size_t		digits = 1 + strspn(fraction + 1, "0123456789");

		snprintf(out, sizeof(out), "%.*s", (int) digits, fraction);
		CHECK(us == (int64_t) rint(strtod(out, NULL) * 1000000));
	}
	CHECK(abs(t.offset) < 16 * 3600 && (t.has_offset || t.offset == 0));
}

static void
check_uuid(const char *src, size_t len, const char *text)
{
	unsigned char uuid[16];
	char		out[40];
	char	   *p = out;
	int			i;

	if (!se_scan_uuid(src, len, uuid))
		return;
	for (i = 0; i < 16; i++)
		p += sprintf(p, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ?
					 "-" : "", uuid[i]);
	CHECK(len == 36);
	for (i = 0; i < 36; i++)
		CHECK(out[i] == text[i] || out[i] == (text[i] | 0x20));
}

static void
check_base64(const char *src, size_t len, const char *text)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned char *dst = malloc(len / 4 * 3 + 3);
	size_t		dst_len;
	size_t		i;

	if (se_scan_base64(src, len, dst, &dst_len))
	{
		/* All characters but the last of a group say just their six bits. */
		for (i = 0; i < dst_len * 8 / 6; i++)
		{
			char		c = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
			size_t		bit = i * 6;
			unsigned	bits = dst[bit / 8] << 8;

			if (bit / 8 + 1 < dst_len)
				bits |= dst[bit / 8 + 1];
			CHECK(letters[bits >> (10 - bit % 8) & 63] == c);
		}
	}
	free(dst);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *src;
	char	   *text;

	if (size < 1 || memchr(data + 1, '\0', size - 1) != NULL)
		return 0;
	size--;
	src = malloc(size);
	text = malloc(size + 1);
	memcpy(src, data + 1, size);
	memcpy(text, data + 1, size);
	text[size] = '\0';
	switch (data[0] % 5)
	{
		case 0:
			check_int64(src, size, text);
			break;
		case 1:
			check_decimal(src, size, text);
			break;
		case 2:
			check_time(src, size, text);
			break;
		case 3:
			check_uuid(src, size, text);
			break;
		case 4:
			check_base64(src, size, text);
			break;
	}
	free(src);
	free(text);
	return 0;
}
