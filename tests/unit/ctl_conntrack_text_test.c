// SPDX-License-Identifier: GPL-2.0-or-later
#include "common/cleanup.h"
#include "ctl/conntrack_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define TUPLES                                                       \
	"'original':{'source':'10.0.0.1','destination':'10.0.0.2'}," \
	"'reply':{'source':'10.0.0.2','destination':'10.0.0.1'}"

/* With ' for ". */
static json_t *load(const char *text)
{
	_cleanup_free_ char *copy = strdup(text);
	json_t *json;

	for (char *byte = copy; *byte; byte++)
		if (*byte == '\'')
			*byte = '"';
	json = json_loads(copy, 0, NULL);
	assert_non_null(json);
	return json;
}

static void assert_text(const char *connection, const char *expected)
{
	json_t *json = load(connection);
	char text[512] = "";
	FILE *output = fmemopen(text, sizeof(text), "w");

	assert_true(conntrack_text_write(output, json) == (expected != NULL));
	fclose(output);
	assert_string_equal(text, expected ? expected : "");
	json_decref(json);
}

static void test_looks_like_conntrack(void **state)
{
	(void)state;
	assert_text("{'protocol':'tcp','protocol_number':6,'timeout':431999,"
		    "'state':'ESTABLISHED','replied':true,'assured':true,"
		    "'original':{'source':'10.0.0.1','destination':'10.0.0.2','sport':1,'dport':2},"
		    "'reply':{'source':'10.0.0.2','destination':'10.0.0.1','sport':2,'dport':1}}",
		    "tcp      6 431999 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 "
		    "src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 [ASSURED]\n");
	assert_text("{'protocol':'icmpv6','protocol_number':58,'timeout':0,'state':null,"
		    "'replied':false,'assured':false,"
		    "'original':{'source':'::1','destination':'::2','type':128,'code':0,'id':3},"
		    "'reply':{'source':'::2','destination':'::1','type':129,'code':0,'id':3}}",
		    "icmpv6   58 0 src=::1 dst=::2 type=128 code=0 id=3 [UNREPLIED] "
		    "src=::2 dst=::1 type=129 code=0 id=3\n");
	assert_text("{'protocol':null,'protocol_number':99,'timeout':600,'replied':true," TUPLES
		    "}",
		    "unknown  99 600 src=10.0.0.1 dst=10.0.0.2 src=10.0.0.2 dst=10.0.0.1\n");
}

static void test_refuses_what_is_no_connection(void **state)
{
	(void)state;
	assert_text("[]", NULL);
	assert_text("{'protocol':'tcp','timeout':1," TUPLES "}", NULL);
	assert_text("{'protocol':'tcp','protocol_number':6," TUPLES "}", NULL);
	assert_text("{'protocol':'tcp','protocol_number':6,'timeout':'1'," TUPLES "}", NULL);
	assert_text("{'protocol':'tcp','protocol_number':6,'timeout':1,"
		    "'original':{'source':'10.0.0.1','destination':'10.0.0.2'}}",
		    NULL);
	assert_text("{'protocol':'tcp','protocol_number':6,'timeout':1,"
		    "'original':{'source':'10.0.0.1'},"
		    "'reply':{'source':'10.0.0.2','destination':'10.0.0.1'}}",
		    NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_looks_like_conntrack),
		cmocka_unit_test(test_refuses_what_is_no_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
