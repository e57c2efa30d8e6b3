"""Aggregates by the families of their arguments (values.py), as templates.

An entry is enough to have an aggregate tested: with FILTER, over expressions,
in HAVING and in every kind of window.

Floating-point statistics depend on the order of rows in the last digits.  They
are rounded, to 9 digits where values are below 10,000 and to 6 for the sums of
squares.  An odd fraction is added first: what is exactly between two rounded
values, as 1/1024 is, would fall on either side.

Copyright (c) 2026, the stream_ext contributors
"""


class Aggregate:
    def __init__(self, name, needs, template, result, wrap="{}"):
        self.name = name
        self.needs = needs.split()
        self.template = template
        self.result = result		# family of the result, "" for none to compute with
        self.wrap = wrap


ROUND_9 = "round({}::numeric + 0.00000000031415926, 9)"
ROUND_6 = "round({}::numeric + 0.00000031415926, 6)"


def _statistics():
    for name in ("corr", "covar_pop", "covar_samp", "regr_avgx", "regr_avgy",
                 "regr_intercept", "regr_r2", "regr_slope"):
        yield Aggregate(name, "small small", name + "({}::float8, {}::float8)", "num", ROUND_9)
    for name in ("regr_sxx", "regr_syy", "regr_sxy"):
        yield Aggregate(name, "small small", name + "({}::float8, {}::float8)", "num", ROUND_6)
    for name in ("stddev", "stddev_pop", "stddev_samp", "variance", "var_pop", "var_samp"):
        yield Aggregate(name + " of float", "float", name + "({})", "num", ROUND_9)
        yield Aggregate(name + " of exact", "exact", name + "({})", "num")


AGGREGATES = [
    Aggregate("count(*)", "", "count(*)", "num"),
    Aggregate("count(x)", "any", "count({})", "num"),
    Aggregate("regr_count", "small small", "regr_count({}, {})", "num"),
    Aggregate("sum of exact", "exact", "sum({})", "num"),
    Aggregate("sum of float", "float", "sum({})", "num"),
    Aggregate("sum of interval", "interval", "sum({})", ""),
    Aggregate("sum of lengths", "text", "sum(length({}))", "num"),
    Aggregate("sum of CASE", "bool exact", "sum(CASE WHEN {} THEN {} ELSE 1 END)", "num"),
    Aggregate("avg of exact", "exact", "avg({})", "num"),
    Aggregate("avg of float", "float", "avg({})", "num"),
    Aggregate("avg of interval", "interval", "avg({})", ""),
    Aggregate("avg of differences", "small small", "avg({} - {})", "num"),
    Aggregate("min", "ordered", "min({})", ""),
    Aggregate("max", "ordered", "max({})", ""),
    Aggregate("min of text", "text", "min({})", ""),
    Aggregate("max of text", "text", "max({})", ""),
    Aggregate("min in C", "text", 'min({} COLLATE "C")', ""),
    Aggregate("max of upper", "text", "max(upper({}) || '.')", ""),
    Aggregate("max of substring", "text", "max(nullif(substr({}, 1, 2), ''))", ""),
    Aggregate("max of array", "array", "max({})", ""),
    Aggregate("max of two", "int int", "max(ARRAY[{}::int8, {}::int8])", ""),
    Aggregate("max of jsonb", "json", "max(({} ->> 'n')::int)", "num"),
    Aggregate("bool_and", "bool", "bool_and({})", ""),
    Aggregate("bool_or", "bool", "bool_or({})", ""),
    Aggregate("every", "num", "every({} > 0)", ""),
    Aggregate("bit_and", "int", "bit_and({})", ""),
    Aggregate("bit_or", "int", "bit_or({})", ""),
    Aggregate("bit_xor", "int", "bit_xor({})", ""),
    Aggregate("range_intersect_agg", "int", "range_intersect_agg(int8range({}::int8 % 9 - 20, 40))", ""),
    Aggregate("range_intersect_agg of ranges", "range", "range_intersect_agg({})", ""),
    Aggregate("bit_or of bits", "bits", "bit_or({})", ""),
    Aggregate("bit_and of bits", "bits", "bit_and({})", ""),
    Aggregate("sum of money", "money", "sum({})", ""),
    Aggregate("own, strict", "exact", "own_sum({})", "num"),
    Aggregate("own, with a start", "exact", "own_sum_from({})", "num"),
    Aggregate("own, sorted array", "text", "own_collect({})", ""),
    Aggregate("hll", "text", "hll_add_agg(hll_hash_text({}))", "num", "hll_cardinality({})"),
    Aggregate("count(DISTINCT x)", "any", "count(DISTINCT {})", "num"),
    Aggregate("count(DISTINCT expression)", "text", "count(DISTINCT lower({}))", "num"),
    Aggregate("sum(DISTINCT int)", "int", "sum(DISTINCT {})", "num"),
    # 1.0 and 1.00 are one value: which of them it is decides the scale
    Aggregate("sum(DISTINCT exact)", "exact", "sum(DISTINCT {}::numeric)", "num", "trim_scale({})"),
    Aggregate("avg(DISTINCT int)", "int", "avg(DISTINCT {})", "num"),
    Aggregate("max(DISTINCT x)", "ordered", "max(DISTINCT {})", ""),
    Aggregate("own, DISTINCT", "text", "own_collect(DISTINCT {})", ""),
] + list(_statistics())

# Run once in each database, before extensions' own.
SETUP = """
CREATE FUNCTION own_add(numeric, numeric) RETURNS numeric
	LANGUAGE sql IMMUTABLE STRICT RETURN $1 + $2;
CREATE AGGREGATE own_sum(numeric) (sfunc = own_add, stype = numeric, combinefunc = own_add);
CREATE AGGREGATE own_sum_from(numeric) (sfunc = own_add, stype = numeric, combinefunc = own_add,
	initcond = '0');
CREATE FUNCTION own_keep(anyarray, anyelement) RETURNS anyarray LANGUAGE sql IMMUTABLE
	AS 'SELECT CASE WHEN $2 IS NULL THEN $1 ELSE array_append($1, $2) END';
CREATE FUNCTION own_join(anyarray, anyarray) RETURNS anyarray LANGUAGE sql IMMUTABLE
	AS 'SELECT $1 || $2';
CREATE FUNCTION own_sort(anyarray, anyelement) RETURNS anyarray LANGUAGE sql IMMUTABLE
	AS 'SELECT ARRAY(SELECT unnest($1) ORDER BY 1)';
CREATE AGGREGATE own_collect(anyelement) (sfunc = own_keep, stype = anyarray,
	combinefunc = own_join, finalfunc = own_sort, finalfunc_extra, initcond = '{}');
"""
