"""What a chat export says: recognised by content, read tolerantly, into one kind of message for all formats."""

from soulfra.chat.message import Message, Recognition, Skipped, Unreadable
from soulfra.chat.recognise import formats, recognise_file, recognise_head

__all__ = ["Message", "Recognition", "Skipped", "Unreadable", "formats", "recognise_file", "recognise_head"]
