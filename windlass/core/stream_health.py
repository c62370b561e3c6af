"""What operators see of the live streams: are wake-ups heard, who follows, who was too slow."""

from collections.abc import Generator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from windlass.core.health import Finding, Grade, Part
from windlass.core.stream import Hub

_LOST_SHARE = 0.1  # of the wake-ups found by the poll: more than races explain


def stream_part(hub: Hub) -> Part:
    """The probe of the live streams of this gateway."""

    async def probe() -> Finding:
        health = hub.health()
        figure = f"{health.subscribers} {'reader' if health.subscribers == 1 else 'readers'}"
        if not health.is_listening:
            return Finding(Grade.WARN, "hears no notifications, looks once a second", figure, health.subscribers)
        if health.recent_poll_hits > _LOST_SHARE * max(health.recent_notifications, 10):
            return Finding(Grade.WARN, "notifications get lost, looks once a second", figure, health.subscribers)
        return Finding(Grade.PASS, "is told of every event at once", figure, health.subscribers)

    return Part("streams", probe, "without notifications events show up to a second late; nothing is lost")


class StreamMetrics(Collector):
    """The figures of a hub for Prometheus: register it once per process."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def collect(self) -> Generator[Metric]:
        """Read the hub's figures as they are now."""
        health = self._hub.health()
        yield GaugeMetricFamily("windlass_stream_subscribers", "Readers of live streams.", health.subscribers)
        yield GaugeMetricFamily("windlass_stream_topics", "Streams that are followed.", health.topics)
        yield GaugeMetricFamily("windlass_stream_listening", "1: notifications are heard.", int(health.is_listening))
        yield CounterMetricFamily("windlass_stream_notifications", "Wake-ups heard.", health.notifications)
        yield CounterMetricFamily("windlass_stream_polls", "Polls of followed streams.", health.polls)
        yield CounterMetricFamily("windlass_stream_poll_hits", "Streams found behind by a poll.", health.poll_hits)
        yield CounterMetricFamily("windlass_stream_resyncs", "Readers that were too slow.", health.resyncs)
