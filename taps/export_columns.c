/* export_columns.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "export_columns.h"

#include "latency_take.h"

/* The last word on an exchange first: a client id that the broker assigned is on the answer, what
 * only TCP acknowledges has its round trip there. */
static const wl_event_t by_rank[] = {WL_EVENT_ANSWER, WL_EVENT_ACK,    WL_EVENT_PUBREL,
                                     WL_EVENT_PUBREC, WL_EVENT_ORPHAN, WL_EVENT_REQUEST,
                                     WL_EVENT_SESSION};
/* What can happen more than once has no column. */
#define ONCE                                                                     \
    (WL_ON(WL_EVENT_ANSWER) | WL_ON(WL_EVENT_ACK) | WL_ON(WL_EVENT_PUBREL) |     \
     WL_ON(WL_EVENT_PUBREC) | WL_ON(WL_EVENT_ORPHAN) | WL_ON(WL_EVENT_REQUEST) | \
     WL_ON(WL_EVENT_SESSION))

void wl_export_line(const wl_store_t *store, wl_exchange_id_t id, wl_line_t *line)
{
    const wl_exchange_t *ex = wl_store_get(store, id);
    const wl_legs_t *legs = wl_store_legs(store, ex);
    unsigned happened = WL_ON(ex->flags & WL_ORPHANED ? WL_EVENT_ORPHAN : WL_EVENT_REQUEST);

    happened |= ex->flags & WL_ANSWERED ? WL_ON(WL_EVENT_ANSWER) : 0;
    happened |= ex->ack_frame != 0 ? WL_ON(WL_EVENT_ACK) : 0;
    if (legs != NULL) {
        happened |= legs->pubrec_last_ns != WL_NO_TIME ? WL_ON(WL_EVENT_PUBREC) : 0;
        happened |= legs->pubrel_last_ns != WL_NO_TIME ? WL_ON(WL_EVENT_PUBREL) : 0;
    }
    line->record = (wl_record_t){WL_EVENT_REQUEST, id, ex, store, wl_store_session(store, ex)};
    happened |= line->record.note != NULL ? WL_ON(WL_EVENT_SESSION) : 0;
    line->happened = (uint16_t)happened;
    line->data = NULL;
}

static const char *code_name(const wl_field_t *field, int64_t code)
{
    return field->display & BASE_EXT_STRING
               ? try_val_to_str_ext((uint32_t)code, (value_string_ext *)(uintptr_t)field->strings)
               : try_val_to_str((uint32_t)code, field->strings);
}

static wl_cell_type_t type_of(enum ftenum type)
{
    return type == FT_STRING    ? WL_CELL_TEXT
           : type == FT_BOOLEAN ? WL_CELL_BOOLEAN
                                : WL_CELL_INTEGER;
}

static wl_cell_type_t name_cell(const char *name, wl_value_t *value)
{
    value->text = name;
    return name != NULL ? WL_CELL_TEXT : WL_CELL_NONE;
}

static wl_cell_type_t data_cell(const wl_column_t *column, const wl_data_line_t *line,
                                wl_value_t *value)
{
    if (column->data == NULL || !column->data->get(line, value)) {
        return WL_CELL_NONE;
    }
    return column->is_name
               ? name_cell(try_val_to_str((uint32_t)value->integer, column->data->strings), value)
               : type_of(column->data->type);
}

wl_cell_type_t wl_export_cell(const wl_column_t *column, wl_line_t *line, wl_value_t *value)
{
    const wl_field_t *field;
    unsigned events, rank = 0;

    if (line->data != NULL) {
        return data_cell(column, line->data, value);
    }
    field = column->field[line->record.ex->proto];
    events = field != NULL ? field->events & line->happened : 0;
    if (events == 0) {
        return WL_CELL_NONE;
    }
    while (!(events & WL_ON(by_rank[rank]))) {
        rank++;
    }
    line->record.event = by_rank[rank];
    if (!field->get(&line->record, value)) {
        return WL_CELL_NONE;
    }
    return column->is_name ? name_cell(code_name(field, value->integer), value)
                           : type_of(field->type);
}

/* What no field says, since it is of the whole exchange. */

static bool get_protocol(const wl_record_t *record, wl_value_t *value)
{
    static const char *const names[WL_PROTO_COUNT] = {
        [WL_PROTO_MQTT] = "mqtt", [WL_PROTO_KAFKA] = "kafka", [WL_PROTO_MQTTSN] = "mqttsn"};

    value->text = names[record->ex->proto];
    return true;
}

static bool get_exchange(const wl_record_t *record, wl_value_t *value)
{
    static wl_row_key_t key; /* used up before the next call */

    value->text = record->ex->proto == WL_PROTO_MQTT     ? wl_mqtt_row_name(record->ex)
                  : record->ex->proto == WL_PROTO_MQTTSN ? wl_mqttsn_row_name(record->ex)
                                                         : wl_kafka_row_name(record->ex, &key);
    return true;
}

static bool get_outcome(const wl_record_t *record, wl_value_t *value)
{
    static const struct {
        unsigned flag;
        const char *name;
    } outcomes[] = {
        {WL_ORPHANED, "orphan"},    {WL_ONE_WAY, "one-way"}, {WL_ANSWERED, "answered"},
        {WL_ID_TAKEN, "id reused"}, {WL_EVICTED, "evicted"},
    };

    value->text = "open";
    for (unsigned i = 0; i < G_N_ELEMENTS(outcomes); i++) {
        if (record->ex->flags & outcomes[i].flag) {
            value->text = outcomes[i].name;
            break;
        }
    }
    return true;
}

static bool frame(uint32_t number, wl_value_t *value)
{
    return wl_value_integer(number, value) && number != 0;
}

static bool get_request_frame(const wl_record_t *record, wl_value_t *value)
{
    return frame(record->ex->request_frame, value);
}

static bool get_answer_frame(const wl_record_t *record, wl_value_t *value)
{
    return frame(record->ex->answer_frame, value);
}

static bool get_ack_frame(const wl_record_t *record, wl_value_t *value)
{
    return frame(record->ex->ack_frame, value);
}

static bool time_at(int64_t ns, wl_value_t *value)
{
    return wl_value_integer(ns, value) && ns != WL_NO_TIME;
}

static bool get_request_first(const wl_record_t *record, wl_value_t *value)
{
    return time_at(wl_record_ns(record, WL_TIME_REQUEST_FIRST), value);
}

static bool get_request_last(const wl_record_t *record, wl_value_t *value)
{
    return time_at(wl_record_ns(record, WL_TIME_REQUEST_LAST), value);
}

static bool get_answer_first(const wl_record_t *record, wl_value_t *value)
{
    return time_at(wl_record_ns(record, WL_TIME_ANSWER_FIRST), value);
}

static bool get_answer_last(const wl_record_t *record, wl_value_t *value)
{
    return time_at(wl_record_ns(record, WL_TIME_ANSWER_LAST), value);
}

static bool get_ack(const wl_record_t *record, wl_value_t *value)
{
    return time_at(wl_record_ns(record, WL_TIME_ACK), value);
}

static bool get_retries(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer(record->ex->retries, value) && record->ex->proto != WL_PROTO_KAFKA;
}

static bool get_duplicates(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer(wl_store_duplicates(record->store, record->id), value);
}

static bool get_reused(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer((record->ex->flags & WL_REUSED_ID) != 0, value);
}

#define ALWAYS (WL_ON(WL_EVENT_REQUEST) | WL_ON(WL_EVENT_ORPHAN))
#define OWN(name, type, events, get)                                \
    {                                                               \
        name, NULL, type, BASE_NONE, NULL, events, false, get, NULL \
    }

static const wl_field_t own_columns[] = {
    OWN("protocol", FT_STRING, ALWAYS, get_protocol),
    OWN("exchange", FT_STRING, ALWAYS, get_exchange),
    OWN("outcome", FT_STRING, ALWAYS, get_outcome),
    OWN("request_frame", FT_UINT32, ALWAYS, get_request_frame),
    OWN("answer_frame", FT_UINT32, ALWAYS, get_answer_frame),
    OWN("ack_frame", FT_UINT32, ALWAYS, get_ack_frame),
    OWN("request_first", FT_ABSOLUTE_TIME, ALWAYS, get_request_first),
    OWN("request_last", FT_ABSOLUTE_TIME, ALWAYS, get_request_last),
    OWN("answer_first", FT_ABSOLUTE_TIME, ALWAYS, get_answer_first),
    OWN("answer_last", FT_ABSOLUTE_TIME, ALWAYS, get_answer_last),
    OWN("ack", FT_ABSOLUTE_TIME, ALWAYS, get_ack),
    OWN("retries", FT_UINT32, WL_ON(WL_EVENT_REQUEST), get_retries),
    OWN("duplicates", FT_UINT32, WL_ON(WL_EVENT_REQUEST), get_duplicates),
    OWN("reused", FT_BOOLEAN, WL_ON(WL_EVENT_REQUEST), get_reused),
};

static GArray *columns;

static wl_column_t *column_named(const char *name, bool is_name)
{
    for (unsigned i = 0; i < columns->len; i++) {
        wl_column_t *column = &g_array_index(columns, wl_column_t, i);

        if (strcmp(column->name, name) == 0 && column->is_name == is_name) {
            return column;
        }
    }
    return NULL;
}

/* The column of a field, made unless it is there. */
static wl_column_t *add_column(const char *field, enum ftenum type, bool is_name)
{
    bool is_time = type == FT_RELATIVE_TIME || type == FT_ABSOLUTE_TIME;
    char *name = g_strconcat(field, is_name ? "_name" : is_time ? "_ns" : NULL, NULL);
    wl_column_t *column = column_named(name, is_name);
    wl_column_t new_column = {.name = name, .is_name = is_name};

    if (column != NULL) {
        g_free(name);
        return column;
    }
    new_column.key = g_strdup_printf(",\"%s\":", name);
    new_column.key_length = strlen(new_column.key);
    g_array_append_val(columns, new_column);
    return &g_array_index(columns, wl_column_t, columns->len - 1);
}

static void add_field(const wl_field_t *field, unsigned protocols, bool is_name)
{
    wl_column_t *column = add_column(field->name, field->type, is_name);

    for (unsigned i = 0; i < WL_PROTO_COUNT; i++) {
        /* A column of the export's own stays: a field sits on some frames only. */
        if ((protocols & 1u << i) && column->field[i] == NULL) {
            column->field[i] = field;
        }
    }
}

static void add_fields(const wl_field_t *fields, unsigned count, unsigned protocols)
{
    for (unsigned i = 0; i < count; i++) {
        /* Links to frames are the export's own columns. */
        if (fields[i].type != FT_FRAMENUM && (fields[i].events & ONCE)) {
            add_field(&fields[i], protocols, false);
            if (fields[i].strings != NULL) {
                add_field(&fields[i], protocols, true);
            }
        }
    }
}

static void add_data_columns(void)
{
    unsigned count;
    const wl_data_column_t *data = wl_export_data_columns(&count);

    for (unsigned i = 0; i < count; i++) {
        add_column(data[i].name, data[i].type, false)->data = &data[i];
        if (data[i].strings != NULL) {
            add_column(data[i].name, data[i].type, true)->data = &data[i];
        }
    }
}

const wl_column_t *wl_export_columns(unsigned *count)
{
    static const wl_shown_t *const shown[WL_PROTO_COUNT] = {[WL_PROTO_MQTT] = &wl_shown_mqtt,
                                                            [WL_PROTO_KAFKA] = &wl_shown_kafka,
                                                            [WL_PROTO_MQTTSN] = &wl_shown_mqttsn};
    unsigned common_count;
    const wl_field_t *common = wl_show_common(&common_count);

    if (columns == NULL) {
        columns = g_array_new(FALSE, FALSE, sizeof(wl_column_t));
        add_fields(own_columns, G_N_ELEMENTS(own_columns), (1u << WL_PROTO_COUNT) - 1);
        add_fields(common, common_count, (1u << WL_PROTO_COUNT) - 1);
        for (unsigned i = 0; i < WL_PROTO_COUNT; i++) {
            add_fields(shown[i]->fields, shown[i]->field_count, 1u << i);
        }
        add_data_columns();
    }
    *count = columns->len;
    return &g_array_index(columns, wl_column_t, 0);
}
