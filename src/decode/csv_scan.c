/*-------------------------------------------------------------------------
 *
 * csv_scan.c
 *	  One line of delimited text into fields.
 *
 * A quote means something only as the first character of a field; the field
 * then goes to the next single quote, over delimiters and line ends, and
 * two quotes stand for one (RFC 4180).  In a field that does not begin
 * with a quote, quotes are ordinary characters.  With backslash escapes
 * (tab-separated text) there are no quotes.
 *
 * One line end may follow the record, nothing else.
 *
 *-------------------------------------------------------------------------
 */
#include "csv_scan.h"

#include <limits.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* The first delimiter, line end or backslash (if that escapes) from p on. */
static inline const char *
find_end(const SeCsvRules *rules, const char *p, const char *end)
{
	char		escape = rules->backslash ? '\\' : rules->delimiter;

#if defined(__SSE2__)
	const __m128i delimiters = _mm_set1_epi8(rules->delimiter);
	const __m128i escapes = _mm_set1_epi8(escape);
	const __m128i newlines = _mm_set1_epi8('\n');
	const __m128i returns = _mm_set1_epi8('\r');

	for (; end - p >= 16; p += 16)
	{
		__m128i		chunk = _mm_loadu_si128((const __m128i *) p);
		__m128i		hit;
		int			mask;

		hit = _mm_or_si128(_mm_cmpeq_epi8(chunk, delimiters),
						   _mm_cmpeq_epi8(chunk, escapes));
		hit = _mm_or_si128(hit, _mm_cmpeq_epi8(chunk, newlines));
		hit = _mm_or_si128(hit, _mm_cmpeq_epi8(chunk, returns));
		mask = _mm_movemask_epi8(hit);
		if (mask != 0)
			return p + __builtin_ctz((unsigned) mask);
	}
#endif
	while (p < end && *p != rules->delimiter && *p != escape &&
		   *p != '\n' && *p != '\r')
		p++;
	return p;
}

/*
 * A quoted field, p at its opening quote.  Returns where it ends, or NULL
 * when no quote closes it.
 */
static const char *
read_quoted(const SeCsvRules *rules, const char *p, const char *end,
			char **dst, SeCsvField *field)
{
	bool		copied = false;
	char	   *out = *dst;

	field->quoted = true;
	field->text = ++p;
	field->len = 0;
	for (;;)
	{
		const char *quote = memchr(p, rules->quote, end - p);
		bool		doubled;

		if (quote == NULL)
			return NULL;
		doubled = end - quote >= 2 && quote[1] == rules->quote;
		if (doubled || copied)
		{
			/* One of two quotes is part of the text. */
			memcpy(out, p, quote - p + doubled);
			out += quote - p + doubled;
			copied = true;
		}
		p = quote + 1 + doubled;
		if (doubled)
			continue;

		if (copied)
		{
			field->text = *dst;
			field->len = out - *dst;
			*dst = out;
		}
		else
			field->len = quote - field->text;
		return p;
	}
}

/* The character that a backslash and c stand for; 0: none. */
static char
escaped_char(char c)
{
	static const char letters[] = "bfnrtv";
	static const char meanings[] = "\b\f\n\r\t\v";
	const char *letter;

	if (c == '\0' || (unsigned char) c >= 0x80)
		return 0;
	letter = strchr(letters, c);
	if (letter != NULL)
		return meanings[letter - letters];
	if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))
		return 0;
	return c;
}

/*
 * A field without quotes, its escapes resolved.  Returns where it ends, or
 * NULL with *fault at a bad escape.
 */
static const char *
read_plain(const SeCsvRules *rules, const char *p, const char *end,
		   char **dst, SeCsvField *field, const char **fault)
{
	const char *stop = find_end(rules, p, end);
	char	   *out = *dst;

	field->quoted = false;
	field->text = p;
	field->len = stop - p;
	if (!rules->backslash || stop == end || *stop != '\\')
		return stop;

	if (end - p >= 2 && p[0] == '\\' && p[1] == 'N' &&
		find_end(rules, p + 2, end) == p + 2 &&
		(end - p == 2 || p[2] != '\\'))
	{
		/* \N alone, which the caller knows by its raw text. */
		field->len = 2;
		return p + 2;
	}
	while (stop < end && *stop == '\\')
	{
		char		c = end - stop >= 2 ? escaped_char(stop[1]) : 0;

		if (c == 0)
		{
			*fault = stop;
			return NULL;
		}
		memcpy(out, p, stop - p);
		out += stop - p;
		*out++ = c;
		p = stop + 2;
		stop = find_end(rules, p, end);
	}
	memcpy(out, p, stop - p);
	out += stop - p;
	field->text = *dst;
	field->len = out - *dst;
	*dst = out;
	return stop;
}

int
se_csv_scan(const SeCsvRules *rules, const char *src, size_t len, char *dst,
			SeCsvField *fields, int max_fields, const char **reason,
			size_t *position)
{
	const char *p = src;
	const char *end = src + len;
	int			nfields = 0;

	for (;;)
	{
		const char *start = p;
		const char *fault = NULL;
		SeCsvField	spare;
		SeCsvField *field = nfields < max_fields ? &fields[nfields] : &spare;

		if (nfields == INT_MAX)
		{
			*reason = "too many fields";
			*position = p - src;
			return -1;
		}
		nfields++;
		if (rules->quote != '\0' && p < end && *p == rules->quote)
		{
			p = read_quoted(rules, p, end, &dst, field);
			if (p == NULL)
			{
				*reason = "a quoted field is not closed, it begins";
				*position = start - src;
				return -1;
			}
			if (p < end && *p != rules->delimiter && *p != '\n' && *p != '\r')
			{
				*reason = "a delimiter is expected behind a quoted field";
				*position = p - src;
				return -1;
			}
		}
		else
		{
			p = read_plain(rules, p, end, &dst, field, &fault);
			if (p == NULL)
			{
				*reason = "unknown backslash escape";
				*position = fault - src;
				return -1;
			}
		}
		field->raw = start;
		field->raw_len = p - start;
		if (p == end || *p != rules->delimiter)
			break;
		p++;
	}

	if (p < end && *p == '\r')
		p++;
	if (p < end && *p == '\n')
		p++;
	if (p < end)
	{
		*reason = "a second line begins";
		*position = p - src;
		return -1;
	}
	return nfields;
}
