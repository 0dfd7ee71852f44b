// SPDX-License-Identifier: GPL-2.0-or-later
#include "ctl/command.h"

static long long number(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static const char *word(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "?";
}

static void print_family(const json_t *families, const char *name)
{
	const json_t *family = json_object_get(families, name);

	printf("%-12s%lld rules%s\n", name, number(family, "rules"),
	       json_is_true(json_object_get(family, "needs_connections"))
		       ? ", some of them about connections"
		       : "");
}

static void print_population(const json_t *tracker, const char *name, const char *title)
{
	const json_t *population = json_object_get(tracker, name);

	printf("%-12s%lld, room for %lld\n", title, number(population, "connections"),
	       number(population, "capacity"));
}

static void print_tracker(const json_t *tracker)
{
	if (!json_is_object(tracker)) {
		puts("connections are tracked by the kernel: see `conntrack -L`");
		return;
	}
	print_population(tracker, "settled", "settled");
	print_population(tracker, "half_open", "half-open");
	printf("%-12s%lld created, %lld expired, %lld evicted, %lld closed early, %lld crowded\n",
	       "so far", number(tracker, "created"), number(tracker, "expired"),
	       number(tracker, "evicted"), number(tracker, "closed_early"),
	       number(tracker, "crowded"));
	printf("%-12s%lld packets for want of room, %lld that clashed\n", "dropped",
	       number(tracker, "refused_packets"), number(tracker, "clashed_packets"));
}

static void print_status(const json_t *status)
{
	const json_t *families = json_object_get(status, "families");

	printf("%-12s%s\n", "version", word(status, "version"));
	printf("%-12s%s\n", "namespace", word(json_object_get(status, "namespace"), "cookie"));
	printf("%-12s%s\n", "hook", word(status, "hook"));
	print_family(families, "ipv4");
	print_family(families, "ipv6");
	printf("%-12s%lld actions lost for want of room\n", "delegated",
	       number(status, "undelegated"));
	print_tracker(json_object_get(status, "tracker"));
}

enum ctl_status status_run(int count, char **arguments, struct message *message)
{
	const struct ctl_request request = {.method = "GET", .path = "/v1/status"};
	enum ctl_status status;
	json_t *answer;
	bool as_json;

	status = ctl_read_arguments(count, arguments, 0, &as_json, message);
	if (status != CTL_DONE)
		return status;
	status = ctl_ask_json(&request, &answer, message);
	if (status != CTL_DONE)
		return status;
	if (as_json)
		ctl_print_json(answer);
	else
		print_status(answer);
	json_decref(answer);
	return CTL_DONE;
}
