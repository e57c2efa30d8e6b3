/*
 * produce.c
 *	  kafkatool's producer, and the command that produces what standard input
 *	  says.
 *
 * The producer is idempotent and waits for all replicas, so that a broker's death
 * neither loses nor doubles a record; a record that cannot be delivered within
 * librdkafka's message.timeout.ms makes the command fail.
 *
 * Copyright (c) 2026, the stream_ext contributors
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kafkatool.h"

static void
delivered(rd_kafka_t *rk, const rd_kafka_message_t *msg, void *opaque)
{
	KtProducer *p = opaque;

	(void) rk;
	if (msg->err == RD_KAFKA_RESP_ERR_NO_ERROR)
		p->delivered++;
	/* what an aborted transaction had not sent yet is no failure */
	else if (msg->err != RD_KAFKA_RESP_ERR__PURGE_QUEUE &&
			 msg->err != RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
	{
		if (p->failed++ == 0)
			fprintf(stderr, "kafkatool: a record for partition %d was not delivered: %s\n",
					msg->partition, rd_kafka_err2str(msg->err));
	}
}

/*
 * A transactional call returns NULL, or an error which says what may be done
 * about it.  True: done.  False: the transaction must be aborted.
 */
static bool
done_or_retry(rd_kafka_error_t *error, const char *what, bool *retry)
{
	bool		ok = error == NULL;

	*retry = false;
	if (ok)
		return true;
	if (rd_kafka_error_is_retriable(error))
		*retry = true;
	else if (!rd_kafka_error_txn_requires_abort(error))
		kt_die("%s: %s", what, rd_kafka_error_string(error));
	rd_kafka_error_destroy(error);
	return false;
}

void
kt_producer_open(KtProducer *p, const char *txn_id, const char *compression)
{
	rd_kafka_conf_t *conf = kt_conf();
	bool		retry = false;

	memset(p, 0, sizeof(*p));
	kt_set(conf, "enable.idempotence", "true");
	kt_set(conf, "linger.ms", "5");
	if (compression != NULL)
		kt_set(conf, "compression.codec", compression);
	if (txn_id != NULL)
		kt_set(conf, "transactional.id", txn_id);
	rd_kafka_conf_set_dr_msg_cb(conf, delivered);
	rd_kafka_conf_set_opaque(conf, p);
	p->rk = kt_open(RD_KAFKA_PRODUCER, conf);
	p->transactional = txn_id != NULL;
	if (p->transactional)
	{
		do
		{
			if (!done_or_retry(rd_kafka_init_transactions(p->rk, KT_TIMEOUT_MS),
							   "cannot start transactions", &retry) && !retry)
				kt_die("cannot start transactions");
		} while (retry);
	}
}

/*
 * Takes over the headers.  A full queue is waited for: the brokers are slow, or
 * away for a while; so is a partition of which this producer has not heard yet.
 */
void
kt_producer_send(KtProducer *p, const char *topic, int32_t partition,
				 const void *key, size_t keylen,
				 const void *value, size_t valuelen,
				 rd_kafka_headers_t *headers, int64_t timestamp)
{
	time_t		deadline = 0;

	for (;;)
	{
		rd_kafka_resp_err_t err;
		rd_kafka_headers_t *copy = headers ? rd_kafka_headers_copy(headers) : NULL;

		err = rd_kafka_producev(p->rk,
								RD_KAFKA_V_TOPIC(topic),
								RD_KAFKA_V_PARTITION(partition),
								RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
								RD_KAFKA_V_KEY((void *) key, keylen),
								RD_KAFKA_V_VALUE((void *) value, valuelen),
								RD_KAFKA_V_HEADERS(copy),
								RD_KAFKA_V_TIMESTAMP(timestamp),
								RD_KAFKA_V_END);
		if (err != RD_KAFKA_RESP_ERR_NO_ERROR && copy != NULL)
			rd_kafka_headers_destroy(copy);
		if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
			break;
		if (err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION)
		{
			if (deadline == 0)
				deadline = time(NULL) + KT_TIMEOUT_MS / 1000;
			if (time(NULL) > deadline)
				kt_die("partition %d of topic %s does not exist", partition, topic);
		}
		else if (err != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			kt_die("cannot produce: %s", rd_kafka_err2str(err));
		rd_kafka_poll(p->rk, 100);
	}
	if (headers != NULL)
		rd_kafka_headers_destroy(headers);
	rd_kafka_poll(p->rk, 0);
}

void
kt_producer_begin(KtProducer *p)
{
	bool		retry;

	if (!p->transactional)
		kt_die("a transaction wants --txn ID");
	if (!done_or_retry(rd_kafka_begin_transaction(p->rk),
					   "cannot begin a transaction", &retry))
		kt_die("cannot begin a transaction");
	p->in_transaction = true;
}

/* False: it had to be aborted, and was. */
bool
kt_producer_commit(KtProducer *p)
{
	bool		retry;

	do
	{
		if (done_or_retry(rd_kafka_commit_transaction(p->rk, KT_TIMEOUT_MS),
						  "cannot commit", &retry))
		{
			p->in_transaction = false;
			return true;
		}
	} while (retry);
	kt_producer_abort(p);
	return false;
}

/*
 * Flushes first: an aborted transaction whose records never left this process
 * would test nothing.
 */
void
kt_producer_abort(KtProducer *p)
{
	bool		retry;

	rd_kafka_flush(p->rk, KT_TIMEOUT_MS);
	do
	{
		if (!done_or_retry(rd_kafka_abort_transaction(p->rk, KT_TIMEOUT_MS),
						   "cannot abort", &retry) && !retry)
			kt_die("cannot abort a transaction");
	} while (retry);
	p->in_transaction = false;
}

void
kt_producer_flush(KtProducer *p)
{
	/* every record is either delivered or given up by message.timeout.ms */
	while (rd_kafka_outq_len(p->rk) > 0)
		rd_kafka_flush(p->rk, 1000);
	if (p->failed > 0)
		kt_die("%llu records were not delivered", (unsigned long long) p->failed);
}

void
kt_producer_close(KtProducer *p)
{
	kt_producer_flush(p);
	rd_kafka_destroy(p->rk);
}

/* ---- the command --------------------------------------------------------- */

/*
 * Undoes the escapes in place.  Returns the length, or -1 for \N.
 */
static ssize_t
unescape(char *text, unsigned long line)
{
	char	   *out = text;

	if (strcmp(text, "\\N") == 0)
		return -1;
	for (char *in = text; *in != '\0'; in++)
	{
		if (*in != '\\')
		{
			*out++ = *in;
			continue;
		}
		switch (*++in)
		{
			case '\\':
				*out++ = '\\';
				break;
			case 't':
				*out++ = '\t';
				break;
			case 'n':
				*out++ = '\n';
				break;
			case 'r':
				*out++ = '\r';
				break;
			case 'x':
				if (isxdigit((unsigned char) in[1]) &&
					isxdigit((unsigned char) in[2]))
				{
					char		hex[3] = {in[1], in[2], '\0'};

					*out++ = (char) strtol(hex, NULL, 16);
					in += 2;
					break;
				}
				/* FALLTHROUGH */
			default:
				kt_die("line %lu: bad escape", line);
		}
	}
	return out - text;
}

/* "name=value,name=value"; a value is NULL without its "=". */
static rd_kafka_headers_t *
parse_headers(char *text, unsigned long line)
{
	rd_kafka_headers_t *headers = rd_kafka_headers_new(8);
	char	   *save = NULL;

	for (char *item = strtok_r(text, ",", &save); item != NULL;
		 item = strtok_r(NULL, ",", &save))
	{
		char	   *value = strchr(item, '=');
		ssize_t		length = 0;

		if (value != NULL)
		{
			*value++ = '\0';
			length = unescape(value, line);
			if (length < 0)
				value = NULL;
		}
		if (rd_kafka_header_add(headers, item, -1, value,
								value ? length : 0) != RD_KAFKA_RESP_ERR_NO_ERROR)
			kt_die("line %lu: bad header", line);
	}
	return headers;
}

static void
produce_line(KtProducer *p, const char *topic, char *text, unsigned long line)
{
	char	   *fields[5] = {NULL};
	int			n = 0;
	ssize_t		keylen,
				valuelen;
	int32_t		partition = RD_KAFKA_PARTITION_UA;
	rd_kafka_headers_t *headers = NULL;
	int64_t		timestamp = 0;

	for (char *rest = text; rest != NULL && n < 5;)
		fields[n++] = strsep(&rest, "\t");
	if (n < 3)
		kt_die("line %lu: want partition, key and value", line);
	if (strcmp(fields[0], "-") != 0)
		partition = kt_number(fields[0], "a partition");
	keylen = unescape(fields[1], line);
	valuelen = unescape(fields[2], line);
	if (n > 3 && fields[3][0] != '\0')
		headers = parse_headers(fields[3], line);
	if (n > 4)
		timestamp = kt_number(fields[4], "a timestamp");
	kt_producer_send(p, topic, partition,
					 keylen < 0 ? NULL : fields[1], keylen < 0 ? 0 : keylen,
					 valuelen < 0 ? NULL : fields[2], valuelen < 0 ? 0 : valuelen,
					 headers, timestamp);
}

void
kt_produce(int argc, char **argv)
{
	const char *txn = kt_option(&argc, argv, "--txn");
	const char *compression = kt_option(&argc, argv, "--compression");
	KtProducer	p;
	char	   *line = NULL;
	size_t		size = 0;
	ssize_t		length;
	unsigned long number = 0;

	kt_arguments(argc, argv, 1, 1, "TOPIC [--txn ID] [--compression C] <RECORDS");
	kt_producer_open(&p, txn, compression);
	while ((length = getline(&line, &size, stdin)) >= 0)
	{
		number++;
		if (length > 0 && line[length - 1] == '\n')
			line[--length] = '\0';
		if (strlen(line) != (size_t) length)
			kt_die("line %lu: a NUL byte; write \\x00", number);
		if (strcmp(line, "\\begin") == 0)
			kt_producer_begin(&p);
		else if (strcmp(line, "\\flush") == 0)
			kt_producer_flush(&p);
		else if (strcmp(line, "\\commit") == 0)
		{
			if (!kt_producer_commit(&p))
				kt_die("line %lu: the transaction was aborted", number);
		}
		else if (strcmp(line, "\\abort") == 0)
			kt_producer_abort(&p);
		else if (txn != NULL && !p.in_transaction)
			kt_die("line %lu: no transaction is open", number);
		else
			produce_line(&p, argv[1], line, number);
	}
	free(line);
	if (ferror(stdin))
		kt_die("cannot read standard input");

	/*
	 * An open transaction stays open: the brokers abort it after
	 * transaction.timeout.ms, and until then readers wait in front of it.
	 */
	kt_producer_flush(&p);
	if (!p.in_transaction)
		rd_kafka_destroy(p.rk);
}
