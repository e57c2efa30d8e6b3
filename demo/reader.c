/*
 * demo/reader.c
 *		Asks stream.partitions for the stream's offsets.
 *
 * It owns the one connection to PostgreSQL.  A server that is down, starting
 * or in recovery is no error: the question is asked again later, and whoever
 * sends holds back meanwhile.  A server that answers with an error is one:
 * the question itself must be wrong, so it ends the program.
 */
#include "reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

struct Reader
{
	PGconn	   *conn;
	char	   *conninfo;
	char	   *stream;
};

Reader *
reader_new(const char *conninfo, const char *stream)
{
	Reader	   *reader = malloc(sizeof(Reader));

	if (reader == NULL)
		abort();
	reader->conn = NULL;
	reader->conninfo = strdup(conninfo);
	reader->stream = strdup(stream);
	return reader;
}

static bool
connected(Reader *reader)
{
	if (reader->conn != NULL && PQstatus(reader->conn) == CONNECTION_OK)
		return true;
	PQfinish(reader->conn);
	reader->conn = PQconnectdb(reader->conninfo);
	return PQstatus(reader->conn) == CONNECTION_OK;
}

bool
reader_positions(Reader *reader, int64_t *next)
{
	const char *values[1];
	PGresult   *result;
	int			row;

	if (!connected(reader))
		return false;
	values[0] = reader->stream;
	result = PQexecParams(reader->conn,
						  "SELECT partition, next_offset"
						  " FROM stream.partitions"
						  " WHERE stream::regclass = $1::regclass"
						  " AND next_offset IS NOT NULL",
						  1, NULL, values, NULL, NULL, 0);
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		if (PQstatus(reader->conn) == CONNECTION_OK)
		{
			fprintf(stderr, "replay: asking for the stream's position: %s",
					PQresultErrorMessage(result));
			exit(1);
		}
		PQclear(result);
		return false;
	}
	for (row = 0; row < PQntuples(result); row++)
	{
		int			partition = atoi(PQgetvalue(result, row, 0));

		if (partition >= 0 && partition < READER_MAX_PARTITIONS)
			next[partition] = strtoll(PQgetvalue(result, row, 1), NULL, 10);
	}
	PQclear(result);
	return true;
}

void
reader_free(Reader *reader)
{
	PQfinish(reader->conn);
	free(reader->conninfo);
	free(reader->stream);
	free(reader);
}
