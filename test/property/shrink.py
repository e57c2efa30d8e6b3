"""Makes a case that fails smaller, while it goes on failing in the same way.

Parts are taken away in turn: queries, clauses, keys and columns of the result,
batches, rows in halves, quarters and one by one, and columns of the stream.

Copyright (c) 2026, the stream_ext contributors
"""
import copy

LIMIT = 300			# scripts that are tried


def _without(case, path, index):
    """A copy without one element of the list that path(case) names."""
    smaller = copy.deepcopy(case)
    del path(smaller)[index]
    return smaller


def _queries(case):
    for i in range(len(case.queries)):
        if len(case.queries) > 1:
            yield _without(case, lambda c: c.queries, i)


def _clauses(case):
    for i, query in enumerate(case.queries):
        for clause in ("having", "where", "rollup", "sets", "union", "around", "function", "join"):
            if getattr(query, clause) is not None:
                smaller = copy.deepcopy(case)
                setattr(smaller.queries[i], clause, None)
                yield smaller
        for parts in ("items", "keys"):
            for j in range(len(getattr(query, parts))):
                smaller = _without(case, lambda c: getattr(c.queries[i], parts), j)
                if smaller.queries[i].is_plain():
                    yield smaller


def _batches(case):
    for i, batch in enumerate(case.batches):
        smaller = copy.deepcopy(case)
        if batch.idle:
            smaller.batches[i].idle = []
            yield smaller
        elif batch.undone:
            smaller.batches[i].undone = False
            yield smaller
        elif i + 1 < len(case.batches) and batch.stream == case.batches[i + 1].stream:
            last = smaller.batches.pop(i)
            smaller.batches[i].rows[:0] = last.rows
            for query in smaller.queries:
                query.since -= query.since > i
            yield smaller


def _rows(case):
    length = max(len(b.rows) for b in case.batches)
    while length > 0:
        for i, batch in enumerate(case.batches):
            for start in range(0, len(batch.rows), length):
                yield _without(case, lambda c: c.batches[i].rows, slice(start, start + length))
        length //= 2


def _columns(case):
    queries = " ".join(query.sql() for query in case.queries)
    for i, column in enumerate(case.columns):
        if column.sql not in queries:
            smaller = _without(case, lambda c: c.columns, i)
            # rows that are duplicates share their cells
            for row in {id(r): r for b in smaller.batches for r in b.rows}.values():
                row.cells = row.cells[:i] + row.cells[i + 1:]
            yield smaller


def shrink(case, fails):
    """fails(case): whether it still does."""
    tried = 0
    for candidates in (_queries, _rows, _batches, _clauses, _columns, _rows):
        again = True
        while again and tried < LIMIT:
            again = False
            for smaller in candidates(case):
                tried += 1
                if fails(smaller):
                    case, again = smaller, True
                    break
                if tried >= LIMIT:
                    break
    return case
