/* mptcp_labels.c
 * The preference table of prefixes, and the longest that fits an address.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "mptcp_labels.h"

#include <epan/address.h>
#include <epan/prefs.h>
#include <epan/to_str.h>
#include <epan/uat.h>
#include <string.h>
#include <wsutil/inet_addr.h>

typedef struct {
    char *prefix, *label;
} named_t;

typedef struct {
    uint8_t bytes[16];
    unsigned length; /* of the address: 4 or 16 bytes */
    unsigned bits;
} prefix_t;

static named_t *named;
static unsigned named_count;

/* "10.0.0.0/8", "fd00::/8", or an address alone; says what is wrong with another text. */
static bool parse_prefix(const char *text, prefix_t *prefix, const char **wrong)
{
    g_auto(GStrv) parts = g_strsplit(text, "/", 2);
    unsigned full;
    guint64 bits;

    *wrong = "it is no IPv4 or IPv6 address";
    if (parts[0] == NULL) {
        return false;
    }
    prefix->length = strchr(parts[0], ':') != NULL ? 16 : 4;
    if (prefix->length == 4 ? !ws_inet_pton4(parts[0], (ws_in4_addr *)(void *)prefix->bytes)
                            : !ws_inet_pton6(parts[0], (ws_in6_addr *)(void *)prefix->bytes)) {
        return false;
    }
    full = prefix->length * 8;
    prefix->bits = full;
    if (parts[1] != NULL) {
        *wrong = prefix->length == 4 ? "the length behind / must be 0 to 32"
                                     : "the length behind / must be 0 to 128";
        if (!g_ascii_string_to_unsigned(parts[1], 10, 0, full, &bits, NULL)) {
            return false;
        }
        prefix->bits = (unsigned)bits;
    }
    *wrong = "it has bits set behind the prefix length";
    for (unsigned bit = prefix->bits; bit < full; bit++) {
        if (prefix->bytes[bit / 8] & 0x80 >> bit % 8) {
            return false;
        }
    }
    return true;
}

static wl_pref_bool_t check_prefix(void *record _U_, const char *text, unsigned length,
                                   const void *check_data _U_, const void *field_data _U_,
                                   char **error)
{
    char *copy = g_strstrip(g_strndup(text, length));
    const char *wrong;
    prefix_t prefix;
    bool ok = parse_prefix(copy, &prefix, &wrong);

    *error = ok ? NULL
                : g_strdup_printf("\"%s\" is no address prefix: %s. Write one as 10.1.0.0/16 or "
                                  "2001:db8::/32.",
                                  copy, wrong);
    g_free(copy);
    return ok;
}

static wl_pref_bool_t check_label(void *record _U_, const char *text, unsigned length,
                                  const void *check_data _U_, const void *field_data _U_,
                                  char **error)
{
    bool empty = length == 0 || strspn(text, " \t") >= length;

    *error = empty ? g_strdup("A path needs a name.") : NULL;
    return !empty;
}

UAT_CSTRING_CB_DEF(named, prefix, named_t)
UAT_CSTRING_CB_DEF(named, label, named_t)

static void *named_copy(void *to, const void *from, size_t size _U_)
{
    const named_t *source = from;
    named_t *target = to;

    target->prefix = g_strdup(source->prefix);
    target->label = g_strdup(source->label);
    return target;
}

static void named_free(void *record)
{
    g_free(((named_t *)record)->prefix);
    g_free(((named_t *)record)->label);
}

void wl_mp_labels_register(struct pref_module *module)
{
    static uat_field_t fields[] = {
        UAT_FLD_CSTRING_OTHER(named, prefix, "Prefix", check_prefix,
                              "Address prefix, as 10.1.0.0/16 or 2001:db8::/32"),
        UAT_FLD_CSTRING_OTHER(named, label, "Path", check_label,
                              "What the network is called: wifi, cellular"),
        UAT_END_FIELDS};
    uat_t *uat =
        uat_new("Wirelat paths", sizeof(named_t), "wirelat_paths", TRUE, &named, &named_count,
                UAT_AFFECTS_DISSECTION, NULL, named_copy, NULL, named_free, NULL, NULL, fields);

    prefs_register_uat_preference(
        module, "mptcp_paths", "Names of MPTCP paths",
        "Address prefixes and what their networks are called. The longest that fits counts.", uat);
}

static const char *label_of(const uint8_t *address, unsigned length)
{
    const char *best = NULL, *wrong;
    unsigned best_bits = 0;

    for (unsigned i = 0; i < named_count; i++) {
        prefix_t prefix;
        unsigned whole, rest;

        if (named[i].prefix == NULL || !parse_prefix(named[i].prefix, &prefix, &wrong) ||
            prefix.length != length || (best != NULL && prefix.bits <= best_bits)) {
            continue;
        }
        whole = prefix.bits / 8;
        rest = prefix.bits % 8;
        if (memcmp(prefix.bytes, address, whole) == 0 &&
            (rest == 0 || (prefix.bytes[whole] ^ address[whole]) >> (8 - rest) == 0)) {
            best = named[i].label;
            best_bits = prefix.bits;
        }
    }
    return best;
}

char *wl_mp_address_text(const uint8_t *bytes, unsigned length)
{
    address text = ADDRESS_INIT(length == 16  ? AT_IPv6
                                : length == 4 ? AT_IPv4
                                              : AT_NONE,
                                (int)length, bytes);
    char *copy, *scratch = address_to_str(NULL, &text);

    copy = g_strdup(scratch);
    wmem_free(NULL, scratch);
    return copy;
}

char *wl_mp_path_label(const wl_mp_subflow_t *subflow)
{
    unsigned first = subflow->side[0] == 0 ? 0 : 1;
    const char *label[2];
    char *path, *text[2];

    for (unsigned i = 0; i < 2; i++) {
        label[i] = label_of(subflow->address[first ^ i], subflow->address_length);
    }
    if (label[0] != NULL && label[1] != NULL && strcmp(label[0], label[1]) != 0) {
        return g_strdup_printf("%s - %s", label[0], label[1]);
    }
    if (label[0] != NULL || label[1] != NULL) {
        return g_strdup(label[0] != NULL ? label[0] : label[1]);
    }
    for (unsigned i = 0; i < 2; i++) {
        text[i] = wl_mp_address_text(subflow->address[first ^ i], subflow->address_length);
    }
    path = g_strdup_printf("%s - %s", text[0], text[1]);
    g_free(text[0]);
    g_free(text[1]);
    return path;
}
