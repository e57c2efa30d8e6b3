/*
 * limit.cc
 *		What this machine can do at best: librdkafka, simdjson and a hash
 *		table, no database.
 *
 * It reads a topic from its start to the offsets that were its end at the
 * start, picks the five wanted fields of each event, and counts events and
 * adds prices per ten seconds and ad where event_type = 'view'.  Every figure
 * of the extension is a ratio to this one, taken in the same run.
 *
 * Two things decide its speed more than its own code.  Once a partition's
 * local queue is full, a librdkafka before 2.2 lets the broker's thread sleep
 * for up to a second, however soon the queue drains; any request to that
 * broker wakes it, so that a DescribeConfigs whose answer nobody reads goes
 * out every 20 ms.  And a message is parsed where librdkafka keeps it: copied
 * only if simdjson's look-ahead past its end could touch the next page.
 */
#include <getopt.h>
#include <librdkafka/rdkafka.h>
#include <simdjson.h>
#include <sys/resource.h>
#include <time.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

namespace
{

using simdjson::ondemand::document;
using simdjson::ondemand::object;
using simdjson::ondemand::parser;

constexpr int64_t kWindowMs = 10000;
constexpr int64_t kWakeNs = 20 * 1000000;
constexpr size_t kBatch = 10000;
constexpr size_t kPage = 4096;

[[noreturn]] void
die(const char *what, const char *why)
{
	fprintf(stderr, "limit: %s: %s\n", what, why);
	exit(1);
}

int64_t
now_ns()
{
	timespec	t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* CPU of all threads of this process */
double
cpu_seconds()
{
	rusage		u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_utime.tv_sec + u.ru_stime.tv_sec +
		(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* (window, ad) -> count and sum: open addressing, grown at half full */
class Groups
{
public:
	struct Group
	{
		int64_t		window = -1;
		int64_t		ad_id = 0;
		int64_t		count = 0;
		int64_t		cents = 0;
	};

	void
	add(int64_t window, int64_t ad_id, int64_t cents)
	{
		Group	   &group = find(window, ad_id);

		if (group.window < 0)
		{
			group.window = window;
			group.ad_id = ad_id;
			used_++;
		}
		group.count++;
		group.cents += cents;
		if (used_ * 2 > slots_.size())
			grow();
	}

	void
	write(const char *path) const
	{
		FILE	   *f = fopen(path, "w");

		if (f == nullptr)
			die(path, strerror(errno));
		for (const Group &group : slots_)
			if (group.window >= 0)
				fprintf(f, "%lld\t%lld\t%lld\t%lld\n",
						(long long) (group.window * (kWindowMs / 1000)),
						(long long) group.ad_id, (long long) group.count,
						(long long) group.cents);
		if (fclose(f) != 0)
			die(path, strerror(errno));
	}

private:
	Group &
	find(int64_t window, int64_t ad_id)
	{
		uint64_t	hash = (uint64_t) (window * 1000003 + ad_id) *
			UINT64_C(0x9E3779B97F4A7C15);
		size_t		i = (hash >> 32) & (slots_.size() - 1);

		while (slots_[i].window >= 0 &&
			   (slots_[i].window != window || slots_[i].ad_id != ad_id))
			i = (i + 1) & (slots_.size() - 1);
		return slots_[i];
	}

	void
	grow()
	{
		std::vector<Group> old(slots_.size() * 2);

		old.swap(slots_);
		for (const Group &group : old)
			if (group.window >= 0)
				find(group.window, group.ad_id) = group;
	}

	std::vector<Group> slots_ = std::vector<Group>(1 << 12);
	size_t		used_ = 0;
};

/* The five wanted fields */
struct Event
{
	std::string_view user_id;
	std::string_view event_type;
	std::string_view event_time;
	int64_t		ad_id = 0;
	double		price = 0;
};

class Decoder
{
public:
	bool
	decode(const char *payload, size_t length, Event *event)
	{
		document	doc;
		object		top;

		if (parser_.iterate(padded(payload, length)).get(doc) ||
			doc.get_object().get(top))
			return false;
		for (auto field : top)
		{
			std::string_view key;

			if (field.unescaped_key().get(key) ||
				!pick(key, field.value(), event))
				return false;
		}
		return true;
	}

	/* "2024-03-01T12:34:56.789Z" in milliseconds since 1970 */
	bool
	time_ms(std::string_view text, int64_t *result)
	{
		if (text.size() != 24 || text[10] != 'T' || text[23] != 'Z')
			return false;
		if (memcmp(day_, text.data(), 10) != 0)
		{
			memcpy(day_, text.data(), 10);
			day_ms_ = days(number(day_, 4), number(day_ + 5, 2),
						   number(day_ + 8, 2)) * INT64_C(86400000);
		}
		*result = day_ms_ + number(&text[11], 2) * 3600000 +
			number(&text[14], 2) * 60000 + number(&text[17], 2) * 1000 +
			number(&text[20], 3);
		return true;
	}

private:
	static bool
	pick(std::string_view key, simdjson::simdjson_result<
		 simdjson::ondemand::value> value, Event *event)
	{
		if (key == "user_id")
			return !value.get_string().get(event->user_id);
		if (key == "ad_id")
			return !value.get_int64().get(event->ad_id);
		if (key == "event_type")
			return !value.get_string().get(event->event_type);
		if (key == "price")
			return !value.get_double().get(event->price);
		if (key == "event_time")
			return !value.get_string().get(event->event_time);
		return true;
	}

	simdjson::padded_string_view
	padded(const char *payload, size_t length)
	{
		uintptr_t	end = reinterpret_cast<uintptr_t>(payload) + length;

		if ((end & (kPage - 1)) + simdjson::SIMDJSON_PADDING >= kPage)
		{
			if (copy_.size() < length + simdjson::SIMDJSON_PADDING)
				copy_.resize(length + simdjson::SIMDJSON_PADDING);
			memcpy(copy_.data(), payload, length);
			payload = copy_.data();
		}
		return simdjson::padded_string_view(payload, length, length +
											simdjson::SIMDJSON_PADDING);
	}

	static int64_t
	number(const char *text, int digits)
	{
		int64_t		result = 0;

		for (int i = 0; i < digits; i++)
			result = result * 10 + (text[i] - '0');
		return result;
	}

	static int64_t
	days(int64_t year, int64_t month, int64_t day)
	{
		int64_t		y = month <= 2 ? year - 1 : year;
		int64_t		yoe = y % 400;
		int64_t		doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 +
			day - 1;

		return y / 400 * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy -
			719468;
	}

	parser		parser_;
	std::vector<char> copy_;
	char		day_[10] = {0};
	int64_t		day_ms_ = 0;
};

struct Options
{
	const char *brokers = nullptr;
	const char *topic = nullptr;
	const char *result_path = nullptr;
	bool		count_only = false;
};

/* Where each partition ends, and how far it has been read */
struct Partition
{
	int64_t		end = 0;
	bool		done = false;
};

class Consumer
{
public:
	explicit Consumer(const Options &options)
	{
		char		error[256];
		rd_kafka_conf_t *conf = rd_kafka_conf_new();

		set(conf, "bootstrap.servers", options.brokers);
		set(conf, "group.id", "limit");
		set(conf, "enable.auto.commit", "false");
		set(conf, "enable.partition.eof", "true");
		set(conf, "check.crcs", "true");
		set(conf, "isolation.level", "read_committed");
		set(conf, "queued.max.messages.kbytes", "16384");
		/* known from 2.2 on, where no waking is needed */
		wake_ = rd_kafka_conf_set(conf, "fetch.queue.backoff.ms", "5",
								  error, sizeof(error)) ==
			RD_KAFKA_CONF_UNKNOWN;
		rk_ = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof(error));
		if (rk_ == nullptr)
			die("consumer", error);
		rd_kafka_poll_set_consumer(rk_);
		assign(options.topic);
		queue_ = rd_kafka_queue_get_consumer(rk_);
		answers_ = rd_kafka_queue_new(rk_);
	}

	/* Up to kBatch messages; false at the end of the topic */
	bool
	read(rd_kafka_message_t **messages, size_t *n)
	{
		if (wake_)
			wake_brokers();
		ssize_t		got = rd_kafka_consume_batch_queue(queue_, 100, messages,
													   kBatch);

		if (got < 0)
			die("consume", rd_kafka_err2str(rd_kafka_last_error()));
		*n = got;
		return open_ > 0;
	}

	/* True for an event, false for the news that a partition is at its end */
	bool
	is_event(const rd_kafka_message_t *message)
	{
		if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
		{
			Partition  &partition = partitions_[message->partition];

			if (!partition.done && message->offset >= partition.end)
			{
				partition.done = true;
				open_--;
			}
			return false;
		}
		if (message->err)
			die("message", rd_kafka_message_errstr(message));
		return true;
	}

private:
	static void
	set(rd_kafka_conf_t *conf, const char *name, const char *value)
	{
		char		error[256];

		if (rd_kafka_conf_set(conf, name, value, error, sizeof(error)) !=
			RD_KAFKA_CONF_OK)
			die(name, error);
	}

	void
	assign(const char *topic)
	{
		const rd_kafka_metadata_t *metadata;
		rd_kafka_topic_t *handle = rd_kafka_topic_new(rk_, topic, nullptr);
		rd_kafka_topic_partition_list_t *list;
		rd_kafka_resp_err_t err;
		int64_t		low;

		err = rd_kafka_metadata(rk_, 0, handle, &metadata, 30000);
		if (err || metadata->topics[0].partition_cnt == 0)
			die("metadata", rd_kafka_err2str(err));
		for (int i = 0; i < metadata->broker_cnt; i++)
			brokers_.push_back(metadata->brokers[i].id);
		open_ = metadata->topics[0].partition_cnt;
		partitions_.resize(open_);
		list = rd_kafka_topic_partition_list_new(open_);
		for (int i = 0; i < open_; i++)
		{
			err = rd_kafka_query_watermark_offsets(rk_, topic, i, &low,
												   &partitions_[i].end, 30000);
			if (err)
				die("offsets", rd_kafka_err2str(err));
			rd_kafka_topic_partition_list_add(list, topic, i)->offset = low;
		}
		err = rd_kafka_assign(rk_, list);
		if (err)
			die("assign", rd_kafka_err2str(err));
		rd_kafka_topic_partition_list_destroy(list);
		rd_kafka_metadata_destroy(metadata);
		rd_kafka_topic_destroy(handle);
	}

	void
	wake_brokers()
	{
		int64_t		now = now_ns();
		rd_kafka_event_t *answer;

		if (now < next_wake_)
			return;
		next_wake_ = now + kWakeNs;
		while ((answer = rd_kafka_queue_poll(answers_, 0)) != nullptr)
			rd_kafka_event_destroy(answer);
		for (int32_t id : brokers_)
		{
			rd_kafka_ConfigResource_t *resource =
				rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_BROKER,
											std::to_string(id).c_str());

			rd_kafka_DescribeConfigs(rk_, &resource, 1, nullptr, answers_);
			rd_kafka_ConfigResource_destroy(resource);
		}
	}

	rd_kafka_t *rk_;
	rd_kafka_queue_t *queue_;
	rd_kafka_queue_t *answers_;
	std::vector<int32_t> brokers_;
	std::vector<Partition> partitions_;
	int			open_;
	bool		wake_;
	int64_t		next_wake_ = 0;
};

void
run(const Options &options)
{
	double		cpu = cpu_seconds();
	int64_t		start = now_ns();
	Consumer	consumer(options);
	Decoder		decoder;
	Groups		groups;
	std::vector<rd_kafka_message_t *> messages(kBatch);
	uint64_t	events = 0;
	size_t		n;

	while (consumer.read(messages.data(), &n))
		for (size_t i = 0; i < n; i++)
		{
			rd_kafka_message_t *message = messages[i];
			Event		event;
			int64_t		time_ms;

			if (consumer.is_event(message))
			{
				events++;
				if (!options.count_only)
				{
					if (!decoder.decode((const char *) message->payload,
										message->len, &event) ||
						!decoder.time_ms(event.event_time, &time_ms))
						die("event", "not what load writes");
					if (event.event_type == "view")
						groups.add(time_ms / kWindowMs, event.ad_id,
								   llround(event.price * 100));
				}
			}
			rd_kafka_message_destroy(message);
		}

	double		seconds = (now_ns() - start) / 1e9;
	rusage		usage;

	cpu = cpu_seconds() - cpu;
	getrusage(RUSAGE_SELF, &usage);
	printf("events=%llu seconds=%.3f cpu_us=%.4f max_rss_kb=%ld\n",
		   (unsigned long long) events, seconds, cpu * 1e6 / events,
		   usage.ru_maxrss);
	if (options.result_path != nullptr)
		groups.write(options.result_path);
}

}	/* namespace */

int
main(int argc, char **argv)
{
	Options		options;
	int			option;

	while ((option = getopt(argc, argv, "b:t:o:c")) != -1)
		switch (option)
		{
			case 'b':
				options.brokers = optarg;
				break;
			case 't':
				options.topic = optarg;
				break;
			case 'o':
				options.result_path = optarg;
				break;
			case 'c':
				options.count_only = true;
				break;
			default:
				options.brokers = nullptr;
		}
	if (options.brokers == nullptr || options.topic == nullptr)
	{
		fprintf(stderr, "usage: limit -b BROKERS -t TOPIC [-o RESULT_TSV]"
				" [-c: count only]\n");
		return 2;
	}
	run(options);
	fflush(stdout);
	/* nothing is left to lose: leaving a consumer properly takes a while */
	_Exit(0);
}
