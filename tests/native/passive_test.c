/* What a server says where it listens, well formed and not. */
#include "passive.h"

#include "check.h"

#include <string.h>

/* The reply as text: its addresses with a blank behind each, "same " for a port alone, "bad". */
static const char *told(int code, const char *reply)
{
    static char text[4096];
    cog_passive passive;
    cog_address address;
    char one[64], *exact = strdup(reply);       /* the sanitizer sees what reads past the end */
    int found;

    CHECK(exact);
    *text = '\0';
    cog_passive_begin(&passive, code, exact);
    while ((found = cog_passive_next(&passive, &address)) != COG_PASSIVE_END)
    {
        if (found == COG_PASSIVE_ADDRESS)
        {
            cog_address_write(&address, one);
        }
        strcat(text, found == COG_PASSIVE_ADDRESS ? one : found == COG_PASSIVE_SAME_HOST ? "same" : "bad");
        strcat(text, found == COG_PASSIVE_MALFORMED ? "" : " ");
        CHECK(strlen(text) < sizeof text - 100);
    }
    free(exact);
    return text;
}

#define TELLS(code, reply, expected) CHECK(!strcmp(told(code, reply), expected))

static void replies(void)
{
    TELLS(227, "227 Entering Passive Mode (127,0,0,1,4,5)\r\n", "127.0.0.1 ");
    TELLS(227, "227 10,0,0,1,255,255\r\n", "10.0.0.1 ");
    TELLS(127, "127 Passive (10,0,0,1,0,1)", "10.0.0.1 ");
    TELLS(229, "229 Entering Passive Mode (|||6446|)\r\n", "same ");
    TELLS(229, "229 Mode (|1|192.0.2.1|6446|)\r\n", "192.0.2.1 ");
    TELLS(229, "229 Mode (|2|2001:db8::1|6446|)\r\n", "2001:db8::1 ");
    TELLS(129, "129 Mode (!2!::ffff:192.0.2.1!6446!)\r\n", "192.0.2.1 ");
    TELLS(229, "229-Striped\r\n 127,0,0,1,4,5\r\n |1|10.1.1.1|77|\r\n229 End\r\n",
          "127.0.0.1 10.1.1.1 ");

    TELLS(227, "", "bad");
    TELLS(227, "22", "bad");
    TELLS(227, "227", "bad");
    TELLS(227, "227 Entering Passive Mode\r\n", "bad");
    TELLS(227, "227 Entering 10,0,0,1,4,5\r\n", "bad");
    TELLS(227, "227 (127,0,0,1,4", "bad");
    TELLS(227, "227 (127,0,0,1,4,256)", "bad");
    TELLS(227, "227 (127,0,0,0001,4,5)", "127.0.0.1 ");
    TELLS(227, "227 (127,0,0,4294967297,4,5)", "bad");
    TELLS(227, "227 (-127,0,0,1,4,5)", "bad");
    TELLS(227, "227 (127,0,0,1,0,0)", "bad");
    TELLS(227, "227 (", "bad");
    TELLS(229, "229 Striped\r\n", "bad");
    TELLS(229, "229-Striped\r\n229 End\r\n", "");   /* no address: the caller refuses it */
    TELLS(229, "229-Striped", "bad");
    TELLS(229, "229-Striped\r\n nonsense\r\n229 End\r\n", "bad");
    TELLS(229, "229-Striped\r\n 127,0,0,1,4,5\r\n", "127.0.0.1 bad");
    TELLS(229, "229-Striped\r\n |||4|\r\n229 End\r\n", "bad");
    TELLS(229, "229 (|||)", "bad");
    TELLS(229, "229 (|||70000|)", "bad");
    TELLS(229, "229 (|3||7|)", "bad");
    TELLS(229, "229 (|1|localhost|7|)", "bad");
    TELLS(229, "229 (|2|fe80::1%eth0|7|)", "bad");
    TELLS(229, "229 (|2|aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa|7|)", "bad");
    TELLS(229, "229 (|||7", "bad");
    TELLS(129, "129-Striped\r\n 127,0,0,1,4,5\r\n129 End\r\n", "bad");
}

static int in(const char *text, const char *list)
{
    cog_address address;

    CHECK(cog_address_read(text, &address));
    return cog_address_in(&address, list);
}

static void networks(void)
{
    CHECK(in("10.1.2.3", "*"));
    CHECK(!in("10.1.2.3", ""));
    CHECK(in("10.1.2.3", "10.1.2.3/128"));
    CHECK(in("10.1.2.3", "10.1.2.3"));
    CHECK(!in("10.1.2.4", "10.1.2.3/128"));
    CHECK(in("10.1.2.3", "192.0.2.0/120,10.1.0.0/112"));
    CHECK(!in("10.2.2.3", "192.0.2.0/120,10.1.0.0/112"));
    CHECK(in("10.1.2.255", "10.1.2.128/121"));
    CHECK(!in("10.1.2.127", "10.1.2.128/121"));
    CHECK(in("2001:db8::5", "2001:db8::/32"));
    CHECK(!in("2001:db9::5", "2001:db8::/32"));
    CHECK(in("::ffff:10.1.2.3", "10.1.2.3/128"));
    CHECK(!in("10.1.2.3", "nonsense,10.1.2.3/999,/,,10.1.2.3/129"));
    CHECK(in("10.1.2.3", "::/0"));
}

/* Whatever comes, nothing is read past its end, and the reading ends. */
static void noise(void)
{
    static const char letters[] = "0123456789,,,,((|||||.:) \r\n229-abc";
    uint32_t state = 42;
    char reply[80];
    int i, j, length;

    for (i = 0; i < 200000; i++)
    {
        length = (int) chance(&state, sizeof reply - 1);
        for (j = 0; j < length; j++)
        {
            reply[j] = letters[chance(&state, sizeof letters - 1)];
        }
        reply[length] = '\0';
        told(chance(&state, 2) ? 229 : 227, reply);
    }
}

int main(void)
{
    replies();
    networks();
    noise();
    puts("passive replies: passed");
    return 0;
}
