"""MQTT sessions, what they have subscribed to, and the publishes the broker owes each of them.

Every publish is put into the queue of everybody who has subscribed to it; a copy takes the first of
its topic and payload out of its receiver's queue.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections
import re

NO_LOCAL, AS_PUBLISHED, IMPLIED = 0x04, 0x08, 0x80
KEEP_NS = 60 * 10**9
Subscription = collections.namedtuple("Subscription", "filter options group since")


def matches(topic_filter, topic):
    """MQTT 5.0 section 4.7."""
    if topic.startswith("$") and topic_filter[0] in "+#":
        return False
    if topic_filter == "#":
        return True
    levels = topic_filter.split("/")
    pattern = "/".join("[^/]*" if level == "+" else re.escape(level) for level in levels
                       if level != "#")
    return re.fullmatch(pattern + ("(/.*)?" if levels[-1] == "#" else ""), topic, re.S) is not None


def is_filter(text):
    levels = text.split("/")
    return bool(text) and "#" not in levels[:-1] and all(
        level in ("+", "#") or not set(level) & set("+#") for level in levels)


class Session:
    def __init__(self, unknown=False):
        self.connection, self.unknown, self.connected = None, unknown, 0
        self.subscriptions = {}    # (filter, shared) -> Subscription
        self.queue = Queue()


class Queue:
    """Publishes that one receiver is owed, by topic and payload."""

    def __init__(self):
        self.owed = collections.defaultdict(list)  # -> [publish, may be another]
        self.again = {}                            # -> [entry taken last, copies still possible]


class Publish:
    def __init__(self, **values):
        self.__dict__.update(values)


class World:
    """All that connections share."""

    def __init__(self):
        self.sessions, self.groups, self.everybody, self.published = {}, {}, [], 0

    def session(self, client, broker):
        if (client, broker) not in self.sessions:
            self.sessions[client, broker] = self.anonymous(False)
        return self.sessions[client, broker]

    def anonymous(self, unknown=True):
        self.everybody.append(Session(unknown))
        return self.everybody[-1]

    def clear(self, session):
        session.subscriptions, session.queue = {}, Queue()

    def subscribe(self, session, broker, text, options):
        group = re.fullmatch(r"\$share/([^/]*)/(.*)", text, re.S)
        name, text = group.groups() if group else (None, text)
        if is_filter(text):
            key = None if name is None else (name, text, broker)
            if key is not None:
                self.groups.setdefault(key, Queue())
            old = session.subscriptions.get((text, key is not None))
            session.subscriptions[text, key is not None] = Subscription(
                text, options, old.group if old else key, old.since if old else self.published)

    def unsubscribe(self, session, text):
        group = re.fullmatch(r"\$share/([^/]*)/(.*)", text, re.S)
        session.subscriptions.pop((group[2], True) if group else (text, False), None)

    def of_topic(self, session, topic):
        found = [s for s in session.subscriptions.values() if matches(s.filter, topic)]
        told = [s for s in found if not s.options & IMPLIED]
        return told if len(found) > 1 else found

    def publish(self, publish):
        """Everybody who is owed the publish now."""
        key, reached = (publish.topic, publish.payload), set()
        publish.number = self.published
        self.published += 1
        for session in self.everybody:
            found = self.of_topic(session, publish.topic)
            if [s for s in found if s.group is None]:
                session.queue.owed[key].append([publish, False])
            for subscription in found:
                if subscription.group is not None and subscription.group not in reached:
                    reached.add(subscription.group)
                    self.groups[subscription.group].owed[key].append([publish, False])

    def copy(self, session, broker, topic, payload, first, retain):
        """(request event of the original, ambiguous) of a copy; None if it is none to look for."""
        found, key = self.of_topic(session, topic), (topic, payload)
        if retain and not any(s.options & AS_PUBLISHED for s in found):
            return None
        if not found and session.unknown:
            self.subscribe(session, broker, topic, IMPLIED)
        candidates = []
        own = [s for s in found if s.group is None]
        queues = ([(session.queue, own)] if own else []) + \
            [(self.groups[s.group], [s]) for s in found if s.group is not None]
        for queue, filters in queues:
            live = [entry for entry in queue.owed[key]
                    if self.live(entry[0], session, filters, first, retain)]
            same = [entry for entry in live if entry[0].broker == broker]
            if same or live:
                candidates.append((queue, len(filters), same or live))
        if candidates:
            return self.take(key, candidates)
        again = session.queue.again.get(key) if own else None
        if again and again[1] and self.live(again[0][0], session, own, first, retain):
            again[1] -= 1
            return again[0][0].event, again[0][1]
        return None if retain else (None, False)

    @staticmethod
    def live(publish, session, filters, first, retain):
        """Whether the broker may still send it to the session because of these filters."""
        local = publish.session is session and all(s.options & NO_LOCAL for s in filters)
        kept = min(publish.qos, max(s.options & 3 for s in filters)) > 0
        return first - KEEP_NS <= publish.time <= first and (publish.retain or not retain) and \
            publish.number >= min(s.since for s in filters) and not local and \
            (kept or publish.number >= session.connected) and \
            (publish.event.get("reason") or 0) < 0x80

    @staticmethod
    def take(key, candidates):
        queue, filters, entries = candidates[0]
        again = queue.again.get(key)
        if len(entries) > 1 or len(candidates) > 1 or again and again[1]:
            for entry in queue.owed[key]:
                entry[1] = True
        entry = entries[0]
        queue.owed[key] = queue.owed[key][queue.owed[key].index(entry) + 1:]
        queue.again[key] = [entry, filters - 1]
        return entry[0].event, entry[1]
