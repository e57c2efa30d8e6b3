/*-------------------------------------------------------------------------
 *
 * json_text.c
 *	  Small pieces of JSON text: escapes, numbers, arrays, and what is wrong
 *	  with a bad document.
 *
 * The scan in json_shim.cc says only yes or no.  se_json_diagnose, a plain
 * recursive checker, runs for refused documents alone and finds the
 * position; the fuzzers hold the two against each other.
 *
 *-------------------------------------------------------------------------
 */
#include "json_text.h"

#include <stdint.h>
#include <string.h>

/* Four hex digits, or -1. */
static int
read_hex4(const char *p, const char *end)
{
	int			value = 0;
	int			i;

	if (end - p < 4)
		return -1;
	for (i = 0; i < 4; i++)
	{
		char		c = p[i];

		if (c >= '0' && c <= '9')
			value = value * 16 + (c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			value = value * 16 + ((c | 0x20) - 'a') + 10;
		else
			return -1;
	}
	return value;
}

static char *
put_utf8(char *dst, uint32_t c)
{
	if (c < 0x80)
		*dst++ = (char) c;
	else if (c < 0x800)
	{
		*dst++ = (char) (0xC0 | (c >> 6));
		*dst++ = (char) (0x80 | (c & 0x3F));
	}
	else if (c < 0x10000)
	{
		*dst++ = (char) (0xE0 | (c >> 12));
		*dst++ = (char) (0x80 | ((c >> 6) & 0x3F));
		*dst++ = (char) (0x80 | (c & 0x3F));
	}
	else
	{
		*dst++ = (char) (0xF0 | (c >> 18));
		*dst++ = (char) (0x80 | ((c >> 12) & 0x3F));
		*dst++ = (char) (0x80 | ((c >> 6) & 0x3F));
		*dst++ = (char) (0x80 | (c & 0x3F));
	}
	return dst;
}

/* The character a one-letter escape stands for, or 0. */
static char
simple_escape(char c)
{
	switch (c)
	{
		case '"':
		case '\\':
		case '/':
			return c;
		case 'b':
			return '\b';
		case 'f':
			return '\f';
		case 'n':
			return '\n';
		case 'r':
			return '\r';
		case 't':
			return '\t';
	}
	return 0;
}

/* One \uXXXX, *p behind the u; two of them for a surrogate pair. */
static SeJsonTextStatus
unescape_unicode(const char **p, const char *end, char **dst)
{
	int			c = read_hex4(*p, end);

	if (c < 0)
		return SE_JSON_TEXT_ESCAPE;
	if (c == 0)
		return SE_JSON_TEXT_NUL;
	*p += 4;
	if (c >= 0xDC00 && c <= 0xDFFF)
		return SE_JSON_TEXT_SURROGATE;
	if (c >= 0xD800 && c <= 0xDBFF)
	{
		int			low;

		if (end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u')
			return SE_JSON_TEXT_SURROGATE;
		low = read_hex4(*p + 2, end);
		if (low < 0xDC00 || low > 0xDFFF)
			return SE_JSON_TEXT_SURROGATE;
		*p += 6;
		c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
	}
	*dst = put_utf8(*dst, (uint32_t) c);
	return SE_JSON_TEXT_OK;
}

SeJsonTextStatus
se_json_unescape(const char *src, size_t len, char *dst, size_t *dst_len,
				 size_t *fault)
{
	const char *p = src;
	const char *end = src + len;
	char	   *out = dst;

	while (p < end)
	{
		const char *run = memchr(p, '\\', end - p);
		char		c;

		if (run == NULL)
			run = end;
		memcpy(out, p, run - p);
		out += run - p;
		p = run;
		if (p == end)
			break;

		*fault = p - src;
		if (end - p < 2)
			return SE_JSON_TEXT_ESCAPE;
		c = p[1];
		p += 2;
		if (c == 'u')
		{
			SeJsonTextStatus status = unescape_unicode(&p, end, &out);

			if (status != SE_JSON_TEXT_OK)
				return status;
			continue;
		}
		c = simple_escape(c);
		if (c == 0)
			return SE_JSON_TEXT_ESCAPE;
		*out++ = c;
	}
	*dst_len = out - dst;
	return SE_JSON_TEXT_OK;
}

bool
se_json_escapes_valid(const char *src, size_t len)
{
	const char *p = src;
	const char *end = src + len;

	while (p < end && (p = memchr(p, '\\', end - p)) != NULL)
	{
		if (end - p < 2)
			return false;
		if (p[1] == 'u')
		{
			if (read_hex4(p + 2, end) < 0)
				return false;
			p += 6;
		}
		else if (simple_escape(p[1]) != 0)
			p += 2;
		else
			return false;
	}
	return true;
}

static const char *
skip_digits(const char *p, const char *end)
{
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p;
}

/* The end of the number that starts at p, or NULL when it is none. */
static const char *
number_end(const char *p, const char *end)
{
	const char *digits;

	if (p < end && *p == '-')
		p++;
	digits = p;
	p = skip_digits(p, end);
	if (p == digits || (*digits == '0' && p - digits > 1))
		return NULL;
	if (p < end && *p == '.')
	{
		digits = ++p;
		p = skip_digits(p, end);
		if (p == digits)
			return NULL;
	}
	if (p < end && (*p == 'e' || *p == 'E'))
	{
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		digits = p;
		p = skip_digits(p, end);
		if (p == digits)
			return NULL;
	}
	return p;
}

bool
se_json_number_valid(const char *src, size_t len)
{
	return number_end(src, src + len) == src + len;
}

/* Append bytes as the inside of a quoted array element. */
static char *
put_quoted(char *dst, const char *src, size_t len)
{
	size_t		i;

	*dst++ = '"';
	for (i = 0; i < len; i++)
	{
		if (src[i] == '"' || src[i] == '\\')
			*dst++ = '\\';
		*dst++ = src[i];
	}
	*dst++ = '"';
	return dst;
}

/* The closing quote of a string whose opening one is at p. */
static const char *
string_end(const char *p)
{
	for (p++; *p != '"'; p++)
	{
		if (*p == '\\')
			p++;
	}
	return p;
}

/* The last byte of an object that starts at p. */
static const char *
object_end(const char *p)
{
	int			depth = 0;

	for (;; p++)
	{
		if (*p == '"')
			p = string_end(p);
		else if (*p == '{')
			depth++;
		else if (*p == '}' && --depth == 0)
			return p;
	}
}

SeJsonTextStatus
se_json_array_literal(const char *src, size_t len, char *dst, size_t *dst_len)
{
	const char *p = src;
	const char *end = src + len;
	char	   *out = dst;

	/*
	 * The text is known to be valid, so each value is told by its first
	 * character.  The unescaped string is put behind what the literal can
	 * reach until then, and quoted from there.
	 */
	while (p < end)
	{
		const char *stop;
		char	   *text = dst + 2 * len + 8;
		size_t		text_len;
		size_t		fault;
		SeJsonTextStatus status;

		switch (*p)
		{
			case '[':
				*out++ = '{';
				break;
			case ']':
				*out++ = '}';
				break;
			case ' ':
			case '\t':
			case '\n':
			case '\r':
				break;
			case '"':
				stop = string_end(p);
				status = se_json_unescape(p + 1, stop - p - 1, text,
										  &text_len, &fault);
				if (status != SE_JSON_TEXT_OK)
					return status;
				out = put_quoted(out, text, text_len);
				p = stop;
				break;
			case '{':
				stop = object_end(p);
				out = put_quoted(out, p, stop - p + 1);
				p = stop;
				break;
			case 'n':
				memcpy(out, "NULL", 4);
				out += 4;
				p += 3;
				break;
			default:
				*out++ = *p;
		}
		p++;
	}
	*dst_len = out - dst;
	return SE_JSON_TEXT_OK;
}

/* ---------- what is wrong with a document ---------- */

typedef struct Diagnosis
{
	const char *p;
	const char *end;
	const char *reason;			/* NULL: nothing yet */
} Diagnosis;

static bool
fault(Diagnosis *d, const char *at, const char *reason)
{
	d->reason = at >= d->end ? "unexpected end of JSON" : reason;
	d->p = at;
	return false;
}

static void
skip_space(Diagnosis *d)
{
	while (d->p < d->end && (*d->p == ' ' || *d->p == '\t' ||
							 *d->p == '\n' || *d->p == '\r'))
		d->p++;
}

/* Length of the UTF-8 sequence at p, 0 when it is none. */
static int
utf8_length(const unsigned char *p, const unsigned char *end)
{
	uint32_t	c;
	int			len;
	int			i;

	if (p[0] < 0x80)
		return 1;
	len = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
	if (p[0] < 0xC2 || p[0] > 0xF4 || end - p < len)
		return 0;
	c = p[0] & (0x7F >> len);
	for (i = 1; i < len; i++)
	{
		if ((p[i] & 0xC0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3F);
	}
	if ((len == 3 && (c < 0x800 || (c >= 0xD800 && c <= 0xDFFF))) ||
		(len == 4 && (c < 0x10000 || c > 0x10FFFF)))
		return 0;
	return len;
}

static bool
check_string(Diagnosis *d)
{
	const char *p = d->p + 1;

	while (p < d->end && *p != '"')
	{
		unsigned char c = (unsigned char) *p;
		int			len;

		if (c < 0x20)
			return fault(d, p, "a control character must be escaped");
		if (c == '\\')
		{
			if (d->end - p < 2)
				return fault(d, d->end, NULL);
			if (p[1] == 'u' ? read_hex4(p + 2, d->end) < 0 :
				simple_escape(p[1]) == 0)
				return fault(d, p, "invalid escape");
			p += p[1] == 'u' ? 6 : 2;
			continue;
		}
		len = utf8_length((const unsigned char *) p,
						  (const unsigned char *) d->end);
		if (len == 0)
			return fault(d, p, "invalid UTF-8");
		p += len;
	}
	if (p >= d->end)
		return fault(d, d->end, NULL);
	d->p = p + 1;
	return true;
}

static bool
check_word(Diagnosis *d, const char *word)
{
	size_t		len = strlen(word);
	size_t		i;

	for (i = 0; i < len; i++)
	{
		if (d->p + i >= d->end || d->p[i] != word[i])
			return fault(d, d->p + i, "invalid literal");
	}
	d->p += len;
	return true;
}

static bool
check_value(Diagnosis *d, int depth)
{
	char		open;
	char		close;

	skip_space(d);
	if (d->p >= d->end)
		return fault(d, d->p, NULL);
	switch (open = *d->p)
	{
		case '"':
			return check_string(d);
		case 't':
			return check_word(d, "true");
		case 'f':
			return check_word(d, "false");
		case 'n':
			return check_word(d, "null");
		case '{':
		case '[':
			break;
		default:
			{
				const char *stop = number_end(d->p, d->end);

				if (stop == NULL)
					return fault(d, d->p, *d->p == '-' ||
								 (*d->p >= '0' && *d->p <= '9') ?
								 "invalid number" : "a value is expected");
				d->p = stop;
				return true;
			}
	}

	if (depth >= SE_JSON_MAX_DEPTH)
		return fault(d, d->p, "nested too deeply");
	close = open == '{' ? '}' : ']';
	d->p++;
	skip_space(d);
	if (d->p < d->end && *d->p == close)
	{
		d->p++;
		return true;
	}
	for (;;)
	{
		if (open == '{')
		{
			skip_space(d);
			if (d->p >= d->end || *d->p != '"')
				return fault(d, d->p, "a key in double quotes is expected");
			if (!check_string(d))
				return false;
			skip_space(d);
			if (d->p >= d->end || *d->p != ':')
				return fault(d, d->p, "a colon is expected");
			d->p++;
		}
		if (!check_value(d, depth + 1))
			return false;
		skip_space(d);
		if (d->p < d->end && *d->p == close)
		{
			d->p++;
			return true;
		}
		if (d->p >= d->end || *d->p != ',')
			return fault(d, d->p, open == '{' ? "a comma or } is expected" :
						 "a comma or ] is expected");
		d->p++;
	}
}

const char *
se_json_diagnose(const char *src, size_t len, size_t *position)
{
	Diagnosis	d = {src, src + len, NULL};

	skip_space(&d);
	if (d.p >= d.end)
		d.reason = "empty payload";
	else if (*d.p != '{')
		fault(&d, d.p, "the payload is not a JSON object");
	else if (check_value(&d, 0))
	{
		skip_space(&d);
		if (d.p < d.end)
			fault(&d, d.p, "something follows the JSON object");
	}
	*position = d.p - src;
	return d.reason;
}
