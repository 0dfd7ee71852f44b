// SPDX-License-Identifier: GPL-2.0-or-later
#include "ctl/client.h"

#include "abi/control.h"
#include "common/cleanup.h"
#include "common/namespace_cookie.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>

/* Seconds without a byte. */
#define PATIENCE 60L

#define FIRST_ERROR 400

/* Unix sockets have no names of hosts, but HTTP asks for one. */
#define HOST "localhost"

static void cleanup_curl(CURL **curl)
{
	curl_easy_cleanup(*curl);
}

static void cleanup_url(CURLU **url)
{
	curl_url_cleanup(*url);
}

#define _cleanup_curl_ __attribute__((cleanup(cleanup_curl)))
#define _cleanup_url_  __attribute__((cleanup(cleanup_url)))

static enum ctl_status fail(struct message *message, const char *what)
{
	message_error(message, EIO, "%s", what);
	return CTL_FAILED;
}

static bool make_url(const struct ctl_request *request, CURLU *url)
{
	if (!url || curl_url_set(url, CURLUPART_SCHEME, "http", 0) ||
	    curl_url_set(url, CURLUPART_HOST, HOST, 0) ||
	    curl_url_set(url, CURLUPART_PATH, request->path, 0))
		return false;
	for (size_t i = 0; i < request->n_query; i++) {
		_cleanup_free_ char *parameter = NULL;

		if (asprintf(&parameter, "%s=%s", request->query[i].name, request->query[i].value) <
			    0 ||
		    curl_url_set(url, CURLUPART_QUERY, parameter,
				 CURLU_APPENDQUERY | CURLU_URLENCODE))
			return false;
	}
	return true;
}

static int find_socket(char *path, size_t size, struct message *message)
{
	uint64_t cookie;
	int error = namespace_cookie_read(&cookie, message);

	if (!error)
		snprintf(path, size, REST_SOCKET_FORMAT, (unsigned long long)cookie);
	return error;
}

static void configure(CURL *curl, const struct ctl_request *request, CURLU *url, const char *path,
		      FILE *answer)
{
	curl_easy_setopt(curl, CURLOPT_CURLU, url);
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, path);
	/* Whatever the environment says. */
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, PATIENCE);
}

static enum ctl_status explain_failure(CURL *curl, CURLcode code, const char *path,
				       struct message *message)
{
	long error = 0;

	curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &error);
	if (code == CURLE_COULDNT_CONNECT && (error == ENOENT || error == ECONNREFUSED)) {
		message_error(message, (int)error,
			      "no bpf-iptablesd serves this network namespace; start it with "
			      "`bpf-iptablesd`, or `ip netns exec NAME bpf-iptablesd` for a "
			      "named namespace");
		return CTL_NO_DAEMON;
	}
	if (code == CURLE_COULDNT_CONNECT)
		message_error(message, EIO, "cannot reach bpf-iptablesd at %s: %s", path,
			      strerror((int)error));
	else
		message_error(message, EIO, "the daemon's answer has broken off: %s",
			      curl_easy_strerror(code));
	return CTL_FAILED;
}

/* {"error": {"field": ..., "value": ..., "reason": ...}} */
static enum ctl_status explain_refusal(FILE *answer, long code, struct message *message)
{
	json_t *body = json_loadf(answer, 0, NULL);
	const json_t *error = json_object_get(body, "error");
	const char *field = json_string_value(json_object_get(error, "field"));
	const char *value = json_string_value(json_object_get(error, "value"));
	const char *reason = json_string_value(json_object_get(error, "reason"));

	if (!reason)
		message_error(message, EIO, "the daemon refuses, with HTTP's status %ld", code);
	else if (field && value)
		message_error(message, EIO, "%s '%s': %s", field, value, reason);
	else
		message_error(message, EIO, "%s%s%s", field ? field : "", field ? ": " : "",
			      reason);
	json_decref(body);
	return CTL_FAILED;
}

static enum ctl_status perform(CURL *curl, const struct ctl_request *request, const char *path,
			       FILE *answer, struct message *message)
{
	_cleanup_url_ CURLU *url = curl_url();
	_cleanup_free_ char *body = request->body ? json_dumps(request->body, JSON_COMPACT) : NULL;
	CURLcode code;
	long status = 0;

	if (!make_url(request, url) || (request->body && !body))
		return fail(message, "out of memory");
	configure(curl, request, url, path, answer);
	if (body)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	code = curl_easy_perform(curl);
	if (code)
		return explain_failure(curl, code, path, message);
	if (fflush(answer) || fseek(answer, 0, SEEK_SET))
		return fail(message, "the daemon's answer cannot be kept: is the disk full?");
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	return status >= FIRST_ERROR ? explain_refusal(answer, status, message) : CTL_DONE;
}

enum ctl_status ctl_ask(const struct ctl_request *request, FILE **ret_answer,
			struct message *message)
{
	_cleanup_curl_ CURL *curl = curl_easy_init();
	/*
	 * A daemon does not wait for clients that stop reading, as those do whose output is paged.
	 * And what turns out to be only half an answer has not been shown to anybody.
	 */
	_cleanup_fclose_ FILE *answer = tmpfile();
	char path[sizeof(REST_SOCKET_FORMAT) + 24];
	enum ctl_status status;

	if (!curl)
		return fail(message, "libcurl cannot be started");
	if (!answer)
		return fail(message, "the daemon's answer cannot be kept: no temporary file");
	if (find_socket(path, sizeof(path), message))
		return CTL_FAILED;
	status = perform(curl, request, path, answer, message);
	if (status == CTL_DONE)
		*ret_answer = take_pointer(answer);
	return status;
}

enum ctl_status ctl_ask_json(const struct ctl_request *request, json_t **ret_answer,
			     struct message *message)
{
	_cleanup_fclose_ FILE *file = NULL;
	enum ctl_status status = ctl_ask(request, &file, message);
	json_error_t error;
	json_t *answer;

	if (status != CTL_DONE)
		return status;
	answer = json_loadf(file, 0, &error);
	if (!answer) {
		message_error(message, EBADMSG, "the daemon's answer is no JSON: %s", error.text);
		return CTL_FAILED;
	}
	*ret_answer = answer;
	return CTL_DONE;
}
