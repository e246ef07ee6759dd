"""What every Grid of ours does alike: it makes messages, and posts and collects them instead of waiting for replies."""

from __future__ import annotations

from collections.abc import Iterable

from flwr.app import Message as FlowerMessage
from flwr.app import RecordDict
from flwr.serverapp import Grid


class PostingGrid(Grid):
    """For a Grid with `push_messages` and `pull_messages` of its own."""

    def create_message(
        self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None
    ) -> FlowerMessage:
        return FlowerMessage(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def send_and_receive(
        self, messages: Iterable[FlowerMessage], *, timeout: float | None = None
    ) -> Iterable[FlowerMessage]:
        """Not here: it would wait three seconds between two looks."""
        raise NotImplementedError("lepton_fed.flower.grid posts and collects")
