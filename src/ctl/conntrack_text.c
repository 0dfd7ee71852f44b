// SPDX-License-Identifier: GPL-2.0-or-later
#include "ctl/conntrack_text.h"

/* In the order in which conntrack(8) prints them; a direction has those of its protocol. */
static const char *const numbers[] = {"sport", "dport", "type", "code", "id"};

struct direction {
	const char *source;
	const char *destination;
	const json_t *all;
};

static bool read_direction(const json_t *connection, const char *name,
			   struct direction *ret_direction)
{
	const json_t *all = json_object_get(connection, name);
	const char *source = json_string_value(json_object_get(all, "source"));
	const char *destination = json_string_value(json_object_get(all, "destination"));

	*ret_direction = (struct direction){source, destination, all};
	return source && destination;
}

static void write_direction(FILE *output, const struct direction *direction)
{
	fprintf(output, " src=%s dst=%s", direction->source, direction->destination);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		const json_t *number = json_object_get(direction->all, numbers[i]);

		if (json_is_integer(number))
			fprintf(output, " %s=%lld", numbers[i],
				(long long)json_integer_value(number));
	}
}

bool conntrack_text_write(FILE *output, const json_t *connection)
{
	const char *protocol = json_string_value(json_object_get(connection, "protocol"));
	const char *state = json_string_value(json_object_get(connection, "state"));
	const json_t *number = json_object_get(connection, "protocol_number");
	const json_t *timeout = json_object_get(connection, "timeout");
	struct direction original, reply;

	if (!json_is_integer(number) || !json_is_integer(timeout) ||
	    !read_direction(connection, "original", &original) ||
	    !read_direction(connection, "reply", &reply))
		return false;
	fprintf(output, "%-8s %lld %lld", protocol ? protocol : "unknown",
		(long long)json_integer_value(number), (long long)json_integer_value(timeout));
	if (state)
		fprintf(output, " %s", state);
	write_direction(output, &original);
	if (!json_is_true(json_object_get(connection, "replied")))
		fputs(" [UNREPLIED]", output);
	write_direction(output, &reply);
	if (json_is_true(json_object_get(connection, "assured")))
		fputs(" [ASSURED]", output);
	fputs("\n", output);
	return true;
}
