/*-------------------------------------------------------------------------
 *
 * scan.c
 *	  Numbers, times and encodings from text, by hand.
 *
 * timestamptz_in costs more than the rest of a record's decoding together,
 * numeric_in and int8in each cost several times what is needed here.
 *
 *-------------------------------------------------------------------------
 */
#include "scan.h"

#include <math.h>
#include <string.h>

static const uint64_t powers_of_ten[] = {
	UINT64_C(1),
	UINT64_C(10),
	UINT64_C(100),
	UINT64_C(1000),
	UINT64_C(10000),
	UINT64_C(100000),
	UINT64_C(1000000),
	UINT64_C(10000000),
	UINT64_C(100000000),
	UINT64_C(1000000000),
	UINT64_C(10000000000),
	UINT64_C(100000000000),
	UINT64_C(1000000000000),
	UINT64_C(10000000000000),
	UINT64_C(100000000000000),
	UINT64_C(1000000000000000),
	UINT64_C(10000000000000000),
	UINT64_C(100000000000000000),
	UINT64_C(1000000000000000000),
	UINT64_C(10000000000000000000)
};

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

SeScanStatus
se_scan_int64(const char *src, size_t len, int64_t *result)
{
	const char *p = src;
	const char *end = src + len;
	bool		negative = false;
	bool		overflow = false;
	uint64_t	value = 0;

	while (p < end && is_space(*p))
		p++;
	while (end > p && is_space(end[-1]))
		end--;
	if (p < end && (*p == '-' || *p == '+'))
		negative = *p++ == '-';
	if (p == end)
		return SE_SCAN_OTHER;
	for (; p < end; p++)
	{
		if (!is_digit(*p))
			return SE_SCAN_OTHER;
		if (value > UINT64_C(922337203685477580))
			overflow = true;
		value = value * 10 + (*p - '0');
		if (value > (uint64_t) INT64_MAX + negative)
			overflow = true;
	}
	if (overflow)
		return SE_SCAN_OVERFLOW;
	*result = negative ? (int64_t) (0 - value) : (int64_t) value;
	return SE_SCAN_OK;
}

bool
se_scan_decimal(const char *src, size_t len, SeDecimal *result)
{
	const char *p = src;
	const char *end = src + len;
	uint64_t	digits = 0;
	int			ndigits = 0;	/* significant ones */
	int			seen = 0;
	int			fraction = 0;
	bool		point = false;

	result->negative = false;
	if (p < end && (*p == '-' || *p == '+'))
		result->negative = *p++ == '-';
	for (; p < end; p++)
	{
		if (is_digit(*p))
		{
			seen++;
			fraction += point;
			if (ndigits > 0 || *p != '0')
				ndigits++;
			if (ndigits > 19)
				return false;
			digits = digits * 10 + (*p - '0');
		}
		else if (*p == '.' && !point)
			point = true;
		else
			break;
	}
	if (seen == 0 || fraction > 1000)
		return false;
	if (p < end && (*p == 'e' || *p == 'E'))
	{
		bool		minus = false;
		int			exponent = 0;
		const char *start;

		p++;
		if (p < end && (*p == '-' || *p == '+'))
			minus = *p++ == '-';
		for (start = p; p < end && is_digit(*p); p++)
		{
			if (exponent > 1000)
				return false;
			exponent = exponent * 10 + (*p - '0');
		}
		if (p == start)
			return false;
		fraction += minus ? exponent : -exponent;
	}
	if (p != end)
		return false;

	result->digits = digits;
	result->scale = fraction;
	result->dscale = fraction > 0 ? fraction : 0;
	return true;
}

SeScanStatus
se_decimal_to_int64(const SeDecimal *decimal, int power, int64_t *result)
{
	uint64_t	value = decimal->digits;
	int			shift = power - decimal->scale;

	if (value == 0)
		shift = 0;
	if (shift > 19)
		return SE_SCAN_OVERFLOW;
	if (shift < -19)
		value = 0;
	else if (shift < 0)
	{
		uint64_t	divisor = powers_of_ten[-shift];
		uint64_t	rest = value % divisor;

		value = value / divisor + (rest >= divisor - rest);
	}
	else if (__builtin_mul_overflow(value, powers_of_ten[shift], &value))
		return SE_SCAN_OVERFLOW;

	if (value > (uint64_t) INT64_MAX)
		return SE_SCAN_OVERFLOW;
	*result = decimal->negative ? -(int64_t) value : (int64_t) value;
	return SE_SCAN_OK;
}

/*
 * Both operands are exact below these bounds, so that the one rounding of
 * IEEE arithmetic gives the nearest value, as strtod does.
 */
bool
se_decimal_to_double(const SeDecimal *decimal, double *result)
{
	static const double powers[] = {
		1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
		1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22
	};
	double		value = (double) decimal->digits;

	if (decimal->digits > (UINT64_C(1) << 53) ||
		decimal->scale > 22 || decimal->scale < -22)
		return false;
	if (decimal->scale > 0)
		value /= powers[decimal->scale];
	else
		value *= powers[-decimal->scale];
	*result = decimal->negative ? -value : value;
	return true;
}

bool
se_decimal_to_float(const SeDecimal *decimal, float *result)
{
	static const float powers[] = {
		1e0f, 1e1f, 1e2f, 1e3f, 1e4f, 1e5f, 1e6f, 1e7f, 1e8f, 1e9f, 1e10f
	};
	float		value = (float) decimal->digits;

	if (decimal->digits > (UINT64_C(1) << 24) ||
		decimal->scale > 10 || decimal->scale < -10)
		return false;
	if (decimal->scale > 0)
		value /= powers[decimal->scale];
	else
		value *= powers[-decimal->scale];
	*result = decimal->negative ? -value : value;
	return true;
}

/* Two digits, or a value above any bound. */
static inline int
two_digits(const char *p)
{
	unsigned	tens = (unsigned char) p[0] - '0';
	unsigned	ones = (unsigned char) p[1] - '0';

	return tens > 9 || ones > 9 ? 1000 : (int) (tens * 10 + ones);
}

static inline bool
is_leap(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days from 2000-01-01 to a date of the Gregorian calendar, year 1 or later. */
static int32_t
days_from_2000(int year, int month, int day)
{
	static const int before_month[] = {
		0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334
	};
	unsigned	y = (unsigned) year - 1;
	int			days = (int) (y * 365 + y / 4 - y / 100 + y / 400);

	if (month > 2 && is_leap(year))
		days++;
	return days + before_month[month - 1] + day - 730120;
}

static bool
read_date(const char *p, int *year, int *month, int *day)
{
	static const int month_days[] = {
		31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
	};
	int			century = two_digits(p);
	int			rest = two_digits(p + 2);
	int			m = two_digits(p + 5);
	int			d = two_digits(p + 8);
	int			y = century * 100 + rest;

	if (century > 99 || rest > 99 || p[4] != '-' || p[7] != '-' ||
		y < 1 || m < 1 || m > 12 || d < 1)
		return false;
	if (d > month_days[m - 1] + (m == 2 && is_leap(y)))
		return false;
	*year = y;
	*month = m;
	*day = d;
	return true;
}

bool
se_scan_date(const char *src, size_t len, int32_t *days)
{
	int			year;
	int			month;
	int			day;

	if (len != 10 || !read_date(src, &year, &month, &day))
		return false;
	*days = days_from_2000(year, month, day);
	return true;
}

/* Z, +hh, +hhmm or +hh:mm, all that is left of the text. */
static bool
read_offset(const char *p, const char *end, int32_t *offset)
{
	int			hours;
	int			minutes = 0;
	size_t		len = end - p;

	if (len == 1 && *p == 'Z')
	{
		*offset = 0;
		return true;
	}
	if ((*p != '+' && *p != '-') || (len != 3 && len != 5 && len != 6))
		return false;
	hours = two_digits(p + 1);
	if (len == 5)
		minutes = two_digits(p + 3);
	else if (len == 6)
		minutes = p[3] == ':' ? two_digits(p + 4) : 1000;
	if (hours > 15 || minutes > 59)
		return false;
	*offset = (hours * 60 + minutes) * 60;
	if (*p == '-')
		*offset = -*offset;
	return true;
}

/*
 * Digits behind the decimal point, as microseconds.  Beyond six they are
 * rounded the way PostgreSQL does it, in double arithmetic.
 */
static const char *
read_fraction(const char *p, const char *end, int32_t *us)
{
	const char *start = p;
	uint64_t	value = 0;

	while (p < end && is_digit(*p))
	{
		if (p - start >= 15)
			return NULL;
		value = value * 10 + (*p++ - '0');
	}
	if (p == start)
		return NULL;
	if (p - start <= 6)
		*us = (int32_t) (value * powers_of_ten[6 - (p - start)]);
	else
		*us = (int32_t) rint((double) value /
							 (double) powers_of_ten[p - start] * 1000000.0);
	return p;
}

bool
se_scan_time(const char *src, size_t len, SeScanTime *result)
{
	const char *p = src + 10;
	const char *end = src + len;
	int32_t		us = 0;

	if (len < 10 || !read_date(src, &result->year, &result->month,
							   &result->day))
		return false;
	result->hour = result->minute = result->second = 0;
	result->offset = 0;
	result->has_offset = false;
	if (len > 10)
	{
		if (len < 16 || (*p != 'T' && *p != ' ') || p[3] != ':')
			return false;
		result->hour = two_digits(p + 1);
		result->minute = two_digits(p + 4);
		p += 6;
		if (end - p >= 3 && *p == ':')
		{
			result->second = two_digits(p + 1);
			p += 3;
			if (end - p >= 2 && *p == '.' &&
				(p = read_fraction(p + 1, end, &us)) == NULL)
				return false;
		}
		if (result->hour > 23 || result->minute > 59 || result->second > 59)
			return false;
		if (p < end)
		{
			if (!read_offset(p, end, &result->offset))
				return false;
			result->has_offset = true;
		}
	}
	result->local_us = (int64_t) days_from_2000(result->year, result->month,
												result->day) * 86400;
	result->local_us += (result->hour * 60 + result->minute) * 60 +
		result->second;
	result->local_us = result->local_us * 1000000 + us;
	return true;
}

static inline int
hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
se_scan_uuid(const char *src, size_t len, unsigned char *result)
{
	size_t		i;

	if (len != 36)
		return false;
	for (i = 0; i < 36;)
	{
		int			high;
		int			low;

		if (i == 8 || i == 13 || i == 18 || i == 23)
		{
			if (src[i++] != '-')
				return false;
		}
		high = hex_digit(src[i]);
		low = hex_digit(src[i + 1]);
		if (high < 0 || low < 0)
			return false;
		*result++ = (unsigned char) (high << 4 | low);
		i += 2;
	}
	return true;
}

bool
se_scan_base64(const char *src, size_t len, unsigned char *dst,
			   size_t *dst_len)
{
	uint32_t	bits = 0;
	int			nbits = 0;
	size_t		i;
	unsigned char *out = dst;

	while (len > 0 && is_space(src[len - 1]))
		len--;
	if (len % 4 == 0)
	{
		for (i = 0; i < 2 && len > 0 && src[len - 1] == '='; i++)
			len--;
	}
	if (len % 4 == 1)
		return false;
	for (i = 0; i < len; i++)
	{
		char		c = src[i];
		int			value;

		if (c >= 'A' && c <= 'Z')
			value = c - 'A';
		else if (c >= 'a' && c <= 'z')
			value = c - 'a' + 26;
		else if (is_digit(c))
			value = c - '0' + 52;
		else if (c == '+' || c == '-')
			value = 62;
		else if (c == '/' || c == '_')
			value = 63;
		else
			return false;
		bits = bits << 6 | (uint32_t) value;
		nbits += 6;
		if (nbits >= 8)
		{
			nbits -= 8;
			*out++ = (unsigned char) (bits >> nbits);
		}
	}
	*dst_len = out - dst;
	return true;
}
