/*
 * demo/reader.c
 *		Asks stream.partitions for the stream's offsets.
 *
 * It owns the one connection to PostgreSQL.  A server that is down, starting,
 * in recovery or just crashing is no error: the question is asked again later
 * on a new connection, and whoever sends holds back meanwhile.  Any other
 * answer means that the question itself is wrong, and ends the program.
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

static void
ignore_notice(void *arg, const char *message)
{
	(void) arg;
	(void) message;
}

static bool
connected(Reader *reader)
{
	if (reader->conn != NULL && PQstatus(reader->conn) == CONNECTION_OK)
		return true;
	PQfinish(reader->conn);
	reader->conn = PQconnectdb(reader->conninfo);
	PQsetNoticeProcessor(reader->conn, ignore_notice, NULL);
	return PQstatus(reader->conn) == CONNECTION_OK;
}

/*
 * The connection broke or the server is going down: no SQLSTATE at all, or one
 * of class 57, operator intervention.
 */
static bool
server_went_away(const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	return sqlstate == NULL || strncmp(sqlstate, "57", 2) == 0;
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
		if (!server_went_away(result))
		{
			fprintf(stderr, "replay: asking for the stream's position: %s",
					PQresultErrorMessage(result));
			exit(1);
		}
		PQclear(result);
		PQfinish(reader->conn);
		reader->conn = NULL;
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
