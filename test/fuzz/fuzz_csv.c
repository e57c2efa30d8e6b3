/*-------------------------------------------------------------------------
 *
 * fuzz_csv.c
 *	  Any bytes as a line of delimited text.
 *
 * The first byte chooses the rules.  Fields that were read are written
 * again, with every quote or escape there can be, and must read the same.
 *
 *-------------------------------------------------------------------------
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "decode/csv_scan.h"

#define MAX_FIELDS 64

static const SeCsvRules rules[] = {
	{',', '"', false},
	{'\t', 0, true},
	{';', '\'', false},
	{',', 0, false}
};

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
write_field(const SeCsvRules *rule, const SeCsvField *field, char *dst)
{
	size_t		len = 0;
	size_t		i;

	if (rule->quote != 0)
		dst[len++] = rule->quote;
	for (i = 0; i < field->len; i++)
	{
		char		c = field->text[i];

		if (rule->quote != 0 && c == rule->quote)
			dst[len++] = c;
		else if (rule->quote == 0 && rule->backslash)
		{
			static const char plain[] = "\b\f\n\r\t\v";
			const char *at = c ? strchr(plain, c) : NULL;

			if (at != NULL || c == '\\')
				dst[len++] = '\\';
			if (at != NULL)
				c = "bfnrtv"[at - plain];
		}
		dst[len++] = c;
	}
	if (rule->quote != 0)
		dst[len++] = rule->quote;
	return len;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SeCsvField	fields[MAX_FIELDS];
	SeCsvField	again[MAX_FIELDS];
	const SeCsvRules *rule;
	const char *reason = NULL;
	size_t		position = 0;
	char	   *src;
	char	   *dst;
	size_t		len = 0;
	int			n;
	int			i;

	if (size == 0)
		return 0;
	rule = &rules[data[0] % (sizeof(rules) / sizeof(rules[0]))];
	size--;
	src = malloc(size);
	dst = malloc(size);
	memcpy(src, data + 1, size);

	n = se_csv_scan(rule, src, size, dst, fields, MAX_FIELDS, &reason,
					&position);
	if (n == 0 || (n < 0 && (reason == NULL || position > size)))
		abort();
	if (n > 0 && n <= MAX_FIELDS)
	{
		char	   *line = malloc(3 * size + 3 * n);
		char	   *dst_again;

		for (i = 0; i < n; i++)
		{
			if (i > 0)
				line[len++] = rule->delimiter;
			len += write_field(rule, &fields[i], line + len);
		}
		dst_again = malloc(len);
		if (se_csv_scan(rule, line, len, dst_again, again, MAX_FIELDS,
						&reason, &position) != n)
			abort();
		for (i = 0; i < n; i++)
		{
			if (again[i].len != fields[i].len ||
				memcmp(again[i].text, fields[i].text, fields[i].len) != 0)
				abort();
		}
		free(dst_again);
		free(line);
	}
	free(src);
	free(dst);
	return 0;
}
