/*
 * demo/broker.c
 *		A Kafka broker for the demo: librdkafka's mock cluster in a process.
 *
 * It owns nothing but that process.  librdkafka carries a mock cluster that
 * speaks enough of the Kafka protocol for a producer (idempotent too) and a
 * consumer, so the demo needs no Java.  Topics must be made here, with -t,
 * because the mock cluster has no admin interface.
 *
 * Its limits: everything is in memory, one partition keeps about 5 MB or
 * 100,000 record sets and then drops the oldest, and a fetch returns one
 * record set per partition.  Whoever fills it has to wait for its reader.
 *
 * When the topics are there it prints its address, one line, to standard
 * output.  It then runs until SIGTERM or SIGINT, or until the process named
 * with -p is gone.  Nothing of it survives: a stream that has read it finds
 * neither topic nor records in the next one.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

static const char *usage_text =
	"usage: broker [-b BROKERS] [-p PID] -t TOPIC:PARTITIONS [-t ...]\n"
	"  -b BROKERS           brokers in the cluster, 1 unless told\n"
	"  -p PID               end when this process ends\n"
	"  -t TOPIC:PARTITIONS  create this topic\n";

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "broker: %s: %s\n", what, why);
	exit(1);
}

static int
parse_number(const char *text, const char *what, long most)
{
	char	   *end;
	long		n = strtol(text, &end, 10);

	if (end == text || *end != '\0' || n < 1 || n > most)
		die(what, "is not a number in range");
	return (int) n;
}

/* spec is name:partitions; it is cut in two */
static void
create_topic(rd_kafka_mock_cluster_t *cluster, char *spec)
{
	char	   *colon = strrchr(spec, ':');
	rd_kafka_resp_err_t err;

	if (colon == NULL || colon == spec)
		die(spec, "a topic is given as NAME:PARTITIONS");
	*colon = '\0';
	err = rd_kafka_mock_topic_create(cluster, spec,
									 parse_number(colon + 1, "partitions",
												  1000), 1);
	if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
		die(spec, rd_kafka_err2str(err));
}

/*
 * Wait for one of the signals, or for the end of the process when pid > 0.
 */
static void
wait_for_end(const sigset_t *signals, pid_t pid)
{
	struct pollfd wait_for[2] = {{.fd = -1}, {.fd = -1}};

	wait_for[0].events = wait_for[1].events = POLLIN;
	wait_for[0].fd = signalfd(-1, signals, SFD_CLOEXEC);
	if (wait_for[0].fd < 0)
		die("signalfd", strerror(errno));
	if (pid > 0)
	{
		wait_for[1].fd = pidfd_open(pid, 0);
		if (wait_for[1].fd < 0 && errno == ESRCH)
			return;
		if (wait_for[1].fd < 0)
			die("pidfd_open", strerror(errno));
	}
	while (poll(wait_for, 2, -1) < 0)
	{
		if (errno != EINTR)
			die("poll", strerror(errno));
	}
}

int
main(int argc, char **argv)
{
	pid_t		pid = 0;
	int			brokers = 1;
	int			topics = 0;
	char	   *topic[16];
	int			opt;
	int			i;
	sigset_t	stop;
	char		errstr[512];
	rd_kafka_conf_t *conf;
	rd_kafka_t *rk;
	rd_kafka_mock_cluster_t *cluster;

	while ((opt = getopt(argc, argv, "b:p:t:")) != -1)
	{
		if (opt == 'b')
			brokers = parse_number(optarg, "-b", 100);
		else if (opt == 'p')
			pid = parse_number(optarg, "-p", 1L << 22);
		else if (opt == 't' && topics < 16)
			topic[topics++] = optarg;
		else
			break;
	}
	if (opt != -1 || topics == 0 || optind != argc)
	{
		fputs(usage_text, stderr);
		return 2;
	}

	/* blocked before any thread starts, taken in wait_for_end */
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	sigprocmask(SIG_BLOCK, &stop, NULL);

	/* a client of nothing: its notice of having no servers is no news */
	conf = rd_kafka_conf_new();
	if (rd_kafka_conf_set(conf, "log_level", "4", errstr, sizeof(errstr)) !=
		RD_KAFKA_CONF_OK)
		die("log_level", errstr);
	rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, errstr, sizeof(errstr));
	if (rk == NULL)
		die("librdkafka", errstr);
	cluster = rd_kafka_mock_cluster_new(rk, brokers);
	if (cluster == NULL)
		die("mock cluster", "cannot listen on a local port");
	for (i = 0; i < topics; i++)
		create_topic(cluster, topic[i]);

	printf("%s\n", rd_kafka_mock_cluster_bootstraps(cluster));
	fflush(stdout);

	wait_for_end(&stop, pid);

	rd_kafka_mock_cluster_destroy(cluster);
	rd_kafka_destroy(rk);
	return 0;
}
